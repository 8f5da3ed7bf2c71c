//! A folder's object:
//!
//! ```text
//! {"stream":"kopia:directory","entries":[ENTRY,…],"summary":SUMMARY}⏎
//! ```
//!
//! Folders come first, then everything else, each in the order of the bytes of their names; no entries are `null`.
//!
//! Source: kopia snapshot/snapshotfs/dir_writer.go, dir_reader.go; src/snapshot/folder-object.ts.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::directory_entry::{
    DirectoryEntry, ENTRY_START, EntryKind, decode_entry, is_safe_name, push_entry_head, push_entry_tail,
    type_letter_of,
};
use super::go_json::{JsonCursor, JsonKind, JsonValue, go_text};
use super::snapshot_error::{SnapshotError, StoredThing};
use super::summary::{Summary, decode_summary, push_summary};

const STREAM_NAME: &str = "kopia:directory";
/// A slab of encoded entries is closed when it is about this long.
const SLAB_BYTES: usize = 1024 * 1024;
/// What no usual entry is longer than, so that a slab need not grow beyond `SLAB_BYTES`.
const USUAL_ENTRY_BYTES: usize = 4 * 1024;
/// What the encoder yields at a time is about this long.
const PIECE_BYTES: usize = 1024 * 1024;

/// Takes entries in any order and keeps each as its encoded bytes, about 250 an entry.
///
/// A clone has the same entries in the same memory, but for the last mebibyte; adding to one leaves the other as it is.
#[derive(Clone, Default)]
pub struct FolderEncoder {
    folders: Vec<EncodedEntry>,
    others: Vec<EncodedEntry>,
    slabs: Slabs,
    /// Some name is not UTF-8, so names may read the same.
    is_ambiguous: bool,
}

#[derive(Clone, Default)]
struct Slabs {
    closed: Vec<Arc<Vec<u8>>>,
    open: Vec<u8>,
}

/// In one slab, one behind the other: the name where it is not written as it is, the encoded entry up to the end of the
/// name, the rest of it.
#[derive(Clone, Copy)]
struct EncodedEntry {
    /// The first eight bytes of the name, padded with zeros, as a big-endian number: it orders most names.
    name_start: u64,
    slab: u32,
    name_from: u32,
    head_from: u32,
    tail_from: u32,
    end: u32,
    name_length: u32,
}

impl FolderEncoder {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn count(&self) -> usize {
        self.folders.len() + self.others.len()
    }

    /// As new, but with some of its memory.
    pub fn clear(&mut self) {
        self.folders.clear();
        self.others.clear();
        self.slabs.closed.clear();
        self.slabs.open.clear();
        self.is_ambiguous = false;
    }

    /// Errors: UnsafeName; NotWritable. The encoder is then as before.
    pub fn add(&mut self, entry: &DirectoryEntry<'_>) -> Result<(), SnapshotError> {
        if !is_safe_name(&entry.name) {
            return Err(SnapshotError::UnsafeName(entry.name.to_vec()));
        }
        let type_letter = type_letter_of(entry)?;
        let slab = self.slabs.open_for_another();
        let from = slab.len();
        push_entry_head(slab, &entry.name);
        let is_as_it_is = slab.len() == from + ENTRY_START.len() + entry.name.len();
        let (name_from, head_from) = if is_as_it_is {
            (from + ENTRY_START.len(), from)
        } else {
            slab.truncate(from);
            slab.extend_from_slice(&entry.name);
            push_entry_head(slab, &entry.name);
            (from, from + entry.name.len())
        };
        let tail_from = slab.len();
        push_entry_tail(slab, entry, type_letter);
        let Ok(end) = u32::try_from(slab.len()) else {
            slab.truncate(from);
            return Err(SnapshotError::NotWritable("an entry beyond 4 GiB cannot be written"));
        };
        let mut name_start = [0; 8];
        let length = entry.name.len().min(8);
        name_start[..length].copy_from_slice(&entry.name[..length]);
        let encoded = EncodedEntry {
            name_start: u64::from_be_bytes(name_start),
            slab: self.slabs.closed.len() as u32,
            name_from: name_from as u32,
            head_from: head_from as u32,
            tail_from: tail_from as u32,
            end,
            name_length: entry.name.len() as u32,
        };
        self.is_ambiguous |= str::from_utf8(&entry.name).is_err();
        if entry.kind == EntryKind::Folder {
            self.folders.push(encoded)
        } else {
            self.others.push(encoded)
        }
        Ok(())
    }

    /// The object, in pieces of about 1 MiB. The encoder can go on afterwards.
    /// Errors: SameNames.
    pub fn encode<'e>(&'e mut self, summary: &'e Summary) -> Result<FolderPieces<'e>, SnapshotError> {
        let slabs = &self.slabs;
        for entries in [&mut self.folders, &mut self.others] {
            if !entries.is_sorted_by(|a, b| slabs.compare_names(a, b) == Ordering::Less) {
                entries.sort_unstable_by(|a, b| slabs.compare_names(a, b));
            }
        }
        self.refuse_same_names()?;
        let entries = self.folders.iter().chain(&self.others);
        let suffixes =
            self.is_ambiguous.then(|| NameSuffixes::new(entries.clone().map(|entry| self.slabs.name(entry))));
        Ok(FolderPieces { encoder: self, summary, next: 0, suffixes, is_done: false })
    }

    /// The whole object at once, onto what is there.
    pub fn encode_onto(&mut self, target: &mut Vec<u8>, summary: &Summary) -> Result<(), SnapshotError> {
        let mut pieces = self.encode(summary)?;
        while pieces.push_some(target, usize::MAX) {}
        Ok(())
    }

    /// Both lists are sorted; a name may also be in each of them once.
    fn refuse_same_names(&self) -> Result<(), SnapshotError> {
        let slabs = &self.slabs;
        let refuse = |entry| Err(SnapshotError::SameNames(slabs.name(entry).to_vec()));
        for entries in [&self.folders, &self.others] {
            if let Some(same) = entries.windows(2).find(|two| slabs.compare_names(&two[0], &two[1]).is_eq()) {
                return refuse(&same[0]);
            }
        }
        let mut others = self.others.iter().peekable();
        for folder in &self.folders {
            while others.next_if(|other| slabs.compare_names(other, folder).is_lt()).is_some() {}
            if others.peek().is_some_and(|other| slabs.compare_names(other, folder).is_eq()) {
                return refuse(folder);
            }
        }
        Ok(())
    }
}

impl Slabs {
    fn open_for_another(&mut self) -> &mut Vec<u8> {
        if self.open.len() > SLAB_BYTES - USUAL_ENTRY_BYTES {
            self.closed.push(Arc::new(std::mem::take(&mut self.open)));
        }
        if self.open.capacity() == 0 {
            self.open.reserve(USUAL_ENTRY_BYTES);
        }
        &mut self.open
    }

    fn bytes(&self, entry: &EncodedEntry, from: u32, to: u32) -> &[u8] {
        let slab = self.closed.get(entry.slab as usize).map_or(&self.open, |slab| &**slab);
        &slab[from as usize..to as usize]
    }

    fn name(&self, entry: &EncodedEntry) -> &[u8] {
        self.bytes(entry, entry.name_from, entry.name_from + entry.name_length)
    }

    fn compare_names(&self, a: &EncodedEntry, b: &EncodedEntry) -> Ordering {
        a.name_start.cmp(&b.name_start).then_with(|| self.name(a).cmp(self.name(b)))
    }
}

/// Gives the object's bytes, piece by piece.
pub struct FolderPieces<'e> {
    encoder: &'e FolderEncoder,
    summary: &'e Summary,
    next: usize,
    suffixes: Option<NameSuffixes>,
    is_done: bool,
}

impl FolderPieces<'_> {
    /// Appends until there are `length_max` bytes or slightly more; false once nothing follows.
    fn push_some(&mut self, target: &mut Vec<u8>, length_max: usize) -> bool {
        let FolderEncoder { folders, others, slabs, .. } = self.encoder;
        if self.next == 0 {
            target.extend_from_slice(b"{\"stream\":\"kopia:directory\",\"entries\":");
        }
        while let Some(entry) = folders.get(self.next).or_else(|| others.get(self.next - folders.len())) {
            target.push(if self.next == 0 { b'[' } else { b',' });
            self.next += 1;
            match self.suffixes.as_mut().and_then(|suffixes| suffixes.next(slabs.name(entry))) {
                None => target.extend_from_slice(slabs.bytes(entry, entry.head_from, entry.end)),
                Some(number) => {
                    target.extend_from_slice(slabs.bytes(entry, entry.head_from, entry.tail_from));
                    target.extend_from_slice(format!("~{number}").as_bytes());
                    target.extend_from_slice(slabs.bytes(entry, entry.tail_from, entry.end));
                }
            }
            if target.len() >= length_max {
                return true;
            }
        }
        target.extend_from_slice(if self.next == 0 { b"null" } else { b"]" });
        target.extend_from_slice(b",\"summary\":");
        push_summary(target, self.summary);
        target.extend_from_slice(b"}\n");
        self.is_done = true;
        false
    }
}

impl Iterator for FolderPieces<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.is_done {
            return None;
        }
        let mut piece = vec![];
        self.push_some(&mut piece, PIECE_BYTES);
        Some(piece)
    }
}

/// Names that are not UTF-8 may read the same as another of their folder. UTF-8 names keep what they are; of the others,
/// in stored order, each takes its own reading if it is free, and else the first free of `~2`, `~3`, … behind it.
///
/// The result depends on the folder's names alone. No name is tried twice, so a folder made to collide costs no more
/// than another.
struct NameSuffixes {
    taken: HashSet<String>,
    next_number: HashMap<String, u64>,
}

impl NameSuffixes {
    fn new<'n>(names: impl Iterator<Item = &'n [u8]>) -> Self {
        // A name without U+FFFD never meets one that has bytes to replace.
        let taken = names.filter_map(|name| str::from_utf8(name).ok()).filter(|name| name.contains('\u{fffd}'));
        Self { taken: taken.map(str::to_owned).collect(), next_number: HashMap::new() }
    }

    fn next(&mut self, name: &[u8]) -> Option<u64> {
        if str::from_utf8(name).is_ok() {
            return None;
        }
        let shown = go_text(name).into_owned();
        if self.taken.insert(shown.clone()) {
            return None;
        }
        let mut number = self.next_number.get(&shown).copied().unwrap_or(2);
        while !self.taken.insert(format!("{shown}~{number}")) {
            number += 1;
        }
        self.next_number.insert(shown, number + 1);
        Some(number)
    }
}

/// What `decode_folder` found; the bytes stay with the caller.
#[derive(Clone, Debug)]
pub struct Folder {
    /// None in objects that never had one.
    pub summary: Option<Summary>,
    pub entries: EntryCursor,
}

/// The bytes are checked to be well-formed JSON to the end of the object, so a folder that was cut short gives no entries
/// at all. What follows the object is not looked at.
pub fn decode_folder(bytes: &[u8]) -> Result<Folder, SnapshotError> {
    let Members { stream, entries, entries_from, summary } = find_members(bytes)?;
    if stream.and_then(|value| value.text()).as_deref() != Some(STREAM_NAME) {
        return Err(SnapshotError::OtherStream);
    }
    let entries = match entries {
        Some(list) if list.kind == JsonKind::Array => EntryCursor { next: entries_from, is_first: true, number: 0 },
        Some(other) if !other.is_null() => return Err(SnapshotError::EntriesNotList),
        _ => EntryCursor::ENDED,
    };
    let summary = match summary.filter(|value| !value.is_null()) {
        Some(value) => Some(decode_summary(&value, StoredThing::FolderSummary)?),
        None => None,
    };
    Ok(Folder { summary, entries })
}

/// Where the reading of a folder's entries stands: a few numbers, so that it can be kept beside the bytes.
///
/// Entries come in stored order. Names are as stored: check them with `is_safe_name` before making a file, and expect that
/// a hostile folder names one twice (for kopia the last counts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryCursor {
    /// 0 at the end, for an object begins with a brace.
    next: usize,
    is_first: bool,
    /// Number of the next entry.
    number: usize,
}

impl EntryCursor {
    const ENDED: Self = Self { next: 0, is_first: false, number: 0 };

    /// The next entry out of the bytes that were given to `decode_folder`. Nothing follows an error.
    pub fn next<'b>(&mut self, bytes: &'b [u8]) -> Option<Result<DirectoryEntry<'b>, SnapshotError>> {
        if self.next == 0 {
            return None;
        }
        let mut cursor = JsonCursor::within(bytes, self.next, self.is_first);
        let number = self.number;
        *self = Self::ENDED;
        match cursor.next_element() {
            Ok(false) => return None,
            Ok(true) => {}
            Err(error) => return Some(Err(error.into())),
        }
        let entry = decode_entry(&mut cursor, StoredThing::Entry(Some(number)));
        if entry.is_ok() {
            *self = Self { next: cursor.passed(), is_first: false, number: number + 1 };
        }
        Some(entry)
    }

    /// The entries that follow, for those who keep the bytes all the while.
    pub fn iter<'b>(mut self, bytes: &'b [u8]) -> impl Iterator<Item = Result<DirectoryEntry<'b>, SnapshotError>> {
        std::iter::from_fn(move || self.next(bytes))
    }
}

#[derive(Default)]
struct Members<'a> {
    stream: Option<JsonValue<'a>>,
    entries: Option<JsonValue<'a>>,
    /// One behind its first byte.
    entries_from: usize,
    summary: Option<JsonValue<'a>>,
}

/// Keys match in any case; of those that match, the last counts.
fn find_members(bytes: &[u8]) -> Result<Members<'_>, SnapshotError> {
    let mut members = Members::default();
    let mut cursor = JsonCursor::new(bytes);
    cursor.enter_object()?;
    while let Some(key) = cursor.next_key()? {
        let value = Some(cursor.value()?);
        let key = key.text();
        if key.eq_ignore_ascii_case("stream") {
            members.stream = value;
        } else if key.eq_ignore_ascii_case("entries") {
            members.entries = value;
            members.entries_from = cursor.passed() - value.map_or(0, |list| list.literal.len() - 1);
        } else if key.eq_ignore_ascii_case("summary") {
            members.summary = value;
        }
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::borrow::Cow;

    use super::super::go_time::Time;

    const EMPTY: &str = r#"{"stream":"kopia:directory","entries":null,"summary":{"size":0,"files":0,"symlinks":0,"dirs":1,"maxTime":"2025-01-10T08:00:00.5Z","numFailed":0}}"#;
    const SUB: &str = r#"{"stream":"kopia:directory","entries":[{"name":"b\u0026w.bin","type":"f","mode":"0640","size":5,"mtime":"2025-01-12T12:00:00.123456789Z","uid":1000,"gid":1000,"obj":"27818f7ddb8d35444627e099045bc0dd"}],"summary":{"size":5,"files":1,"symlinks":0,"dirs":1,"maxTime":"2025-01-12T12:00:00.123456789Z","numFailed":0}}"#;
    const ROOT: &str = r#"{"stream":"kopia:directory","entries":[{"name":"empty","type":"d","mode":"0700","mtime":"2025-01-10T08:00:00.5Z","obj":"k918e885597637d0328de41f390122bdf","summ":{"size":0,"files":0,"symlinks":0,"dirs":1,"maxTime":"2025-01-10T08:00:00.5Z","numFailed":0}},{"name":"sub","type":"d","mode":"020000775","mtime":"2025-01-14T07:00:00Z","uid":1000,"gid":1000,"obj":"k1db879ecc6b43ff9dd59183cffca79eb","summ":{"size":5,"files":1,"symlinks":0,"dirs":1,"maxTime":"2025-01-12T12:00:00.123456789Z","numFailed":0}},{"name":"a.txt","type":"f","mode":"0644","size":6,"mtime":"2025-01-11T09:30:00.25Z","uid":1000,"gid":1000,"obj":"bc392cb6dc62013ef767027e8964392e"},{"name":"link","type":"s","mode":"0777","size":5,"mtime":"2025-01-11T09:31:00Z","uid":1000,"gid":1000,"obj":"71b0f341ad9b22f127f30e4cb1316a4a"},{"name":"zero.dat","type":"f","mode":"0600","mtime":"2025-01-09T00:00:00Z","obj":"4e51e7a913fc80137da52880fecca175"}],"summary":{"size":11,"files":3,"symlinks":1,"dirs":3,"maxTime":"2025-01-14T07:00:00Z","numFailed":0}}"#;

    fn named(name: &[u8], kind: EntryKind) -> DirectoryEntry<'_> {
        DirectoryEntry {
            name: Cow::Borrowed(name),
            kind,
            mode: 0,
            size: 0,
            mtime: Time::EPOCH,
            uid: 0,
            gid: 0,
            object_id: Cow::Borrowed(""),
            summary: None,
        }
    }

    fn file(name: &[u8]) -> DirectoryEntry<'_> {
        named(name, EntryKind::File)
    }

    fn encoded(encoder: &mut FolderEncoder) -> Vec<u8> {
        let mut object = vec![];
        encoder.encode_onto(&mut object, &Summary::default()).unwrap();
        object
    }

    /// As kopia shows them: without what `rawName` says.
    fn names_of(object: &[u8]) -> Vec<String> {
        let without = String::from_utf8(object.to_vec()).unwrap().replace("rawName", "unknown");
        let entries = decode_folder(without.as_bytes()).unwrap().entries;
        entries
            .iter(without.as_bytes())
            .map(|entry| String::from_utf8(entry.unwrap().name.into_owned()).unwrap())
            .collect()
    }

    fn names_in(encoder: &mut FolderEncoder) -> Vec<String> {
        names_of(&encoded(encoder))
    }

    fn error_of(object: &str) -> SnapshotError {
        match decode_folder(object.as_bytes()) {
            Err(error) => error,
            Ok(folder) => folder.entries.iter(object.as_bytes()).find_map(Result::err).unwrap(),
        }
    }

    #[test]
    fn the_vectors_of_the_format_are_read_and_written_again_from_the_last_entry_to_the_first() {
        for (text, length) in [(EMPTY, 146), (SUB, 313), (ROOT, 1014)] {
            let folder = decode_folder(text.as_bytes()).unwrap();
            let mut entries: Vec<_> = folder.entries.iter(text.as_bytes()).map(Result::unwrap).collect();
            entries.reverse();
            let mut encoder = FolderEncoder::new();
            entries.iter().for_each(|entry| encoder.add(entry).unwrap());
            let summary = folder.summary.unwrap();
            let object: Vec<u8> = encoder.encode(&summary).unwrap().flatten().collect();
            assert_eq!(object, format!("{text}\n").as_bytes());
            assert_eq!(object.len(), length);
        }
    }

    #[test]
    fn folders_come_first_and_each_group_in_the_order_of_the_bytes() {
        let names =
            ["\u{1f600}", "\u{ff5e}", "b", "a", "B", "a.b", "a-b", "a\u{1}", "longer than eight", "longer than 8"];
        let mut encoder = FolderEncoder::new();
        for name in names {
            encoder.add(&file(name.as_bytes())).unwrap();
            encoder.add(&named(format!("{name}d").as_bytes(), EntryKind::Folder)).unwrap();
        }
        let mut folders = names.map(|name| format!("{name}d"));
        let mut others = names.map(str::to_owned);
        folders.sort();
        others.sort();
        assert_eq!(names_in(&mut encoder), [folders, others].concat());
        assert_eq!(encoder.count(), 20);
    }

    #[test]
    fn an_encoder_goes_on_after_it_was_encoded_and_a_clone_goes_its_own_way() {
        let mut encoder = FolderEncoder::new();
        encoder.add(&file(b"\xff")).unwrap();
        let mut copy = encoder.clone();
        assert_eq!(encoded(&mut encoder), encoded(&mut encoder));
        encoder.add(&file(b"b")).unwrap();
        copy.add(&file(b"\x80")).unwrap();
        assert_eq!(names_in(&mut encoder), ["b", "\u{fffd}"]);
        assert_eq!(names_in(&mut copy), ["\u{fffd}", "\u{fffd}~2"]);
        encoder.clear();
        assert_eq!(encoded(&mut encoder), encoded(&mut FolderEncoder::new()));
        assert_eq!(names_in(&mut copy), ["\u{fffd}", "\u{fffd}~2"]);
    }

    #[test]
    fn twenty_thousand_entries_come_in_pieces_and_whole() {
        const COUNT: usize = 20_000;
        let mut encoder = FolderEncoder::new();
        for number in 0..COUNT {
            let name = format!("file-{}", number * 7919 % COUNT);
            let entry = DirectoryEntry { object_id: Cow::Owned("00".repeat(64)), ..file(name.as_bytes()) };
            encoder.add(&entry).unwrap();
        }
        let summary = Summary::default();
        let pieces: Vec<_> = encoder.encode(&summary).unwrap().collect();
        assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece.len() < 1100 * 1024));
        let object = pieces.concat();
        assert_eq!(object, encoded(&mut encoder));
        let names = names_of(&object);
        assert!(names.len() == COUNT && names.is_sorted());
    }

    #[test]
    fn an_entry_may_be_longer_than_a_slab() {
        let error = super::super::summary::FailedEntry { path: "p".repeat(3 * SLAB_BYTES), error: "ü".to_owned() };
        let summary = Summary { errors: vec![error], ..Summary::default() };
        let mut encoder = FolderEncoder::new();
        encoder.add(&file(b"c")).unwrap();
        let long = DirectoryEntry { summary: Some(Box::new(summary)), ..named(b"a", EntryKind::Folder) };
        encoder.add(&long).unwrap();
        encoder.add(&file(b"b")).unwrap();
        let object = encoded(&mut encoder);
        let first = decode_folder(&object).unwrap().entries.next(&object).unwrap().unwrap();
        assert_eq!(first.summary, long.summary);
        assert_eq!(names_of(&object), ["a", "b", "c"]);
    }

    #[test]
    fn two_entries_of_one_name_are_refused_of_whatever_kinds() {
        let kinds = [EntryKind::File, EntryKind::Folder, EntryKind::Symlink];
        for (first, second) in kinds.into_iter().flat_map(|first| kinds.map(|second| (first, second))) {
            let mut encoder = FolderEncoder::new();
            for entry in [named(b"b", first), file(b"a"), named(b"b", second)] {
                encoder.add(&entry).unwrap();
            }
            let error = encoder.encode_onto(&mut vec![], &Summary::default()).unwrap_err();
            assert_eq!(error.to_string(), "two entries of a folder have the name \"b\"");
        }
    }

    #[test]
    fn names_that_cannot_be_in_a_folder_are_refused_and_leave_the_encoder_as_it_was() {
        let mut encoder = FolderEncoder::new();
        for name in [&b""[..], b".", b"..", b"a/b", b"a\0"] {
            assert_eq!(encoder.add(&file(name)), Err(SnapshotError::UnsafeName(name.to_vec())));
        }
        assert!(encoder.add(&named(b"a", EntryKind::Unknown)).is_err());
        assert_eq!(encoder.count(), 0);
        assert_eq!(names_in(&mut encoder), [""; 0]);
    }

    #[test]
    fn names_that_read_the_same_are_told_apart_in_stored_order() {
        let mut encoder = FolderEncoder::new();
        let names =
            [&b"\xff"[..], b"\x80", b"\xfe", "\u{fffd}~2".as_bytes(), b"a\xff", "a\u{fffd}".as_bytes(), b"\xff\xff"];
        for name in names {
            encoder.add(&file(name)).unwrap();
        }
        let object = encoded(&mut encoder);
        let shown =
            ["\u{fffd}", "a\u{fffd}", "a\u{fffd}~2", "\u{fffd}~2", "\u{fffd}~3", "\u{fffd}~4", "\u{fffd}\u{fffd}"];
        let mut stored = names_of(&object);
        stored.sort();
        assert_eq!(stored, {
            let mut all = shown.map(str::to_owned);
            all.sort();
            all
        });
        let entries = decode_folder(&object).unwrap().entries;
        let read: Vec<_> = entries.iter(&object).map(|entry| entry.unwrap().name.into_owned()).collect();
        let mut sorted = names.map(<[u8]>::to_vec);
        sorted.sort();
        assert_eq!(read, sorted);
    }

    #[test]
    fn names_made_to_collide_cost_no_more_than_others() {
        const COUNT: u32 = 50_000;
        let mut encoder = FolderEncoder::new();
        for number in 0..COUNT {
            let name: Vec<u8> = (0..17).map(|bit| if number >> bit & 1 == 0 { 0x80 } else { 0xff }).collect();
            encoder.add(&file(&name)).unwrap();
        }
        let last = format!("{}~{COUNT}", "\u{fffd}".repeat(17));
        assert_eq!(names_in(&mut encoder).last(), Some(&last));
    }

    #[test]
    fn no_entries_are_null_an_empty_list_or_nothing() {
        for entries in ["\"entries\":null,", "\"entries\":[ ],", "", "\"entries\":[{}],\"ENTRIES\":null,"] {
            let text = format!("{{\"stream\":\"kopia:directory\",{entries}\"summary\":null}}");
            let folder = decode_folder(text.as_bytes()).unwrap();
            assert_eq!(folder.summary, None);
            assert_eq!(folder.entries.iter(text.as_bytes()).count(), 0);
        }
    }

    #[test]
    fn keys_may_have_any_order_and_case_and_more_may_follow() {
        let text = r#" {"future":{"a":[]},"ENTRIES":[ {"name":"a","type":"f","obj":"00"} , {} ] ,"Stre\u0061m":"kopia:directory"} more"#;
        assert_eq!(names_of(text.as_bytes()), ["a", ""]);
    }

    #[test]
    fn a_folder_that_was_cut_short_gives_no_entries() {
        for length in 0..ROOT.len() {
            assert!(matches!(decode_folder(&ROOT.as_bytes()[..length]), Err(SnapshotError::NotJson(_))));
        }
    }

    #[test]
    fn a_cursor_is_of_no_use_after_an_error_and_gives_one_for_other_bytes() {
        let text = ROOT.replace("\"size\":6", "\"size\":6.0");
        let mut entries = decode_folder(text.as_bytes()).unwrap().entries;
        let results: Vec<_> = std::iter::from_fn(|| entries.next(text.as_bytes())).collect();
        assert_eq!(results.len(), 3);
        let message = "size of entry 2 of a folder is not an integer from 0 to 9007199254740991";
        assert_eq!(results[2].as_ref().unwrap_err().to_string(), message);
        for other in [&b""[..], b"x", &ROOT.as_bytes()[..200]] {
            let mut entries = decode_folder(ROOT.as_bytes()).unwrap().entries;
            assert!(entries.next(other).unwrap().is_err());
            assert!(entries.next(ROOT.as_bytes()).is_none());
        }
    }

    #[test]
    fn what_is_no_folder_is_refused() {
        let bomb = format!(r#"{{"stream":"kopia:directory","entries":{}"#, "[".repeat(200_000));
        for (text, message) in [
            (r#"{"stream":"kopia:indirect","entries":[]}"#, "stream of a folder is not kopia:directory"),
            (r#"{"entries":[]}"#, "stream of a folder is not kopia:directory"),
            (r#"{"stream":"kopia:directory","entries":{}}"#, "entries of a folder are not a list"),
            (r#"{"stream":"kopia:directory","entries":[null]}"#, "entry 0 of a folder is not a JSON object"),
            (r#"{"stream":"kopia:directory","summary":[]}"#, "the summary of a folder is not a JSON object"),
            ("[]", "could not read a folder's object: malformed JSON at byte 0: expected {"),
            ("", "could not read a folder's object: malformed JSON at byte 0: expected {"),
            (&*bomb, "could not read a folder's object: malformed JSON at byte 550: expected at most 512 levels"),
        ] {
            assert_eq!(error_of(text).to_string(), message);
        }
    }
}
