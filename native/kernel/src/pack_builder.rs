//! One open pack: header and preamble, then sealed contents back to back. Its tail (padding, local index, postamble) is
//! the content layer's.
//!
//! Source: docs/format/packs.md; kopia repo/content/content_manager.go.

use std::sync::Arc;

use crate::content_table::{Key, PackTableBuilder};
use crate::format::Format;
use crate::hashing::HASH_BYTES;
use crate::pack_memory::{PackBytes, PackMemory};
use crate::packer::{FullPack, PackKind};
use crate::random_stream::RandomStream;
use crate::sealing::{NONCE_BYTES, SEAL_OVERHEAD_BYTES};

/// A pack may exceed its size by its last content, at most 8 MiB, and by header and preamble.
const ROOM_BEYOND_FULL: usize = (8 << 20) + (72 << 10);
const PREAMBLE_BYTES: usize = 32;

pub struct PackBuilder {
    kind: PackKind,
    bytes: Vec<u8>,
    memory: Arc<PackMemory>,
    contents: PackTableBuilder,
}

impl PackBuilder {
    pub fn new(format: &Format, kind: PackKind, memory: &Arc<PackMemory>, random: &mut RandomStream) -> Self {
        // Room for a full pack from the start: what is not written is not resident, and nothing is copied to grow.
        let mut bytes = memory.take(format.pack_bytes_max + ROOM_BEYOND_FULL);
        bytes.extend_from_slice(&format.pack_header);
        bytes.extend_from_slice(&random.draw::<PREAMBLE_BYTES>());
        Self { kind, bytes, memory: Arc::clone(memory), contents: PackTableBuilder::default() }
    }

    pub fn is_full(&self, format: &Format) -> bool {
        self.bytes.len() >= format.pack_bytes_max
    }

    /// Seals the content behind the others. Gives the sealed length.
    pub fn add(&mut self, format: &Format, key: &Key, plain: &[u8], timestamp: u32, nonce: [u8; NONCE_BYTES]) -> usize {
        let offset = self.bytes.len();
        let packed_length = plain.len() + SEAL_OVERHEAD_BYTES;
        format.sealer.seal_onto(&mut self.bytes, plain, &key[key.len() - HASH_BYTES..], nonce);
        let [offset, packed, original] = [offset, packed_length, plain.len()]
            .map(|length| u32::try_from(length).expect("a pack is full long before 4 GiB"));
        self.contents.add(key, timestamp, offset, packed, original);
        packed_length
    }

    pub fn finish(self) -> FullPack {
        FullPack { kind: self.kind, bytes: PackBytes::new(self.bytes, self.memory), contents: self.contents.build() }
    }
}
