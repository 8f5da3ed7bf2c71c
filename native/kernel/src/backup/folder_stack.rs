//! The folders that a backup is in, root first, as far as they are stored; and what it has to say of single entries and
//! altogether. `src/backup/folder-walk.ts` and `checkpoint.ts` do the same.

use std::borrow::Cow;

use rustix::io::Errno;

use super::object_writer::ObjectWriter;
use super::walker::{Attributes, FoundLink, Operation, Trouble, Unchanged};
use crate::chunk::Chunk;
use crate::object_id::ObjectId;
use crate::snapshot::directory_entry::{DirectoryEntry, EntryKind, push_directory_entry};
use crate::snapshot::folder_object::FolderEncoder;
use crate::snapshot::snapshot_error::SnapshotError;
use crate::snapshot::summary::{FailedEntry, SummaryBuilder};
use crate::volume::display_path::join_display_path;
use crate::volume::errno_name::errno_name;

/// A folder of a million entries takes about 250 MB; a larger object is neither read nor written.
const FOLDER_BYTES_MAX: usize = 512 << 20;
/// Of each kind of report so many are made; the rest is counted.
const NAMED_MAX: u64 = 100;
const FOLDER_PREFIX: u8 = b'k';

/// Why no snapshot can be made.
#[derive(Debug, PartialEq, Eq)]
pub enum Fatal {
    RootNotListed(Errno),
    FolderTooLarge { name: Vec<u8>, entries: usize },
    NotWritable(SnapshotError),
}

/// So far, over the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Read, or known to be unchanged.
    pub bytes_done: u64,
    pub bytes_listed: u64,
    pub files_done: u64,
    /// Of file data that was read and is stored.
    pub bytes_read: u64,
    pub folders: u64,
    pub files_stored: u64,
    pub files_unchanged: u64,
    /// Of files and links that are unchanged.
    pub bytes_unchanged: u64,
    pub failed: u64,
    pub vanished: u64,
    pub changed: u64,
    pub skipped: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Report {
    Failed { path: String, operation: Operation, errno: Cow<'static, str> },
    Vanished(String),
    Changed(String),
    Skipped(String),
    Warning(String),
}

/// A file that is stored whole.
pub struct StoredFile<'a> {
    pub name: &'a [u8],
    pub attributes: Attributes,
    pub object_id: ObjectId,
    pub bytes: u64,
    /// While it was read, twice.
    pub changed: bool,
}

#[derive(Default)]
pub struct FolderStack {
    path: Vec<FolderInProgress>,
    pub totals: Totals,
    pub reports: Vec<Report>,
    /// Memory to be used again.
    spare: Vec<FolderEncoder>,
}

struct FolderInProgress {
    name: Box<[u8]>,
    attributes: Attributes,
    encoder: FolderEncoder,
    summary: SummaryBuilder,
}

/// A large file of which some chunks are stored.
pub struct Partial<'a> {
    pub attributes: Attributes,
    pub chunks: &'a [Chunk],
    /// Under which it stands in a checkpoint.
    pub name: &'a str,
}

impl FolderStack {
    pub fn enter(&mut self, name: Box<[u8]>, attributes: Attributes) {
        let encoder = self.spare.pop().unwrap_or_default();
        self.path.push(FolderInProgress { name, attributes, encoder, summary: SummaryBuilder::default() });
        self.totals.folders += 1;
    }

    /// Stores the folder's object; of the root gives the entry.
    pub fn leave(&mut self, writer: &mut ObjectWriter<'_>) -> Result<Option<Vec<u8>>, Fatal> {
        let folder = self.path.pop().expect("what is left was entered");
        let FolderInProgress { name, attributes, mut encoder, summary } = folder;
        let entry = write_folder(&name, attributes, &mut encoder, summary, "", writer)?;
        encoder.clear();
        self.spare.push(encoder);
        match self.path.last_mut() {
            Some(above) => above.add(&entry).map(|()| None),
            None => encoded(&entry).map(Some),
        }
    }

    pub fn add_unchanged(&mut self, unchanged: &Unchanged) -> Result<(), Fatal> {
        self.totals.files_done += unchanged.count() as u64;
        self.totals.files_unchanged += unchanged.count() as u64;
        for entry in unchanged.iter() {
            self.totals.bytes_unchanged += entry.size;
            if entry.kind == EntryKind::File {
                self.totals.bytes_done += entry.size;
            }
            self.last().add(&entry)?;
        }
        Ok(())
    }

    pub fn add_link(&mut self, link: &FoundLink, object_id: ObjectId) -> Result<(), Fatal> {
        self.totals.files_done += 1;
        let size = link.target.len() as u64;
        self.last().add(&entry_of(&link.name, EntryKind::Symlink, size, link.attributes, object_id))
    }

    pub fn add_file(&mut self, file: StoredFile<'_>) -> Result<(), Fatal> {
        let StoredFile { name, attributes, object_id, bytes, changed } = file;
        if changed {
            self.totals.changed += 1;
            self.report(self.totals.changed, name, Report::Changed);
        }
        self.totals.files_done += 1;
        self.totals.files_stored += 1;
        self.totals.bytes_read += bytes;
        self.totals.bytes_done += bytes;
        self.last().add(&entry_of(name, EntryKind::File, bytes, attributes, object_id))
    }

    /// Of an entry of the folder that was entered last.
    pub fn trouble(&mut self, name: &[u8], trouble: Trouble) {
        match trouble {
            Trouble::Vanished => {
                self.totals.vanished += 1;
                self.report(self.totals.vanished, name, Report::Vanished);
            }
            Trouble::Skipped => {
                self.totals.skipped += 1;
                self.report(self.totals.skipped, name, Report::Skipped);
            }
            Trouble::Failed(operation, errno) => {
                self.totals.failed += 1;
                let (path, errno) = (self.path_of(name), errno_name(errno));
                let error = format!("{}: {errno}", operation.name());
                self.last().summary.add_failure(FailedEntry { path: path.clone(), error }, true);
                self.report(self.totals.failed, name, |path| Report::Failed { path, operation, errno });
            }
        }
    }

    /// Writes the folders as they are, as if they ended here, and gives the root's entry. Nothing in them changes.
    pub fn write_checkpoint(
        &mut self,
        partial: Option<Partial<'_>>,
        writer: &mut ObjectWriter<'_>,
    ) -> Result<Vec<u8>, Fatal> {
        let mut below: Option<DirectoryEntry<'static>> = None;
        let mut half =
            partial.filter(|partial| !partial.chunks.is_empty()).map(|Partial { attributes, chunks, name }| {
                let size = chunks.iter().map(|chunk| u64::from(chunk.length)).sum();
                let object_id = writer.object_of_chunks(0, chunks);
                entry_of(name.as_bytes(), EntryKind::File, size, attributes, object_id)
            });
        for folder in self.path.iter().rev() {
            let mut copy = FolderInProgress {
                name: folder.name.clone(),
                attributes: folder.attributes,
                encoder: folder.encoder.clone(),
                summary: folder.summary.clone(),
            };
            for entry in below.take().iter().chain(half.take().iter()) {
                copy.add(entry)?;
            }
            let FolderInProgress { name, attributes, mut encoder, summary } = copy;
            let entry = write_folder(&name, attributes, &mut encoder, summary, "checkpoint", writer)?;
            below = Some(entry.into_owned());
        }
        encoded(&below.expect("a backup is in its root at least"))
    }

    pub fn is_in_a_folder(&self) -> bool {
        !self.path.is_empty()
    }

    fn last(&mut self) -> &mut FolderInProgress {
        self.path.last_mut().expect("entries are those of a folder")
    }

    fn report(&mut self, count: u64, name: &[u8], of: impl FnOnce(String) -> Report) {
        if count <= NAMED_MAX {
            let path = self.path_of(name);
            self.reports.push(of(path));
        }
    }

    /// As it is told: relative to the root.
    fn path_of(&self, name: &[u8]) -> String {
        let above = self.path.iter().skip(1).fold(String::new(), |path, folder| join_display_path(&path, &folder.name));
        join_display_path(&above, name)
    }
}

impl FolderInProgress {
    fn add(&mut self, entry: &DirectoryEntry<'_>) -> Result<(), Fatal> {
        self.summary.add(entry);
        self.encoder.add(entry).map_err(Fatal::NotWritable)
    }
}

/// Stores the folder's object and gives the entry for the folder above.
fn write_folder<'n>(
    name: &'n [u8],
    attributes: Attributes,
    encoder: &mut FolderEncoder,
    mut sums: SummaryBuilder,
    incomplete: &str,
    writer: &mut ObjectWriter<'_>,
) -> Result<DirectoryEntry<'n>, Fatal> {
    let summary = sums.build(attributes.mtime, incomplete);
    let entries = encoder.count();
    let mut length = 0;
    let pieces = encoder.encode(&summary).map_err(Fatal::NotWritable)?.map(|piece| {
        length += piece.len();
        if length > FOLDER_BYTES_MAX {
            return Err(Fatal::FolderTooLarge { name: name.to_vec(), entries });
        }
        Ok(piece)
    });
    let object_id = writer.write_pieces(FOLDER_PREFIX, pieces)?;
    let summary = Some(Box::new(summary));
    Ok(DirectoryEntry { summary, ..entry_of(name, EntryKind::Folder, 0, attributes, object_id) })
}

fn entry_of(
    name: &[u8],
    kind: EntryKind,
    size: u64,
    attributes: Attributes,
    object_id: ObjectId,
) -> DirectoryEntry<'_> {
    let Attributes { mode, uid, gid, mtime } = attributes;
    DirectoryEntry {
        name: name.into(),
        kind,
        mode,
        size,
        mtime,
        uid,
        gid,
        object_id: object_id.to_string().into(),
        summary: None,
    }
}

fn encoded(entry: &DirectoryEntry<'_>) -> Result<Vec<u8>, Fatal> {
    let mut json = vec![];
    push_directory_entry(&mut json, entry).map_err(Fatal::NotWritable)?;
    Ok(json)
}
