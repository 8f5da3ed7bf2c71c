//! Whatever was done to the bytes of a folder or of a list of chunks, reading them gives entries or an error. A panic would
//! end the run; what was read and can be written reads back as the same.

use fsb_kernel::indirect_list::{iterate_indirect_list, push_indirect_list};
use fsb_kernel::snapshot::directory_entry::{DirectoryEntry, decode_directory_entry};
use fsb_kernel::snapshot::folder_object::{FolderEncoder, decode_folder};
use fsb_kernel::snapshot::snapshot_error::SnapshotError;

const RUNS: u64 = 200_000;

const ORIGINALS: [&str; 4] = [
    r#"{"stream":"kopia:directory","entries":null,"summary":{"size":0,"files":0,"symlinks":0,"dirs":1,"maxTime":"2025-01-10T08:00:00.5Z","numFailed":0}}"#,
    r#"{"stream":"kopia:directory","entries":[{"name":"sub","type":"d","mode":"020000775","mtime":"2025-01-14T07:00:00Z","uid":1000,"gid":1000,"obj":"k1db879ecc6b43ff9dd59183cffca79eb","summ":{"size":5,"files":1,"symlinks":0,"dirs":1,"maxTime":"2025-01-12T12:00:00.123456789Z","incomplete":"canceled","numFailed":1,"numIgnoredErrors":2,"errors":[{"path":"a","error":"b"}]}},{"name":"b\u0026w.bin","type":"f","mode":"0640","size":5,"mtime":"2025-01-12T12:00:00.123456789Z","uid":1000,"gid":1000,"obj":"27818f7ddb8d35444627e099045bc0dd"},{"name":"a\ufffdb~2","type":"s","size":3,"obj":"00","rawName":"Yf9i"},{"name":"日本語\ud83d\ude80","type":"f","obj":"4e51"}],"summary":{"size":5,"files":1,"symlinks":0,"dirs":2,"maxTime":"2025-01-14T07:00:00Z","numFailed":0}}"#,
    r#"{"STREAM":"kopia:directory","future":[[],{"a":1.5e-7,"b":[true,false,null]}],"entries":[{},{"NAME":"a","Name":"b","type":"\u0066"}]}"#,
    r#"{"stream":"kopia:indirect","entries":[{"l":8388608,"o":"6f5c"},{"s":8388608,"l":5357122,"o":"Ixf796"}]}"#,
];

const PIECES: [&[u8]; 20] = [
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"-",
    b"\\",
    b"\\u",
    b"\\ud83d",
    b"1e3",
    b"null",
    b"0",
    b"99999999999999999999",
    b"\xff",
    b"\xe2\x80",
    b"\0",
    b"~2",
    b"{}",
];

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % count as u64) as usize
    }
}

/// With some bytes flipped, cut out, doubled or put in, a few times over.
fn damage(original: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(12)).min(bytes.len());
        match dice.below(8) {
            0 => bytes.truncate(at),
            1 | 2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 => bytes[at..end].iter_mut().take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
            _ => drop(bytes.splice(at..at, PIECES[dice.below(PIECES.len())].iter().copied())),
        }
    }
    bytes
}

fn read(object: &[u8]) -> Result<Vec<DirectoryEntry<'_>>, SnapshotError> {
    decode_folder(object)?.entries.iter(object).collect()
}

fn write(entries: &[DirectoryEntry<'_>], object: &[u8]) -> Result<Vec<u8>, SnapshotError> {
    let mut encoder = FolderEncoder::new();
    for entry in entries {
        encoder.add(entry)?;
    }
    let mut written = vec![];
    encoder.encode_onto(&mut written, &decode_folder(object)?.summary.unwrap_or_default())?;
    Ok(written)
}

#[test]
fn damaged_folders_give_entries_or_an_error() {
    let mut dice = Dice(1);
    let [mut read_count, mut written_count] = [0; 2];
    for run in 0..RUNS {
        let original = ORIGINALS[run as usize % ORIGINALS.len()].as_bytes();
        let object = damage(original, &mut dice);
        // Where the bytes change under a cursor it must not panic either.
        if let Ok(folder) = decode_folder(original) {
            folder.entries.iter(&object).for_each(drop);
        }
        let Ok(entries) = read(&object) else { continue };
        read_count += 1;
        let Ok(written) = write(&entries, &object) else { continue };
        written_count += 1;
        assert_eq!(write(&read(&written).unwrap(), &written).unwrap(), written, "run {run}");
    }
    assert!(read_count > RUNS / 20 && written_count > RUNS / 50, "{read_count} read, {written_count} written");
}

#[test]
fn damaged_entries_give_an_entry_or_an_error() {
    let mut dice = Dice(2);
    let object = ORIGINALS[1].as_bytes();
    let originals: Vec<Vec<u8>> = read(object)
        .unwrap()
        .iter()
        .map(|entry| {
            let mut json = vec![];
            fsb_kernel::snapshot::directory_entry::push_directory_entry(&mut json, entry).unwrap();
            json
        })
        .collect();
    let mut read_count = 0;
    for run in 0..RUNS {
        let json = damage(&originals[run as usize % originals.len()], &mut dice);
        read_count += u64::from(decode_directory_entry(&json).is_ok());
    }
    assert!(read_count > RUNS / 20, "{read_count} read");
}

#[test]
fn damaged_lists_of_chunks_give_chunks_or_an_error() {
    let mut dice = Dice(3);
    let mut read_count = 0;
    for run in 0..RUNS {
        let list = damage(ORIGINALS[3].as_bytes(), &mut dice);
        let Ok(chunks) = iterate_indirect_list(&list).collect::<Result<Vec<_>, _>>() else { continue };
        read_count += 1;
        let mut written = vec![];
        push_indirect_list(&mut written, chunks.iter().map(|chunk| (chunk.length, chunk.object_id)));
        let again: Result<Vec<_>, _> = iterate_indirect_list(&written).collect();
        assert_eq!(again, Ok(chunks), "run {run}");
    }
    assert!(read_count > RUNS / 20, "{read_count} read");
}
