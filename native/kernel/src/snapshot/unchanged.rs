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

#[cfg(test)]
mod tests {
    use super::*;

    use std::borrow::Cow;

    #[test]
    fn only_a_file_or_link_with_the_same_attributes_and_an_object_is_unchanged() {
        let local = LocalEntry {
            kind: EntryKind::File,
            mode: 0o644,
            uid: 1,
            gid: 2,
            size: 3,
            mtime: Time { seconds: 4, nanoseconds: 5 },
        };
        let stored_as = |local: &LocalEntry, object_id: &'static str| DirectoryEntry {
            name: Cow::Borrowed(b"a"),
            kind: local.kind,
            mode: local.mode,
            size: local.size,
            mtime: local.mtime,
            uid: local.uid,
            gid: local.gid,
            object_id: Cow::Borrowed(object_id),
            summary: None,
        };
        let stored = stored_as(&local, "00");
        assert!(is_unchanged(&local, &stored));
        assert!(!is_unchanged(&local, &stored_as(&local, "")));
        for changed in [
            LocalEntry { kind: EntryKind::Symlink, ..local },
            LocalEntry { mode: 0o4644, ..local },
            LocalEntry { uid: 0, ..local },
            LocalEntry { gid: 0, ..local },
            LocalEntry { size: 4, ..local },
            LocalEntry { mtime: Time { seconds: 4, nanoseconds: 6 }, ..local },
        ] {
            assert!(!is_unchanged(&changed, &stored), "{changed:?}");
        }
        for (kind, expected) in [(EntryKind::Symlink, true), (EntryKind::Folder, false), (EntryKind::Unknown, false)] {
            let other = LocalEntry { kind, ..local };
            assert_eq!(is_unchanged(&other, &stored_as(&other, "00")), expected);
        }
    }
}
