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
