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

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(json: &str) -> Result<DirectoryEntry<'_>, SnapshotError> {
        decode_directory_entry(json.as_bytes())
    }

    fn encode(entry: &DirectoryEntry<'_>) -> String {
        let mut json = vec![];
        push_directory_entry(&mut json, entry).unwrap();
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn zeros_are_left_out_but_of_name_type_and_object() {
        let json = r#"{"name":"a","type":"f","obj":""}"#;
        assert_eq!(encode(&decode(json).unwrap()), json);
        let folder = DirectoryEntry { kind: EntryKind::Folder, size: 4096, ..decode(json).unwrap() };
        assert_eq!(encode(&folder), r#"{"name":"a","type":"d","obj":""}"#);
    }

    #[test]
    fn an_entry_is_written_again_as_it_was_read() {
        for json in [
            r#"{"name":"b\u0026w.bin","type":"f","mode":"0640","size":5,"mtime":"2025-01-12T12:00:00.123456789Z","uid":1000,"gid":4294967295,"obj":"27818f7d"}"#,
            r#"{"name":"a\ufffdb","type":"s","mode":"0777","size":9007199254740991,"obj":"00","rawName":"Yf9i"}"#,
            r#"{"name":"d","type":"d","obj":"k00","summ":{"size":1,"files":2,"symlinks":3,"dirs":4,"maxTime":"1969-12-31T23:59:59Z","incomplete":"canceled","numFailed":5,"numIgnoredErrors":6,"errors":[{"path":"x","error":"\u003c"}]}}"#,
        ] {
            let entry = decode(json).unwrap();
            assert_eq!(encode(&entry), json);
            assert_eq!(entry.clone().into_owned(), entry);
        }
    }

    #[test]
    fn a_plain_entry_borrows_from_its_bytes() {
        let entry = decode(r#"{"name":"ü","type":"f","obj":"00"}"#).unwrap();
        assert!(matches!((entry.name, entry.object_id), (Cow::Borrowed(_), Cow::Borrowed(_))));
    }

    #[test]
    fn keys_match_in_any_case_and_others_are_ignored() {
        let entry = decode(r#"{"NAME":"a","Type":"s","MODE":"0777","Obj":"00","future":[1.5]}"#).unwrap();
        assert_eq!(encode(&entry), r#"{"name":"a","type":"s","mode":"0777","obj":"00"}"#);
        let entry = decode("{}").unwrap();
        assert_eq!((entry.kind, &*entry.name), (EntryKind::Unknown, &b""[..]));
    }

    #[test]
    fn of_several_keys_the_exact_one_counts_and_else_the_one_that_came_up_last() {
        for (json, name) in [
            (r#"{"name":"a","name":"b"}"#, "b"),
            (r#"{"name":"a","NAME":"b"}"#, "a"),
            (r#"{"NAME":"b","na\u006de":"a","Name":"c"}"#, "a"),
            (r#"{"NAME":"a","Name":"b","NAME":"c"}"#, "b"),
            (r#"{"NAME":"a","Name":"b","Name":"c"}"#, "c"),
            (r#"{"NAME":"a","name":null}"#, ""),
        ] {
            assert_eq!(&*decode(json).unwrap().name, name.as_bytes(), "{json}");
        }
        let kelvin = decode("{\"summ\":{\"symlin\u{212a}s\":3}}").unwrap();
        assert_eq!(kelvin.summary.unwrap().symlinks, 3);
        assert_eq!(decode("{\"\u{17f}ize\":3}").unwrap().size, 0);
    }

    #[test]
    fn an_unknown_type_is_read_and_never_written() {
        let entry = decode(r#"{"name":"a","type":"x","obj":"00"}"#).unwrap();
        assert_eq!(entry.kind, EntryKind::Unknown);
        assert!(matches!(push_directory_entry(&mut vec![], &entry), Err(SnapshotError::NotWritable(_))));
        let large = DirectoryEntry { kind: EntryKind::File, size: COUNT_MAX + 1, ..entry };
        assert!(matches!(push_directory_entry(&mut vec![], &large), Err(SnapshotError::NotWritable(_))));
    }

    #[test]
    fn what_kopia_would_not_read_is_refused_by_the_name_of_the_field() {
        for (json, message) in [
            (r#"{"mode":"rwx"}"#, "mode of the entry is not an octal number"),
            (r#"{"mode":420}"#, "mode of the entry is not an octal number"),
            (r#"{"mode":""}"#, "mode of the entry is not an octal number"),
            (r#"{"size":1.0}"#, "size of the entry is not an integer from 0 to 9007199254740991"),
            (r#"{"size":"5"}"#, "size of the entry is not an integer from 0 to 9007199254740991"),
            (r#"{"size":9223372036854775807}"#, "size of the entry is not an integer from 0 to 9007199254740991"),
            (r#"{"uid":4294967296}"#, "uid of the entry is not an integer from 0 to 4294967295"),
            (r#"{"gid":-1}"#, "gid of the entry is not an integer from 0 to 4294967295"),
            (r#"{"mtime":0}"#, "mtime of the entry is not a time of RFC 3339"),
            (r#"{"mtime":"yesterday"}"#, "mtime of the entry is not a time of RFC 3339"),
            (r#"{"name":5}"#, "name of the entry is not a string"),
            (r#"{"obj":{}}"#, "obj of the entry is not a string"),
            (r#"{"summ":[]}"#, "the summary of the entry is not a JSON object"),
            (r#"{"summ":{"errors":{}}}"#, "errors of the summary of the entry is not a list"),
            (r#"{"summ":{"errors":[1]}}"#, "an error in the summary of the entry is not a JSON object"),
            (r#"{"summ":{"errors":[{"path":1}]}}"#, "path of an error in the summary of the entry is not a string"),
            ("[]", "the entry is not a JSON object"),
            ("null", "the entry is not a JSON object"),
        ] {
            assert_eq!(decode(json).unwrap_err().to_string(), message, "{json}");
        }
        assert!(matches!(decode("{} x"), Err(SnapshotError::NotJson(_))));
    }

    #[test]
    fn a_raw_name_is_believed_only_where_the_name_was_made_from_it() {
        let name_of = |name: &str, raw_name: &str| {
            let json = format!(r#"{{"name":"{name}","rawName":{raw_name}}}"#);
            decode_directory_entry(json.as_bytes()).unwrap().name.into_owned()
        };
        for name in ["a\u{fffd}b", "a\\ufffdb~2", "a\u{fffd}b~10", "a\u{fffd}b~999999999"] {
            assert_eq!(name_of(name, "\"Yf9i\""), b"a\xffb");
        }
        for (name, raw_name) in [
            ("harmless", "\"Yf9i\""),
            ("a", "\"Yg==\""),
            ("a", "\"YQ==\""),
            ("a\u{fffd}b", "\"Yf9i!\""),
            ("a\u{fffd}b", "5"),
            ("a\u{fffd}b~1", "\"Yf9i\""),
            ("a\u{fffd}b~02", "\"Yf9i\""),
            ("a\u{fffd}b~1234567890", "\"Yf9i\""),
            ("a\u{fffd}b~2/..", "\"Yf9i\""),
            ("", "\"\""),
        ] {
            assert_eq!(name_of(name, raw_name), name.as_bytes(), "{name}");
        }
    }

    #[test]
    fn a_safe_name_can_be_made_in_a_folder() {
        for name in ["", ".", "..", "a/b", "/", "a\0b", "\0"] {
            assert!(!is_safe_name(name.as_bytes()), "{name}");
        }
        for name in [&b"a"[..], b"...", b".a", b"..a", b"a.", b" ", b"\n", b"~", b"-rf", b"a\xffb"] {
            assert!(is_safe_name(name));
        }
    }
}
