//! A piece of an object as the splitter cut it.

use crate::hashing::Hash;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub hash: Hash,
    /// At most 8 MiB.
    pub length: u32,
}

/// Chunks as they cross the boundary: little-endian, how many there are as a u32; of each its length as a u32 and its
/// hash of 16 bytes. `src/kernel/native/chunk-list.ts` reads it.
pub fn push_chunks(target: &mut Vec<u8>, chunks: &[Chunk]) {
    target.extend_from_slice(&(chunks.len() as u32).to_le_bytes());
    for Chunk { hash, length } in chunks {
        target.extend_from_slice(&length.to_le_bytes());
        target.extend_from_slice(hash);
    }
}
