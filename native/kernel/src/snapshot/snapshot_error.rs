//! What can be wrong with a folder: all of it is FOLDER_INVALID of `SnapshotError` in src/snapshot/snapshot-error.ts, and
//! reads as it does there.

use std::fmt;

use super::go_json::{JsonError, go_text};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// Of a folder's object, from its first byte to the end of it.
    NotJson(JsonError),
    /// The object is none of a folder.
    OtherStream,
    EntriesNotList,
    NotObject(StoredThing),
    Field {
        key: &'static str,
        thing: StoredThing,
        trouble: Trouble,
    },
    /// That cannot be in a folder.
    UnsafeName(Vec<u8>),
    SameNames(Vec<u8>),
    /// An entry of `EntryKind::Unknown`, or one with a size beyond `COUNT_MAX` or a length beyond 4 GiB, is never written.
    NotWritable(&'static str),
}

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredThing {
    Folder,
    /// Its number in the folder; None for one that stands alone.
    Entry(Option<usize>),
    FolderSummary,
    EntrySummary(Option<usize>),
    FolderFailure,
    EntryFailure(Option<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    NotString,
    NotCount { max: u64 },
    NotTime,
    NotList,
    NotMode,
}

impl StoredThing {
    pub(super) fn summary(self) -> Self {
        match self {
            Self::Entry(number) => Self::EntrySummary(number),
            _ => Self::FolderSummary,
        }
    }

    pub(super) fn failure(self) -> Self {
        match self {
            Self::EntrySummary(number) => Self::EntryFailure(number),
            _ => Self::FolderFailure,
        }
    }
}

impl From<JsonError> for SnapshotError {
    fn from(error: JsonError) -> Self {
        Self::NotJson(error)
    }
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(error) => write!(formatter, "could not read a folder's object: {error}"),
            Self::OtherStream => formatter.write_str("stream of a folder is not kopia:directory"),
            Self::EntriesNotList => formatter.write_str("entries of a folder are not a list"),
            Self::NotObject(thing) => write!(formatter, "{thing} is not a JSON object"),
            Self::Field { key, thing, trouble } => write!(formatter, "{key} of {thing} {trouble}"),
            Self::UnsafeName(name) => write!(formatter, "{} cannot be a name in a folder", Quoted(name)),
            Self::SameNames(name) => write!(formatter, "two entries of a folder have the name {}", Quoted(name)),
            Self::NotWritable(why) => formatter.write_str(why),
        }
    }
}

impl std::error::Error for SnapshotError {}

impl fmt::Display for StoredThing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = match self {
            Self::Folder => return formatter.write_str("a folder"),
            Self::FolderSummary => return formatter.write_str("the summary of a folder"),
            Self::FolderFailure => return formatter.write_str("an error in the summary of a folder"),
            Self::Entry(number) => number,
            Self::EntrySummary(number) => {
                formatter.write_str("the summary of ")?;
                number
            }
            Self::EntryFailure(number) => {
                formatter.write_str("an error in the summary of ")?;
                number
            }
        };
        match number {
            Some(number) => write!(formatter, "entry {number} of a folder"),
            None => formatter.write_str("the entry"),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotString => formatter.write_str("is not a string"),
            Self::NotCount { max } => write!(formatter, "is not an integer from 0 to {max}"),
            Self::NotTime => formatter.write_str("is not a time of RFC 3339"),
            Self::NotList => formatter.write_str("is not a list"),
            Self::NotMode => formatter.write_str("is not an octal number"),
        }
    }
}

const SHOWN_MAX: usize = 80;

/// A name that others chose, fit for a message: quoted, and cut.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = go_text(self.0);
        let shown: String = text.chars().take(SHOWN_MAX).collect();
        let more = if shown.len() < text.len() { "…" } else { "" };
        write!(formatter, "{:?}", format!("{shown}{more}"))
    }
}
