//! Whether a file can keep the object it has in the parent snapshot without being read.
//!
//! The test is kopia's, so that its users and ours find the same files unchanged: no change time, no inode, no sampling.
//! The object is not checked to exist.
//!
//! Source: kopia snapshot/snapshotfs/upload.go (metadataEquals); src/snapshot/unchanged.ts.

use super::directory_entry::{DirectoryEntry, EntryKind};
use super::go_time::Time;

/// What `lstat` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalEntry {
    pub kind: EntryKind,
    /// The twelve Unix bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Of a link, the length of its target.
    pub size: u64,
    pub mtime: Time,
}

/// `stored` has the same name in the same folder of the parent. Folders are never unchanged: each run walks them all.
pub fn is_unchanged(local: &LocalEntry, stored: &DirectoryEntry<'_>) -> bool {
    matches!(local.kind, EntryKind::File | EntryKind::Symlink)
        && local.kind == stored.kind
        && local.mtime == stored.mtime
        && local.mode == stored.mode
        && local.uid == stored.uid
        && local.gid == stored.gid
        && local.size == stored.size
        && !stored.object_id.is_empty()
}
