//! What is open while a restore runs: folders that still have something below them to be done, large files that still have
//! chunks to come, and what else waits for a content.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustix::io::Errno;

use super::entry::Entry;
use crate::content_table::TableBytes;
use crate::volume::new_file::NewFile;
use crate::volume::open_folder::OpenFolder;

/// Held by whatever is to be done in it; who lets go of it last gives it its attributes.
pub struct Folder {
    pub open: OpenFolder,
    /// None for the target itself.
    pub parent: Option<Arc<Folder>>,
    /// None for a target into which a single file or link is restored: it stays as it is.
    pub entry: Option<Entry>,
    /// Made by this run, so nobody else can look into it before it has its attributes.
    pub is_new: bool,
    /// Its own object could not be read beyond so many entries: the reference goes on behind them, when they are done.
    pub unread_after: OnceLock<u32>,
}

impl Folder {
    /// Names from the target down, each with a zero byte behind it.
    pub fn path(&self) -> Vec<u8> {
        let mut names: Vec<&[u8]> = vec![];
        let mut folder = self;
        while let Some(parent) = &folder.parent {
            names.extend(folder.entry.as_ref().map(|entry| &*entry.name));
            folder = parent;
        }
        names.into_iter().rev().flat_map(|name| name.iter().copied().chain([0])).collect()
    }

    pub fn path_of(&self, name: &[u8]) -> Vec<u8> {
        let mut path = self.path();
        path.extend_from_slice(name);
        path.push(0);
        path
    }
}

/// What a content is for.
pub enum Item {
    /// All of a file, or the target of a link.
    Whole { folder: Arc<Folder>, entry: Entry },
    /// Of a large file, from this position on.
    Chunk { file: Arc<LargeFile>, position: u64 },
    /// A folder's object or a list of chunks.
    Object(Arc<ObjectSlot>),
}

/// A file that is written chunk by chunk, by several threads. Held by each chunk that is to come; who lets go of it last
/// puts it in place.
pub struct LargeFile {
    pub folder: Arc<Folder>,
    pub entry: Entry,
    /// Made with the first chunk.
    pub file: OnceLock<Result<NewFile, Errno>>,
    /// Bytes of chunks that are in it.
    written: AtomicU64,
}

impl LargeFile {
    pub fn new(folder: Arc<Folder>, entry: Entry) -> Self {
        Self { folder, entry, file: OnceLock::new(), written: AtomicU64::new(0) }
    }

    pub fn note_written(&self, length: usize) {
        self.written.fetch_add(length as u64, Ordering::Relaxed);
    }

    /// The file, where every chunk is in it.
    pub fn take_whole(&mut self) -> Option<NewFile> {
        if *self.written.get_mut() != self.entry.size {
            return None;
        }
        self.file.take()?.ok()
    }
}

impl Drop for LargeFile {
    fn drop(&mut self) {
        if let Some(Ok(file)) = self.file.take() {
            file.discard(&self.folder.open);
        }
    }
}

pub type ObjectBytes = Box<dyn TableBytes>;

/// Where an object that was asked for will be.
#[derive(Default)]
pub struct ObjectSlot(Mutex<Slot>);

#[derive(Default)]
pub enum Slot {
    #[default]
    Waiting,
    There(ObjectBytes),
    /// It cannot be had on the straight path.
    Failed,
}

impl ObjectSlot {
    pub fn fill(&self, slot: Slot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = slot;
    }

    pub fn is_waiting(&self) -> bool {
        matches!(*self.0.lock().unwrap_or_else(PoisonError::into_inner), Slot::Waiting)
    }

    /// Once it is not waiting any more.
    pub fn take(&self) -> Option<ObjectBytes> {
        match std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), Slot::Failed) {
            Slot::There(bytes) => Some(bytes),
            Slot::Waiting | Slot::Failed => None,
        }
    }
}
