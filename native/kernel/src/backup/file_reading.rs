//! Regular files that were opened in their folder: read whole or chunk by chunk, and watched for changes.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{Advice, FileType, Stat, fadvise, fstat};
use rustix::io::Errno;

use super::walker::Operation;
use crate::buzhash::{Cutter, DYNAMIC_4M};
use crate::conditions::Conditions;
use crate::profile::Stage;
use crate::read_limit::ReadLimit;
use crate::snapshot::go_time::Time;
use crate::volume::open_folder::SystemCalls;

/// Below this a file is one chunk: no cut lies in it.
const WHOLE_BYTES_MAX: u64 = DYNAMIC_4M.minimum as u64 - 1;
/// Read and looked at in steps, so that little lies behind a cut and the bytes are looked at while they are in the cache.
const STEP_BYTES: usize = 256 << 10;
/// A file that changes while it is read is read once more, not for ever.
pub const READINGS_MAX: u32 = 2;

pub struct Failure {
    pub operation: Operation,
    pub errno: Errno,
}

pub struct WholeFile {
    pub bytes: Vec<u8>,
    pub changed: bool,
    pub modified_at: Time,
}

/// A file of several chunks, or one that grows too fast to be read whole.
pub struct LargeFile {
    file: Arc<OwnedFd>,
    calls: Arc<SystemCalls>,
    /// As it was before this reading.
    before: Stat,
}

pub enum OpenedFile {
    Whole(WholeFile),
    Large(LargeFile),
}

impl Failure {
    pub fn not_opened(errno: Errno) -> Self {
        Self { operation: Operation::Open, errno }
    }

    fn not_read(errno: Errno) -> Self {
        Self { operation: Operation::Read, errno }
    }
}

/// Reads a file that one chunk holds.
pub fn read_opened(file: OwnedFd, calls: &Arc<SystemCalls>, limit: &ReadLimit) -> Result<OpenedFile, Failure> {
    for reading in 1.. {
        let before = fstat(&file).map_err(Failure::not_read)?;
        if !FileType::from_raw_mode(before.st_mode).is_file() {
            return Err(Failure::not_opened(Errno::INVAL));
        }
        if size_of(&before) > WHOLE_BYTES_MAX {
            return Ok(OpenedFile::Large(LargeFile::new(file, calls, before)));
        }
        let room = size_of(&before) as usize + 1;
        let mut bytes = Vec::with_capacity(room);
        while bytes.len() < room {
            let (room, position) = (limit.admit(room - bytes.len()), bytes.len() as u64);
            if calls.read_onto(&file, &mut bytes, room, position).map_err(Failure::not_read)? == 0 {
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
            return Ok(OpenedFile::Large(LargeFile::new(file, calls, before)));
        }
        return Ok(OpenedFile::Whole(WholeFile { bytes, changed, modified_at: modified_at(&before) }));
    }
    unreachable!("the last reading returns")
}

impl LargeFile {
    fn new(file: OwnedFd, calls: &Arc<SystemCalls>, before: Stat) -> Self {
        // A wider window of reading ahead; who has none to set does not mind.
        let _ = fadvise(&file, 0, None, Advice::Sequential);
        Self { file: Arc::new(file), calls: Arc::clone(calls), before }
    }

    /// The same file, for a further reading: what it is now is what that is held against.
    pub fn restarted(&self) -> Result<Self, Errno> {
        Ok(Self { file: Arc::clone(&self.file), calls: Arc::clone(&self.calls), before: fstat(&self.file)? })
    }

    pub fn has_changed(&self, bytes_read: u64) -> Result<bool, Errno> {
        Ok(has_changed(&self.before, &fstat(&self.file)?, bytes_read))
    }

    pub fn modified_at(&self) -> Time {
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
    pub fn next_chunk(
        &mut self,
        file: &LargeFile,
        buffer: &mut Vec<u8>,
        conditions: &Conditions,
    ) -> Result<bool, Errno> {
        let Conditions { profile, read_limit, .. } = conditions;
        buffer.reserve_exact(DYNAMIC_4M.maximum);
        buffer.append(&mut self.rest);
        let mut cutter = Cutter::new(DYNAMIC_4M);
        let length = loop {
            if let Some(length) = profile.time(Stage::Split, || cutter.scan(buffer)) {
                break length;
            }
            if self.at_end {
                break buffer.len();
            }
            let room = read_limit.admit(STEP_BYTES.min(DYNAMIC_4M.maximum - buffer.len()));
            let count = profile.time(Stage::Read, || file.calls.read_onto(&file.file, buffer, room, self.position))?;
            self.position += count as u64;
            self.at_end = count == 0;
        };
        self.rest.extend_from_slice(&buffer[length..]);
        buffer.truncate(length);
        Ok(self.at_end && self.rest.is_empty())
    }
}

fn has_changed(before: &Stat, after: &Stat, bytes_read: u64) -> bool {
    let times = |stat: &Stat| (stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec);
    times(before) != times(after) || size_of(before) != size_of(after) || size_of(after) != bytes_read
}

fn size_of(stat: &Stat) -> u64 {
    stat.st_size as u64
}

fn modified_at(stat: &Stat) -> Time {
    Time { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as u32 }
}
