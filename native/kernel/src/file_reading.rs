//! Regular files of an open folder: opened by name in it, never through a link, and watched for changes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat};
use rustix::io::{Errno, pread};

use crate::buzhash::{Cutter, DYNAMIC_4M};
use crate::events::{ModifiedAt, Operation};

/// Below this a file is one chunk: no cut lies in it.
const WHOLE_BYTES_MAX: u64 = DYNAMIC_4M.minimum as u64 - 1;
/// Read and looked at in steps, so that little lies behind a cut and the bytes are looked at while they are in the cache.
const STEP_BYTES: usize = 256 << 10;
/// A file that changes while it is read is read once more, not for ever.
pub const READINGS_MAX: u32 = 2;

pub struct Failure {
    pub operation: Operation,
    pub errno: i32,
}

pub struct WholeFile {
    pub bytes: Vec<u8>,
    pub changed: bool,
    pub modified_at: ModifiedAt,
}

/// A file of several chunks, or one that grows too fast to be read whole.
pub struct LargeFile {
    file: Arc<OwnedFd>,
    /// As it was before this reading.
    before: Stat,
}

pub enum OpenedFile {
    Whole(WholeFile),
    Large(LargeFile),
}

impl Failure {
    pub fn not_opened(errno: Errno) -> Self {
        Self { operation: Operation::Open, errno: errno.raw_os_error() }
    }

    fn not_read(errno: Errno) -> Self {
        Self { operation: Operation::Read, errno: errno.raw_os_error() }
    }
}

/// `name` is one name and no path.
pub fn open_file(folder: BorrowedFd, name: &[u8]) -> Result<OpenedFile, Failure> {
    if name.contains(&b'/') {
        return Err(Failure::not_opened(Errno::INVAL));
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    read_opened(retrying(|| openat(folder, name, flags, Mode::empty())).map_err(Failure::not_opened)?)
}

/// Reads a file that one chunk holds.
pub fn read_opened(file: OwnedFd) -> Result<OpenedFile, Failure> {
    for reading in 1.. {
        let before = fstat(&file).map_err(Failure::not_read)?;
        if !FileType::from_raw_mode(before.st_mode).is_file() {
            return Err(Failure::not_opened(Errno::INVAL));
        }
        if size_of(&before) > WHOLE_BYTES_MAX {
            return Ok(OpenedFile::Large(LargeFile { file: Arc::new(file), before }));
        }
        let room = size_of(&before) as usize + 1;
        let mut bytes = Vec::with_capacity(room);
        while bytes.len() < room {
            let (room, position) = (room - bytes.len(), bytes.len() as u64);
            if read_onto(&file, &mut bytes, room, position).map_err(Failure::not_read)? == 0 {
                break;
            }
        }
        let changed = has_changed(&before, &fstat(&file).map_err(Failure::not_read)?, bytes.len() as u64);
        if changed && reading < READINGS_MAX {
            continue;
        }
        // Still growing past the buffer: what lies in the buffer would be a torn copy, so it is read chunk by chunk.
        if bytes.len() == room {
            let before = fstat(&file).map_err(Failure::not_read)?;
            return Ok(OpenedFile::Large(LargeFile { file: Arc::new(file), before }));
        }
        return Ok(OpenedFile::Whole(WholeFile { bytes, changed, modified_at: modified_at(&before) }));
    }
    unreachable!("the last reading returns")
}

impl LargeFile {
    /// What it is now is what a further reading is held against.
    pub fn restart(&mut self) -> Result<(), Errno> {
        self.before = fstat(&self.file)?;
        Ok(())
    }

    /// The same file, for a further reading: what it is now is what that is held against.
    pub fn restarted(&self) -> Result<Self, Errno> {
        Ok(Self { file: Arc::clone(&self.file), before: fstat(&self.file)? })
    }

    pub fn has_changed(&self, bytes_read: u64) -> Result<bool, Errno> {
        Ok(has_changed(&self.before, &fstat(&self.file)?, bytes_read))
    }

    pub fn modified_at(&self) -> ModifiedAt {
        modified_at(&self.before)
    }
}

/// Where the reading of a large file has come to.
#[derive(Default)]
pub struct Reading {
    /// Read already, behind the last chunk.
    rest: Vec<u8>,
    position: u64,
    at_end: bool,
}

impl Reading {
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Puts the next chunk into the empty `buffer`; true where the file ended and nothing follows.
    /// An empty chunk is none, unless it is the file's first.
    pub fn next_chunk(&mut self, file: &LargeFile, buffer: &mut Vec<u8>) -> Result<bool, Errno> {
        buffer.reserve_exact(DYNAMIC_4M.maximum);
        buffer.append(&mut self.rest);
        let mut cutter = Cutter::new(DYNAMIC_4M);
        let length = loop {
            if let Some(length) = cutter.scan(buffer) {
                break length;
            }
            if self.at_end {
                break buffer.len();
            }
            let room = STEP_BYTES.min(DYNAMIC_4M.maximum - buffer.len());
            let count = read_onto(&file.file, buffer, room, self.position)?;
            self.position += count as u64;
            self.at_end = count == 0;
        };
        self.rest.extend_from_slice(&buffer[length..]);
        buffer.truncate(length);
        Ok(self.at_end && self.rest.is_empty())
    }
}

/// Reads at most `room` bytes behind those that are there; 0 at the end of the file.
fn read_onto(file: &OwnedFd, bytes: &mut Vec<u8>, room: usize, position: u64) -> Result<usize, Errno> {
    let length = bytes.len();
    bytes.reserve(room);
    let spare = &mut bytes.spare_capacity_mut()[..room];
    let count = retrying(|| pread(file.as_fd(), &mut *spare, position).map(|(read, _)| read.len()))?;
    // SAFETY: `pread` has written the first `count` bytes behind `length`, and `count` is at most `room`, which is reserved.
    #[allow(unsafe_code)]
    unsafe {
        bytes.set_len(length + count);
    }
    Ok(count)
}

fn retrying<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

fn has_changed(before: &Stat, after: &Stat, bytes_read: u64) -> bool {
    let times = |stat: &Stat| (stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec);
    times(before) != times(after) || size_of(before) != size_of(after) || size_of(after) != bytes_read
}

fn size_of(stat: &Stat) -> u64 {
    stat.st_size as u64
}

fn modified_at(stat: &Stat) -> ModifiedAt {
    ModifiedAt { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 }
}
