//! A batch of events as it crosses the boundary: one byte string, and beside it the packs that it speaks of.
//!
//! Event, little-endian, 32 bytes and 20 for each chunk:
//!
//! ```text
//!   0   u8   kind: 0 pack (the next of the batch), 1 chunks, 2 file, 3 not opened, 4 not read, 5 restarted
//!   1   u8   1 where the file changed
//!   4   u32  number of the file
//!   8   u32  number of chunks; the errno where a file was not opened or read
//!   12  u32  mtime, nanoseconds of the second
//!   16  i64  mtime, whole seconds since the Unix epoch
//!   24  u64  bytes read
//!   32  …    each chunk: u32 length, then its hash of 16 bytes
//! ```
//!
//! `src/kernel/native/event-batch.ts` reads it.

use crate::hashing::Hash;
use crate::packer::FullPack;

#[derive(Clone, Copy)]
pub struct Chunk {
    pub hash: Hash,
    /// At most 8 MiB.
    pub length: u32,
}

#[derive(Clone, Copy)]
pub struct ModifiedAt {
    pub seconds: i64,
    pub nanoseconds: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    Open,
    Read,
}

#[derive(Default)]
pub struct EventBatch {
    pub bytes: Vec<u8>,
    pub packs: Vec<FullPack>,
    pub count: usize,
    /// Nothing follows.
    pub is_last: bool,
}

impl EventBatch {
    pub fn pack(&mut self, pack: FullPack) {
        self.event(0, false, 0, 0, ModifiedAt { seconds: 0, nanoseconds: 0 }, 0);
        self.packs.push(pack);
    }

    pub fn chunk(&mut self, file: u32, chunk: Chunk) {
        self.event(1, false, file, 1, ModifiedAt { seconds: 0, nanoseconds: 0 }, 0);
        self.push_chunk(chunk);
    }

    /// `chunks` are those that no earlier event had.
    pub fn file(&mut self, file: u32, chunks: &[Chunk], bytes_read: u64, changed: bool, modified_at: ModifiedAt) {
        self.event(2, changed, file, chunks.len() as u32, modified_at, bytes_read);
        for &chunk in chunks {
            self.push_chunk(chunk);
        }
    }

    /// A `file` event for bytes that were in memory.
    pub fn chunks_of_bytes(&mut self, number: u32, chunks: &[Chunk]) {
        let bytes = chunks.iter().map(|chunk| u64::from(chunk.length)).sum();
        self.file(number, chunks, bytes, false, ModifiedAt { seconds: 0, nanoseconds: 0 });
    }

    pub fn failed(&mut self, file: u32, operation: Operation, errno: i32) {
        let kind = if operation == Operation::Open { 3 } else { 4 };
        self.event(kind, false, file, errno.unsigned_abs(), ModifiedAt { seconds: 0, nanoseconds: 0 }, 0);
    }

    pub fn restarted(&mut self, file: u32) {
        self.event(5, false, file, 0, ModifiedAt { seconds: 0, nanoseconds: 0 }, 0);
    }

    fn event(&mut self, kind: u8, changed: bool, file: u32, number: u32, modified_at: ModifiedAt, bytes_read: u64) {
        self.count += 1;
        self.bytes.extend_from_slice(&[kind, changed.into(), 0, 0]);
        self.bytes.extend_from_slice(&file.to_le_bytes());
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.bytes.extend_from_slice(&modified_at.nanoseconds.to_le_bytes());
        self.bytes.extend_from_slice(&modified_at.seconds.to_le_bytes());
        self.bytes.extend_from_slice(&bytes_read.to_le_bytes());
    }

    fn push_chunk(&mut self, chunk: Chunk) {
        self.bytes.extend_from_slice(&chunk.length.to_le_bytes());
        self.bytes.extend_from_slice(&chunk.hash);
    }
}
