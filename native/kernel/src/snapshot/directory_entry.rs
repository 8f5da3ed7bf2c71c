//! One entry of a folder, and the root of a snapshot:
//!
//! ```text
//! {"name":"a.txt","type":"f","mode":"0644","size":6,"mtime":"2025-01-11T09:30:00.25Z","uid":1000,"gid":1000,"obj":"bc39…"}
//! ```
//!
//! Every key but `name`, `type` and `obj` is left out when it is zero; a folder has `summ` at the end. A name is bytes,
//! JSON is text: one that is not UTF-8 is written as kopia writes it, each bad byte as `\ufffd`, and the true bytes stand
//! in base64 in one more key at the end, `rawName`.
//!
//! Source: kopia snapshot/manifest.go (DirEntry); src/snapshot/directory-entry.ts.

use std::borrow::Cow;

use super::base64::{from_base64, push_base64};
use super::go_json::{COUNT_MAX, JsonCursor, go_text, push_decimal, push_escaped, push_go_string};
use super::go_time::{Time, push_go_time};
use super::mode::{parse_mode, push_mode};
use super::snapshot_error::{SnapshotError, StoredThing, Trouble};
use super::stored_fields::{StoredField, StoredFields};
use super::summary::{Summary, decode_summary, push_summary};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    File,
    Folder,
    Symlink,
    /// A stored type that nobody knows; it is never written and cannot be restored.
    Unknown,
}

/// Text and bytes are borrowed from what they were read from, where they stand there as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryEntry<'a> {
    /// The name on disk. One that was decoded may be any bytes at all: see `is_safe_name`.
    pub name: Cow<'a, [u8]>,
    pub kind: EntryKind,
    /// Twelve Unix bits.
    pub mode: u32,
    /// Bytes of a file's contents or of a link's target, at most `COUNT_MAX`.
    pub size: u64,
    pub mtime: Time,
    pub uid: u32,
    pub gid: u32,
    /// Not checked in this layer.
    pub object_id: Cow<'a, str>,
    /// Of a folder; and of a snapshot whose root is a file.
    pub summary: Option<Box<Summary>>,
}

impl DirectoryEntry<'_> {
    pub fn into_owned(self) -> DirectoryEntry<'static> {
        DirectoryEntry {
            name: Cow::Owned(self.name.into_owned()),
            object_id: Cow::Owned(self.object_id.into_owned()),
            ..self
        }
    }
}

/// True for what may be made in a folder: not empty, not `.` or `..`, no slash and no zero byte.
pub fn is_safe_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.iter().any(|&byte| byte == b'/' || byte == 0)
}

/// Times that RFC 3339 cannot say are written as the nearest that it can.
/// Errors: NotWritable.
pub fn push_directory_entry(target: &mut Vec<u8>, entry: &DirectoryEntry<'_>) -> Result<(), SnapshotError> {
    let type_letter = type_letter_of(entry)?;
    push_entry_head(target, &entry.name);
    push_entry_tail(target, entry, type_letter);
    Ok(())
}

pub(super) fn type_letter_of(entry: &DirectoryEntry<'_>) -> Result<u8, SnapshotError> {
    if entry.size > COUNT_MAX {
        return Err(SnapshotError::NotWritable("a size beyond 2^53 - 1 cannot be written"));
    }
    match entry.kind {
        EntryKind::File => Ok(b'f'),
        EntryKind::Folder => Ok(b'd'),
        EntryKind::Symlink => Ok(b's'),
        EntryKind::Unknown => Err(SnapshotError::NotWritable("an entry of unknown type is never written")),
    }
}

/// Up to the end of the name without its closing quote: a folder may have to write more behind it.
pub(super) fn push_entry_head(target: &mut Vec<u8>, name: &[u8]) {
    target.extend_from_slice(ENTRY_START);
    push_escaped(target, name);
}

pub(super) const ENTRY_START: &[u8] = b"{\"name\":\"";

/// From the closing quote of the name on.
pub(super) fn push_entry_tail(target: &mut Vec<u8>, entry: &DirectoryEntry<'_>, type_letter: u8) {
    target.extend_from_slice(b"\",\"type\":\"");
    target.push(type_letter);
    target.push(b'"');
    if entry.mode != 0 {
        target.extend_from_slice(b",\"mode\":\"");
        push_mode(target, entry.mode);
        target.push(b'"');
    }
    if entry.size != 0 && entry.kind != EntryKind::Folder {
        target.extend_from_slice(b",\"size\":");
        push_decimal(target, entry.size);
    }
    if entry.mtime != Time::EPOCH {
        target.extend_from_slice(b",\"mtime\":\"");
        push_go_time(target, entry.mtime);
        target.push(b'"');
    }
    if entry.uid != 0 {
        target.extend_from_slice(b",\"uid\":");
        push_decimal(target, u64::from(entry.uid));
    }
    if entry.gid != 0 {
        target.extend_from_slice(b",\"gid\":");
        push_decimal(target, u64::from(entry.gid));
    }
    target.extend_from_slice(b",\"obj\":");
    push_go_string(target, entry.object_id.as_bytes());
    if let Some(summary) = &entry.summary {
        target.extend_from_slice(b",\"summ\":");
        push_summary(target, summary);
    }
    if str::from_utf8(&entry.name).is_err() {
        target.extend_from_slice(b",\"rawName\":\"");
        push_base64(target, &entry.name);
        target.push(b'"');
    }
    target.push(b'}');
}

const KEYS: [&str; 10] = ["name", "type", "mode", "size", "mtime", "uid", "gid", "obj", "summ", "rawName"];

/// An entry that stands alone, such as the root of a snapshot: a whole document with nothing but white space around it.
pub fn decode_directory_entry(json: &[u8]) -> Result<DirectoryEntry<'_>, SnapshotError> {
    let mut whole = JsonCursor::new(json);
    whole.value()?;
    whole.end()?;
    decode_entry(&mut JsonCursor::new(json), StoredThing::Entry(None))
}

/// Reads the value that the cursor is at, to its end.
/// Errors: for any field that kopia would not read either.
pub(super) fn decode_entry<'a>(
    cursor: &mut JsonCursor<'a>,
    thing: StoredThing,
) -> Result<DirectoryEntry<'a>, SnapshotError> {
    let fields = StoredFields::read(cursor, &KEYS, thing)?;
    let [name, kind, mode, size, mtime, uid, gid, object_id, summary, raw_name] = fields.each();
    let text = name.text()?;
    Ok(DirectoryEntry {
        name: true_name(text, &raw_name),
        kind: kind_of(&kind.text()?),
        mode: decode_mode(&mode)?,
        size: size.count(COUNT_MAX)?,
        mtime: mtime.time()?,
        uid: uid.count(u64::from(u32::MAX))? as u32,
        gid: gid.count(u64::from(u32::MAX))? as u32,
        object_id: object_id.text()?,
        summary: match summary.value {
            Some(value) => Some(Box::new(decode_summary(value, thing.summary())?)),
            None => None,
        },
    })
}

fn kind_of(type_text: &str) -> EntryKind {
    match type_text {
        "f" => EntryKind::File,
        "d" => EntryKind::Folder,
        "s" => EntryKind::Symlink,
        _ => EntryKind::Unknown,
    }
}

fn decode_mode(field: &StoredField<'_, '_>) -> Result<u32, SnapshotError> {
    let Some(value) = field.value else { return Ok(0) };
    value.text().and_then(|text| parse_mode(text.as_bytes())).ok_or_else(|| field.invalid(Trouble::NotMode))
}

/// `rawName` counts only when `name` was made from it: the bytes are not UTF-8, and read as `name` but for a suffix. So
/// whoever checks what kopia shows has seen what will be restored, but for bytes that cannot be shown.
fn true_name<'a>(name: Cow<'a, str>, raw_name: &StoredField<'_, '_>) -> Cow<'a, [u8]> {
    let raw = raw_name.value.and_then(|value| value.text()).and_then(|text| from_base64(text.as_bytes()));
    if let Some(raw) = raw.filter(|raw| str::from_utf8(raw).is_err())
        && let Some(suffix) = name.strip_prefix(&*go_text(&raw))
        && is_name_suffix(suffix.as_bytes())
    {
        return Cow::Owned(raw);
    }
    match name {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Nothing, or `~2`, `~3` and so on, of at most nine digits.
fn is_name_suffix(suffix: &[u8]) -> bool {
    match suffix {
        [] => true,
        [b'~', b'2'..=b'9'] => true,
        [b'~', b'1'..=b'9', more @ ..] => (1..=8).contains(&more.len()) && more.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}
