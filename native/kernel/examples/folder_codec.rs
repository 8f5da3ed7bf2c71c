//! The codecs of stored folders on stdin and stdout, so that a test can hold them against the TypeScript ones.
//!
//! A request is the letter of a task, the length of what it is about as a little-endian u32, and that; the answer to it is
//! a length and bytes in the same way. What is refused gives `refused: ` and why.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, ErrorKind, Read, Write};

use fsb_kernel::indirect_list::{iterate_indirect_list, push_indirect_list};
use fsb_kernel::object_id::ObjectId;
use fsb_kernel::snapshot::directory_entry::{DirectoryEntry, EntryKind, decode_directory_entry, is_safe_name};
use fsb_kernel::snapshot::folder_object::{FolderEncoder, decode_folder};
use fsb_kernel::snapshot::go_json::{go_text, push_go_string};
use fsb_kernel::snapshot::go_time::{Time, parse_go_time, push_go_time};
use fsb_kernel::snapshot::mode::{parse_mode, push_mode};
use fsb_kernel::snapshot::snapshot_error::SnapshotError;
use fsb_kernel::snapshot::summary::{FailedEntry, Summary, SummaryBuilder, push_summary};

fn main() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    loop {
        let mut head = [0; 5];
        match input.read_exact(&mut head) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            result => result?,
        }
        let [task, length @ ..] = head;
        let mut about = vec![];
        input.by_ref().take(u64::from(u32::from_le_bytes(length))).read_to_end(&mut about)?;
        let answer = answer(task, &about);
        output.write_all(&(answer.len() as u32).to_le_bytes())?;
        output.write_all(&answer)?;
        output.flush()?;
    }
}

fn answer(task: u8, about: &[u8]) -> Vec<u8> {
    match task {
        b'd' => describe_folder(about).into_bytes(),
        b'e' => described(decode_directory_entry(about)),
        b'r' => written(write_again(about)),
        b'w' => written(write_folder(&mut Fields(about))),
        b'c' => written(write_folder_after_another(&mut Fields(about))),
        b's' => sum_up(&mut Fields(about)),
        b'l' => describe_list(about).into_bytes(),
        b'L' => write_list(about),
        b'o' => ObjectId::parse(about).map_or_else(Vec::new, |id| id.to_string().into_bytes()),
        b'g' => write_text(about),
        b't' => parse_go_time(about).map_or_else(Vec::new, time_twice),
        b'm' => parse_mode(about).map_or_else(Vec::new, mode_twice),
        b'n' => vec![u8::from(is_safe_name(about))],
        _ => refused("no such task").into_bytes(),
    }
}

fn refused(why: impl Display) -> String {
    format!("refused: {why}")
}

fn written(result: Result<Vec<u8>, SnapshotError>) -> Vec<u8> {
    result.unwrap_or_else(|error| refused(error).into_bytes())
}

fn described(result: Result<DirectoryEntry<'_>, SnapshotError>) -> Vec<u8> {
    result.map_or_else(refused, |entry| describe_entry(&entry)).into_bytes()
}

fn describe_folder(object: &[u8]) -> String {
    let folder = match decode_folder(object) {
        Ok(folder) => folder,
        Err(error) => return refused(error),
    };
    let mut lines = vec![folder.summary.as_ref().map_or("none".to_owned(), describe_summary)];
    lines.extend(folder.entries.iter(object).map(|entry| entry.map_or_else(refused, |entry| describe_entry(&entry))));
    lines.join("\n")
}

fn describe_entry(entry: &DirectoryEntry<'_>) -> String {
    let kind = match entry.kind {
        EntryKind::File => "file",
        EntryKind::Folder => "folder",
        EntryKind::Symlink => "symlink",
        EntryKind::Unknown => "error",
    };
    let DirectoryEntry { mode, size, mtime, uid, gid, .. } = entry;
    let name: String = entry.name.iter().map(|byte| format!("{byte:02x}")).collect();
    let summary = entry.summary.as_deref().map_or("none".to_owned(), describe_summary);
    format!("{name} {kind} {mode} {size} {} {uid} {gid} {} {summary}", mtime.as_ns(), literal(&entry.object_id))
}

fn literal(text: &str) -> String {
    let mut literal = vec![];
    push_go_string(&mut literal, text.as_bytes());
    String::from_utf8_lossy(&literal).into_owned()
}

fn describe_summary(summary: &Summary) -> String {
    let mut json = vec![];
    push_summary(&mut json, summary);
    String::from_utf8_lossy(&json).into_owned()
}

fn write_again(object: &[u8]) -> Result<Vec<u8>, SnapshotError> {
    let folder = decode_folder(object)?;
    let mut encoder = FolderEncoder::new();
    for entry in folder.entries.iter(object) {
        encoder.add(&entry?)?;
    }
    let mut written = vec![];
    encoder.encode_onto(&mut written, &folder.summary.unwrap_or_default())?;
    Ok(written)
}

fn write_folder(fields: &mut Fields<'_>) -> Result<Vec<u8>, SnapshotError> {
    let summary = fields.summary()?;
    let mut encoder = FolderEncoder::new();
    for entry in fields.entries()? {
        encoder.add(&entry)?;
    }
    Ok(encoder.encode(&summary)?.flatten().collect())
}

/// The folder as a copy of an encoder writes it that has the first half of the entries and was used for another before.
fn write_folder_after_another(fields: &mut Fields<'_>) -> Result<Vec<u8>, SnapshotError> {
    let summary = fields.summary()?;
    let entries = fields.entries()?;
    let mut encoder = FolderEncoder::new();
    encoder.add(&DirectoryEntry { name: Cow::Borrowed(b"\xff"), ..empty_entry() })?;
    encoder.clear();
    let (first, second) = entries.split_at(entries.len() / 2);
    for entry in first {
        encoder.add(entry)?;
    }
    let mut copy = encoder.clone();
    encoder.add(&DirectoryEntry { name: Cow::Borrowed(b"only in the original"), ..empty_entry() })?;
    for entry in second {
        copy.add(entry)?;
    }
    let mut written = vec![];
    copy.encode_onto(&mut written, &summary)?;
    let mut again = vec![];
    copy.encode_onto(&mut again, &summary)?;
    assert_eq!(written, again);
    Ok(written)
}

fn empty_entry() -> DirectoryEntry<'static> {
    DirectoryEntry {
        name: Cow::Borrowed(b""),
        kind: EntryKind::File,
        mode: 0,
        size: 0,
        mtime: Time::EPOCH,
        uid: 0,
        gid: 0,
        object_id: Cow::Borrowed(""),
        summary: None,
    }
}

fn sum_up(fields: &mut Fields<'_>) -> Vec<u8> {
    let mut builder = SummaryBuilder::default();
    let mtime = fields.time();
    let incomplete = fields.text();
    let failures = fields.number();
    for _ in 0..failures {
        let is_ignored = fields.number() == 1;
        builder.add_failure(FailedEntry { path: fields.text(), error: fields.text() }, is_ignored);
    }
    let entries = match fields.entries() {
        Ok(entries) => entries,
        Err(error) => return refused(error).into_bytes(),
    };
    for entry in entries {
        builder.add(&entry);
    }
    describe_summary(&builder.build(mtime, &incomplete)).into_bytes()
}

fn describe_list(list: &[u8]) -> String {
    let lines = iterate_indirect_list(list).map(|entry| match entry {
        Ok(entry) => format!("{} {} {}", entry.start, entry.length, entry.object_id),
        Err(error) => refused(error),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Of lines that are a length and an object id.
fn write_list(lines: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(lines);
    let chunks = text.lines().filter_map(|line| {
        let (length, id) = line.split_once(' ')?;
        Some((length.parse().ok()?, ObjectId::parse(id.as_bytes())?))
    });
    let mut list = vec![];
    push_indirect_list(&mut list, chunks);
    list
}

/// As a literal, and as it reads.
fn write_text(bytes: &[u8]) -> Vec<u8> {
    let mut both = vec![];
    push_go_string(&mut both, bytes);
    both.push(b'\n');
    both.extend_from_slice(go_text(bytes).as_bytes());
    both
}

fn time_twice(time: Time) -> Vec<u8> {
    let mut both = format!("{} ", time.as_ns()).into_bytes();
    push_go_time(&mut both, time);
    both
}

fn mode_twice(mode: u32) -> Vec<u8> {
    let mut both = format!("{mode} ").into_bytes();
    push_mode(&mut both, mode);
    both
}

/// What a request is about, one behind the other: numbers as decimal text and all else as bytes, each with its length as a
/// little-endian u32 before it.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self) -> &'a [u8] {
        let Some((length, rest)) = self.0.split_first_chunk() else { return &[] };
        let (bytes, rest) = rest.split_at((u32::from_le_bytes(*length) as usize).min(rest.len()));
        self.0 = rest;
        bytes
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    fn number(&mut self) -> i128 {
        self.text().parse().expect("a number")
    }

    fn time(&mut self) -> Time {
        Time::of_ns(self.number()).expect("a time of 64 bits of seconds")
    }

    fn entries(&mut self) -> Result<Vec<DirectoryEntry<'a>>, SnapshotError> {
        (0..self.number()).map(|_| self.entry()).collect()
    }

    fn entry(&mut self) -> Result<DirectoryEntry<'a>, SnapshotError> {
        Ok(DirectoryEntry {
            name: Cow::Borrowed(self.bytes()),
            kind: match self.bytes() {
                b"file" => EntryKind::File,
                b"folder" => EntryKind::Folder,
                b"symlink" => EntryKind::Symlink,
                _ => EntryKind::Unknown,
            },
            mode: self.number() as u32,
            size: self.number() as u64,
            mtime: self.time(),
            uid: self.number() as u32,
            gid: self.number() as u32,
            object_id: Cow::Owned(self.text()),
            summary: match self.number() {
                0 => None,
                _ => Some(Box::new(self.summary()?)),
            },
        })
    }

    /// As it is stored.
    fn summary(&mut self) -> Result<Summary, SnapshotError> {
        let mut object = b"{\"stream\":\"kopia:directory\",\"summary\":".to_vec();
        object.extend_from_slice(self.bytes());
        object.push(b'}');
        Ok(decode_folder(&object)?.summary.unwrap_or_default())
    }
}
