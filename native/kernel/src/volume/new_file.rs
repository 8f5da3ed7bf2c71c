//! A file that is written under a temporary name and put in its place when it is whole, so that a crash leaves the old
//! or the new one. It is a fresh file: what a link at the target names, or another name of the same file, is never
//! written. The twin of `src/volume/new-file.ts`.

use std::os::fd::{IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags, ftruncate, openat, renameat};
use rustix::io::{Errno, pwrite};

use super::attributes::{Attributes, Difference, Newborn, apply};
use super::open_folder::{OpenFolder, one_component, retrying};
use super::temporary::{TemporaryName, unlink};

const FLAGS: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Holes are made of whole blocks of this many bytes, on their boundaries: runs of zeros that are long enough to be worth
/// the fragment, and what databases lay out in pages stays in one piece.
const HOLE_BLOCK_BYTES: usize = 64 << 10;
static ZERO_BLOCK: [u8; HOLE_BLOCK_BYTES] = [0; HOLE_BLOCK_BYTES];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zeros {
    Written,
    /// Blocks that are all zero stay unwritten; they read as zeros and take no space.
    Holes,
}

/// Who may look into the folder while the file is in the making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// This process alone, which made it (0700): the file can be made with the bits that it shall have in the end.
    Private,
    Shared,
}

/// Committed or discarded by its owner; what is dropped stays under its temporary name.
pub struct NewFile {
    file: OwnedFd,
    temporary: TemporaryName,
    created_mode: u32,
    zeros: Zeros,
    /// Bytes that it has; less than its length when it ends in a hole.
    extent: AtomicU64,
}

impl NewFile {
    pub fn create(
        parent: &OpenFolder,
        temporary: TemporaryName,
        mode: u32,
        folder: Folder,
        zeros: Zeros,
    ) -> Result<Self, Errno> {
        let created_mode = if folder == Folder::Private { mode & 0o777 } else { 0o600 };
        let file = retrying(|| openat(parent, temporary.bytes(), FLAGS, Mode::from_raw_mode(created_mode)))?;
        Ok(Self { file, temporary, created_mode, zeros, extent: AtomicU64::new(0) })
    }

    /// Puts the bytes at the position, whole. Several threads may do so at once; each byte of the file is written once at
    /// most, what never is reads as zero.
    pub fn write_at(&self, bytes: &[u8], position: u64) -> Result<(), Errno> {
        match self.zeros {
            Zeros::Written => self.write_run(bytes, position),
            Zeros::Holes => runs_between_holes(bytes, position)
                .try_for_each(|(start, end)| self.write_run(&bytes[start..end], position + start as u64)),
        }
    }

    fn write_run(&self, bytes: &[u8], position: u64) -> Result<(), Errno> {
        let mut done = 0;
        while done < bytes.len() {
            match retrying(|| pwrite(&self.file, &bytes[done..], position + done as u64))? {
                0 => return Err(Errno::IO),
                count => done += count,
            }
        }
        self.extent.fetch_max(position + bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Gives it its length and its attributes, puts it in place of what bears the name, and gives what reading back found
    /// different. `EISDIR` when a folder bears the name. After an error the file is gone.
    pub fn commit(
        self,
        parent: &OpenFolder,
        name: &[u8],
        length: u64,
        wanted: &Attributes,
        newborn: &Newborn,
    ) -> Result<Option<Difference>, Errno> {
        let Self { file, temporary, created_mode, extent, .. } = self;
        let made = (|| {
            let name = one_component(name)?;
            if extent.into_inner() < length {
                retrying(|| ftruncate(&file, length))?;
            }
            let difference = apply(&file, wanted, Some(length), Some(created_mode), newborn)?;
            // Closed first: on NFS a full disk shows only here, and the old file should still be there then.
            close(file)?;
            retrying(|| renameat(parent, temporary.bytes(), parent, name))?;
            Ok(difference)
        })();
        if made.is_err() {
            let _ = unlink(parent, temporary.bytes()); // What failed first tells more.
        }
        made
    }

    /// Gives the file up.
    pub fn discard(self, parent: &OpenFolder) {
        let _ = unlink(parent, self.temporary.bytes()); // Why it is given up tells more than this would.
    }
}

/// With its error, which dropping a descriptor does not tell. On Linux it is closed also where a signal came between.
fn close(file: OwnedFd) -> Result<(), Errno> {
    // SAFETY: the descriptor is the file's own, which gives it up here; nobody else has its number.
    #[allow(unsafe_code)]
    match unsafe { rustix::io::try_close(file.into_raw_fd()) } {
        Err(Errno::INTR) => Ok(()),
        result => result,
    }
}

/// The parts of the bytes that are not all zero, block by block of the file they go to, joined where they touch.
fn runs_between_holes(bytes: &[u8], position: u64) -> impl Iterator<Item = (usize, usize)> {
    let block_end = move |start: usize| {
        let in_block = (position + start as u64) % HOLE_BLOCK_BYTES as u64;
        bytes.len().min(start + HOLE_BLOCK_BYTES - in_block as usize)
    };
    let mut start = 0;
    std::iter::from_fn(move || {
        while start < bytes.len() && is_zero(&bytes[start..block_end(start)]) {
            start = block_end(start);
        }
        let run_start = start;
        while start < bytes.len() && !is_zero(&bytes[start..block_end(start)]) {
            start = block_end(start);
        }
        (run_start < start).then_some((run_start, start))
    })
}

fn is_zero(block: &[u8]) -> bool {
    block.first() == Some(&0) && block == &ZERO_BLOCK[..block.len()]
}
