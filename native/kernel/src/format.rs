//! The keys and choices of a repository's format on which bytes depend; `KernelFormat` in src/kernel/kernel.ts.

use crate::hashing::ContentHasher;
use crate::sealing::Sealer;

pub struct Format {
    pub hasher: ContentHasher,
    pub sealer: Sealer,
    /// A pack is full once its length reaches this many bytes.
    pub pack_bytes_max: usize,
    /// Put at the very start of each pack; often empty.
    pub pack_header: Vec<u8>,
}
