//! An entry of a stored folder, as far as a restore needs it.

use crate::snapshot::directory_entry::DirectoryEntry;
pub use crate::snapshot::directory_entry::EntryKind;
use crate::volume::attributes::Attributes;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The true bytes, not checked to be a name that can be in a folder.
    pub name: Box<[u8]>,
    pub kind: EntryKind,
    pub attributes: Attributes,
    /// Bytes of a file's contents or of a link's target.
    pub size: u64,
    /// Not checked.
    pub object_id: Box<str>,
}

impl From<DirectoryEntry<'_>> for Entry {
    fn from(entry: DirectoryEntry<'_>) -> Self {
        let DirectoryEntry { name, kind, mode, size, mtime, uid, gid, object_id, .. } = entry;
        Self {
            name: name.into(),
            kind,
            attributes: Attributes {
                mode,
                uid,
                gid,
                mtime_seconds: mtime.seconds,
                mtime_nanoseconds: mtime.nanoseconds,
            },
            size,
            object_id: object_id.into(),
        }
    }
}
