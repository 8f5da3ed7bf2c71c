//! What lies below a folder, in numbers. The same summary is stored twice: in the folder's own object, and in its entry in
//! the parent's (or in the snapshot's root entry).
//!
//! ```text
//! {"size":5,"files":1,"symlinks":0,"dirs":1,"maxTime":"2025-01-12T12:00:00Z","numFailed":0}
//! ```
//!
//! then, where there is any, `numIgnoredErrors` and `errors`; `incomplete` comes before `numFailed`.
//!
//! Source: kopia fs/entry.go (DirectorySummary), snapshot/snapshotfs/dir_manifest_builder.go; src/snapshot/summary.ts.

use super::directory_entry::{DirectoryEntry, EntryKind};
use super::go_json::{COUNT_MAX, JsonCursor, JsonValue, push_decimal, push_go_string};
use super::go_time::{Time, push_go_time};
use super::snapshot_error::{SnapshotError, StoredThing};
use super::stored_fields::StoredFields;

/// Failures beyond these are counted, not listed; at about 200 bytes each they make 20 KB of every folder above.
pub const FAILURES_LISTED_MAX: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FailedEntry {
    /// Relative to the snapshot's root: `sub/x`.
    pub path: String,
    pub error: String,
}

/// Counts are at most `COUNT_MAX`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Bytes of all files below.
    pub size: u64,
    pub files: u64,
    pub symlinks: u64,
    /// Folders below and this one.
    pub dirs: u64,
    /// Latest modification time below, never before the epoch; of an empty folder its own.
    pub max_time: Time,
    /// Why this folder is not whole: `checkpoint`, `canceled`, `limit reached`; often empty.
    pub incomplete: String,
    pub num_failed: u64,
    pub num_ignored_errors: u64,
    /// Sorted by path. A snapshot of kopia's lists all, one of ours `FAILURES_LISTED_MAX`.
    pub errors: Vec<FailedEntry>,
}

/// Adds up one folder. The result does not depend on the order in which entries and failures come.
#[derive(Clone, Debug, Default)]
pub struct SummaryBuilder {
    sum: Summary,
    has_entries: bool,
}

impl SummaryBuilder {
    pub fn add(&mut self, entry: &DirectoryEntry<'_>) {
        let sum = &mut self.sum;
        self.has_entries = true;
        sum.max_time = sum.max_time.max(entry.mtime);
        match entry.kind {
            EntryKind::Symlink => add_up(&mut sum.symlinks, 1),
            EntryKind::File => {
                add_up(&mut sum.files, 1);
                add_up(&mut sum.size, entry.size);
            }
            EntryKind::Folder => {
                if let Some(below) = &entry.summary {
                    self.add_below(below);
                }
            }
            EntryKind::Unknown => {}
        }
    }

    /// An entry that is not in the folder because it could not be read.
    pub fn add_failure(&mut self, failure: FailedEntry, is_ignored: bool) {
        let count = if is_ignored { &mut self.sum.num_ignored_errors } else { &mut self.sum.num_failed };
        add_up(count, 1);
        self.list(failure);
    }

    /// `incomplete` is empty where the folder is whole.
    pub fn build(&mut self, folder_mtime: Time, incomplete: &str) -> Summary {
        self.trim();
        let mut built = self.sum.clone();
        add_up(&mut built.dirs, 1);
        built.max_time = if self.has_entries { built.max_time } else { folder_mtime }.clamped();
        built.incomplete = incomplete.to_owned();
        built
    }

    fn add_below(&mut self, below: &Summary) {
        let sum = &mut self.sum;
        add_up(&mut sum.size, below.size);
        add_up(&mut sum.files, below.files);
        add_up(&mut sum.symlinks, below.symlinks);
        add_up(&mut sum.dirs, below.dirs);
        add_up(&mut sum.num_failed, below.num_failed);
        add_up(&mut sum.num_ignored_errors, below.num_ignored_errors);
        sum.max_time = sum.max_time.max(below.max_time);
        for failure in &below.errors {
            self.list(failure.clone());
        }
    }

    fn list(&mut self, failure: FailedEntry) {
        self.sum.errors.push(failure);
        if self.sum.errors.len() >= 2 * FAILURES_LISTED_MAX {
            self.trim();
        }
    }

    /// The first by path stay, so that the same failures give the same bytes whichever came first.
    fn trim(&mut self) {
        self.sum.errors.sort_unstable();
        self.sum.errors.truncate(FAILURES_LISTED_MAX);
    }
}

pub fn push_summary(target: &mut Vec<u8>, summary: &Summary) {
    let mut number = |key: &[u8], count: u64| {
        target.extend_from_slice(key);
        push_decimal(target, count);
    };
    number(b"{\"size\":", summary.size);
    number(b",\"files\":", summary.files);
    number(b",\"symlinks\":", summary.symlinks);
    number(b",\"dirs\":", summary.dirs);
    target.extend_from_slice(b",\"maxTime\":\"");
    push_go_time(target, summary.max_time);
    target.push(b'"');
    if !summary.incomplete.is_empty() {
        target.extend_from_slice(b",\"incomplete\":");
        push_go_string(target, summary.incomplete.as_bytes());
    }
    target.extend_from_slice(b",\"numFailed\":");
    push_decimal(target, summary.num_failed);
    if summary.num_ignored_errors > 0 {
        target.extend_from_slice(b",\"numIgnoredErrors\":");
        push_decimal(target, summary.num_ignored_errors);
    }
    let mut separator: &[u8] = b",\"errors\":[{\"path\":";
    for failure in &summary.errors {
        target.extend_from_slice(separator);
        push_go_string(target, failure.path.as_bytes());
        target.extend_from_slice(b",\"error\":");
        push_go_string(target, failure.error.as_bytes());
        separator = b"},{\"path\":";
    }
    target.extend_from_slice(if summary.errors.is_empty() { b"}" } else { b"}]}" });
}

const KEYS: [&str; 9] =
    ["size", "files", "symlinks", "dirs", "maxTime", "incomplete", "numFailed", "numIgnoredErrors", "errors"];
const FAILURE_KEYS: [&str; 2] = ["path", "error"];

pub(super) fn decode_summary(value: &JsonValue<'_>, thing: StoredThing) -> Result<Summary, SnapshotError> {
    let fields = StoredFields::read(&mut JsonCursor::new(value.literal), &KEYS, thing)?;
    let [size, files, symlinks, dirs, max_time, incomplete, num_failed, num_ignored_errors, errors] = fields.each();
    Ok(Summary {
        incomplete: incomplete.text()?.into_owned(),
        size: size.count(COUNT_MAX)?,
        files: files.count(COUNT_MAX)?,
        symlinks: symlinks.count(COUNT_MAX)?,
        dirs: dirs.count(COUNT_MAX)?,
        max_time: max_time.time()?,
        num_failed: num_failed.count(COUNT_MAX)?,
        num_ignored_errors: num_ignored_errors.count(COUNT_MAX)?,
        errors: match errors.list()? {
            Some(list) => decode_failures(list, thing.failure())?,
            None => vec![],
        },
    })
}

fn decode_failures(list: &JsonValue<'_>, thing: StoredThing) -> Result<Vec<FailedEntry>, SnapshotError> {
    let mut failures = vec![];
    let mut cursor = JsonCursor::new(list.literal);
    cursor.enter_array()?;
    while cursor.next_element()? {
        let fields = StoredFields::read(&mut cursor, &FAILURE_KEYS, thing)?;
        let [path, error] = fields.each();
        failures.push(FailedEntry { path: path.text()?.into_owned(), error: error.text()?.into_owned() });
    }
    Ok(failures)
}

/// Stops at what can be written; only made-up sizes get there.
fn add_up(count: &mut u64, more: u64) {
    *count = count.saturating_add(more).min(COUNT_MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::borrow::Cow;

    fn entry(kind: EntryKind, size: u64, seconds: i64, summary: Option<Summary>) -> DirectoryEntry<'static> {
        DirectoryEntry {
            name: Cow::Borrowed(b"a"),
            kind,
            mode: 0,
            size,
            mtime: Time { seconds, nanoseconds: 0 },
            uid: 0,
            gid: 0,
            object_id: Cow::Borrowed(""),
            summary: summary.map(Box::new),
        }
    }

    fn failure(path: &str) -> FailedEntry {
        FailedEntry { path: path.to_owned(), error: "gone".to_owned() }
    }

    fn text_of(summary: &Summary) -> String {
        let mut text = vec![];
        push_summary(&mut text, summary);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn entries_and_failures_are_added_up_and_listed_by_path() {
        let mut builder = SummaryBuilder::default();
        builder.add_failure(failure("sub/b"), false);
        builder.add_failure(failure("a"), true);
        let below = Summary {
            dirs: 1,
            num_failed: 2,
            errors: vec![failure("aa")],
            incomplete: "x".into(),
            ..Summary::default()
        };
        builder.add(&entry(EntryKind::Folder, 4096, 1, Some(below)));
        builder.add(&entry(EntryKind::File, 7, 2, None));
        builder.add(&entry(EntryKind::Symlink, 5, -5, None));
        assert_eq!(
            text_of(&builder.build(Time::EPOCH, "canceled")),
            r#"{"size":7,"files":1,"symlinks":1,"dirs":2,"maxTime":"1970-01-01T00:00:02Z","incomplete":"canceled","numFailed":3,"numIgnoredErrors":1,"errors":[{"path":"a","error":"gone"},{"path":"aa","error":"gone"},{"path":"sub/b","error":"gone"}]}"#
        );
    }

    #[test]
    fn the_latest_time_starts_at_the_epoch_unless_the_folder_is_empty() {
        let before = Time { seconds: -5, nanoseconds: 0 };
        let mut builder = SummaryBuilder::default();
        assert_eq!(builder.build(before, "").max_time, before);
        builder.add(&entry(EntryKind::File, 0, -5, None));
        assert_eq!(builder.build(Time { seconds: 7, nanoseconds: 0 }, "").max_time, Time::EPOCH);
    }

    #[test]
    fn all_failures_are_counted_and_the_first_by_path_listed_in_whatever_order_they_come() {
        let count = 5 * FAILURES_LISTED_MAX;
        let mut builder = SummaryBuilder::default();
        for number in 0..count {
            builder.add_failure(failure(&format!("file-{:04}", number * 7919 % count)), false);
        }
        let built = builder.build(Time::EPOCH, "");
        assert_eq!((built.num_failed, built.errors.len()), (count as u64, FAILURES_LISTED_MAX));
        assert_eq!((&*built.errors[0].path, &*built.errors[99].path), ("file-0000", "file-0099"));
    }

    #[test]
    fn sums_stay_within_what_can_be_written() {
        let mut builder = SummaryBuilder::default();
        for _ in 0..2 {
            builder.add(&entry(EntryKind::File, COUNT_MAX, i64::MAX, None));
        }
        let built = builder.clone().build(Time::EPOCH, "");
        assert_eq!((built.size, built.max_time), (COUNT_MAX, Time::MAX));
    }
}
