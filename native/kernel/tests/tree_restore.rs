//! A stored tree restored by whoever pulls its batches: what is straight comes back, and what is not is left.

#[path = "support/temporary_folder.rs"]
mod temporary_folder;

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use fsb_kernel::conditions::Conditions;
use fsb_kernel::content_table::{KEY_BYTES, Key, KnownTable, PackTableBuilder};
use fsb_kernel::hashing::ContentHasher;
use fsb_kernel::indirect_list::push_indirect_list;
use fsb_kernel::interrupted::Interrupted;
use fsb_kernel::object_id::{ContentId, ObjectId};
use fsb_kernel::restore::{ContentForm, Counts, Entry, EntryKind, LeftKind, PlacedTable, RestoreOptions, RestoreRun};
use fsb_kernel::sealing::Sealer;
use fsb_kernel::snapshot::directory_entry::DirectoryEntry;
use fsb_kernel::snapshot::folder_object::FolderEncoder;
use fsb_kernel::snapshot::go_time::Time;
use fsb_kernel::snapshot::summary::Summary;
use fsb_kernel::volume::attributes::Attributes;
use fsb_kernel::volume::new_file::Zeros;
use temporary_folder::TemporaryFolder;

fn hasher() -> ContentHasher {
    ContentHasher::new(b"hash")
}

fn sealer() -> Sealer {
    Sealer::new(b"seal")
}

/// One pack, growing.
#[derive(Default)]
struct Pack {
    bytes: Vec<u8>,
    places: HashMap<Key, (u32, u32, u32)>,
}

impl Pack {
    fn store(&mut self, prefix: u8, plain: &[u8]) -> ObjectId {
        let id = ContentId::new(prefix, &hasher().hash(plain));
        let key: Key = id.key().try_into().unwrap();
        let start = self.bytes.len();
        sealer().seal_onto(&mut self.bytes, plain, id.hash(), [3; 12]);
        let length = self.bytes.len() - start;
        self.places.entry(key).or_insert((start as u32, length as u32, plain.len() as u32));
        ObjectId::direct(id)
    }

    fn folder(&mut self, entries: &[DirectoryEntry<'_>]) -> ObjectId {
        let mut encoder = FolderEncoder::new();
        entries.iter().for_each(|entry| encoder.add(entry).unwrap());
        let mut json = vec![];
        encoder.encode_onto(&mut json, &Summary::default()).unwrap();
        self.store(b'k', &json)
    }

    fn table(&self) -> PlacedTable {
        let mut builder = PackTableBuilder::default();
        for (key, &(offset, packed, original)) in &self.places {
            builder.add(key, 7, offset, packed, original);
        }
        let forms = vec![ContentForm { compression_id: 0, encryption_key_id: 0 }];
        PlacedTable { table: KnownTable::new(KEY_BYTES, builder.build()), forms }
    }
}

fn entry<'a>(name: &'a str, kind: EntryKind, size: usize, object_id: ObjectId) -> DirectoryEntry<'a> {
    let own = fs::metadata("/proc/self").unwrap();
    DirectoryEntry {
        name: name.as_bytes().into(),
        kind,
        mode: 0o750,
        size: size as u64,
        mtime: Time { seconds: 1_600_000_000, nanoseconds: 7 },
        uid: own.uid(),
        gid: own.gid(),
        object_id: object_id.to_string().into(),
        summary: None,
    }
}

fn start(pack: &Pack, target: &TemporaryFolder, root: ObjectId, threads: usize) -> RestoreRun {
    RestoreRun::new(RestoreOptions {
        hasher: hasher(),
        sealer: sealer(),
        tables: vec![pack.table()],
        target: File::open(&target.0).unwrap().into(),
        entry: entry("root", EntryKind::Folder, 0, root).into(),
        zeros: Zeros::Holes,
        seed: [5; 32],
        conditions: Arc::new(Conditions::new(threads)),
        fetched_bytes_max: 1 << 20,
        expanded_bytes_max: 0,
    })
    .unwrap()
}

/// Answers until the run is done; gives what was left, by its names, and the counts.
fn drive(run: &RestoreRun, pack: &Pack) -> (Vec<(LeftKind, String)>, Counts) {
    let mut left = vec![];
    loop {
        let batch = run.next().unwrap();
        for range in batch.ranges {
            let (start, end) = (range.offset as usize, (range.offset + range.length) as usize);
            run.supply(range.number, pack.bytes.get(start..end).map(|bytes| Box::new(bytes.to_vec()) as Box<_>));
        }
        assert!(batch.objects.is_empty());
        for item in batch.left {
            let path = [&item.folder_path[..], &item.entry.name].concat();
            left.push((item.kind, String::from_utf8_lossy(&path).replace('\0', "/")));
            run.settle(item.number);
        }
        if batch.is_last {
            left.sort_by(|a, b| a.1.cmp(&b.1));
            return (left, batch.counts);
        }
    }
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn a_tree_comes_back_whole_however_many_threads_there_are() {
    let mut pack = Pack::default();
    let large = bytes(9_000_000);
    let chunks: Vec<_> = large.chunks(3_000_000).map(|chunk| (chunk.len() as u64, pack.store(0, chunk))).collect();
    let mut list = vec![];
    push_indirect_list(&mut list, chunks);
    let list = pack.store(b'x', &list).indirect().unwrap();
    let small = pack.store(0, b"text");
    let empty = pack.store(0, b"");
    let target_of_link = pack.store(0, b"../nowhere");
    let mut folders = vec![];
    let leaf_entries: Vec<String> = (0..20).map(|number| format!("file {number}")).collect();
    let leaf = pack.folder(&leaf_entries.iter().map(|name| entry(name, EntryKind::File, 4, small)).collect::<Vec<_>>());
    let names: Vec<String> = (0..700).map(|number| format!("folder {number}")).collect();
    for name in &names {
        folders.push(entry(name, EntryKind::Folder, 0, leaf));
    }
    folders.push(entry("large", EntryKind::File, large.len(), list));
    folders.push(entry("empty", EntryKind::File, 0, empty));
    folders.push(entry("link", EntryKind::Symlink, 10, target_of_link));
    let root = pack.folder(&folders);
    for threads in [1, 2, 5] {
        let target = TemporaryFolder::new(&format!("tree-restore-whole-{threads}"));
        let run = start(&pack, &target, root, threads);
        let (left, counts) = drive(&run, &pack);
        assert_eq!(left, []);
        let bytes = 700 * 20 * 4 + large.len() as u64;
        assert_eq!(counts, Counts { files: 14_002, folders: 701, symlinks: 1, bytes });
        assert!(fs::read(target.path("large")).unwrap() == large);
        for folder in &names {
            let found = fs::metadata(target.path(folder)).unwrap();
            assert_eq!((found.mode() & 0o7777, found.mtime(), found.mtime_nsec()), (0o750, 1_600_000_000, 7));
            assert_eq!(fs::read_dir(target.path(folder)).unwrap().count(), 20);
        }
        assert_eq!(fs::read_dir(&target.0).unwrap().count(), 703);
        assert_eq!(fs::metadata(&target.0).unwrap().mtime_nsec(), 7);
        run.sync().unwrap();
    }
}

#[test]
fn what_is_not_straight_is_left_and_all_else_is_restored() {
    let mut pack = Pack::default();
    let good = pack.store(0, b"good");
    let damaged = pack.store(0, b"damaged");
    let damaged_folder = pack.folder(&[entry("never seen", EntryKind::File, 4, good)]);
    let missing = ObjectId::direct(ContentId::new(0, &[1; 16]));
    let mut cut = br#"{"stream":"kopia:directory","entries":[{"name":"a","type":"f","size":4,"obj":"@"},"#.to_vec();
    cut.extend_from_slice(br#"{"name":"b","type":"f","size":"many"}]}"#);
    let cut = pack.store(b'k', String::from_utf8(cut).unwrap().replace('@', &good.to_string()).as_bytes());
    let mut folder_entries = vec![
        entry("cut", EntryKind::Folder, 0, cut),
        entry("damaged folder", EntryKind::Folder, 0, damaged_folder),
        entry("missing folder", EntryKind::Folder, 0, missing),
        entry("damaged", EntryKind::File, 7, damaged),
        entry("good", EntryKind::File, 4, good),
        entry("missing", EntryKind::File, 4, missing),
        entry("too long", EntryKind::File, 5, good),
    ];
    folder_entries.push(entry("in the way", EntryKind::File, 4, good));
    let root = pack.folder(&folder_entries);
    for id in [damaged, damaged_folder] {
        let key: Key = id.content_id.key().try_into().unwrap();
        let (start, ..) = pack.places[&key];
        pack.bytes[start as usize + 14] ^= 1;
    }
    let target = TemporaryFolder::new("tree-restore-left");
    fs::create_dir(target.path("in the way")).unwrap();
    let run = start(&pack, &target, root, 3);
    let (left, counts) = drive(&run, &pack);
    let entry_left = |name: &str| (LeftKind::Entry, name.to_owned());
    let below = |name: &str, after| (LeftKind::Below { after }, format!("{name}/{name}"));
    assert_eq!(
        left,
        [
            below("cut", 1),
            entry_left("damaged"),
            below("damaged folder", 0),
            entry_left("in the way"),
            entry_left("missing"),
            below("missing folder", 0),
            entry_left("too long"),
        ]
    );
    assert_eq!((counts.files, counts.folders), (2, 1), "cut/a and good; the root");
    assert_eq!(fs::read(target.path("good")).unwrap(), b"good");
    assert_eq!(fs::read(target.path("cut/a")).unwrap(), b"good");
}

#[test]
fn a_run_that_is_given_up_leaves_no_temporary_name() {
    let mut pack = Pack::default();
    let mut list = vec![];
    let chunks = [1, 2].map(|number| {
        let id = pack.store(0, &bytes(1_000_000)[number..]);
        pack.store(0, &bytes(100_000)); // They lie too far apart to be fetched at once.
        (1_000_000 - number as u64, id)
    });
    push_indirect_list(&mut list, chunks);
    let list = pack.store(b'x', &list).indirect().unwrap();
    let root = pack.folder(&[entry("large", EntryKind::File, 1_999_997, list)]);
    let target = TemporaryFolder::new("tree-restore-given-up");
    let run = start(&pack, &target, root, 2);
    // The second chunk is withheld, so the file is begun and does not end.
    let mut chunks_supplied = 0;
    while chunks_supplied == 0 {
        for range in run.next().unwrap().ranges {
            let is_chunk = range.length > 900_000;
            if is_chunk && chunks_supplied == 1 {
                continue;
            }
            chunks_supplied += usize::from(is_chunk);
            let (start, end) = (range.offset as usize, (range.offset + range.length) as usize);
            run.supply(range.number, Some(Box::new(pack.bytes[start..end].to_vec())));
        }
    }
    while run.next().unwrap().counts.bytes == 0 {}
    assert_eq!(fs::read_dir(&target.0).unwrap().count(), 1);
    run.close();
    assert_eq!(fs::read_dir(&target.0).unwrap().count(), 0);
    assert_eq!(run.next().err(), Some(Interrupted::Cancelled));
}

#[test]
fn an_entry_keeps_what_a_restore_needs() {
    let id = ObjectId::direct(ContentId::new(0, &[1; 16]));
    let Entry { name, kind, attributes, size, object_id } = entry("name", EntryKind::Symlink, 9, id).into();
    assert_eq!((&*name, kind, size, &*object_id), (&b"name"[..], EntryKind::Symlink, 9, &*id.to_string()));
    let Attributes { mode, mtime_seconds, mtime_nanoseconds, .. } = attributes;
    assert_eq!((mode, mtime_seconds, mtime_nanoseconds), (0o750, 1_600_000_000, 7));
}
