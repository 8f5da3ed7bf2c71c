//! Looks up, seals and packs for one writer. `Packer` in src/kernel/kernel.ts says what is promised.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::buzhash::{DYNAMIC_4M, find_cut};
use crate::chunk::Chunk;
use crate::conditions::Conditions;
use crate::content_table::{KEY_BYTES, Key, KnownTable, KnownTables, find_in_tables};
use crate::format::Format;
use crate::hashing::Hash;
use crate::pack_builder::PackBuilder;
use crate::pack_memory::{PackBytes, PackMemory};
use crate::profile::Stage;
use crate::random_stream::{RandomStream, SEED_BYTES};

/// Sealing this much takes little more than a look at the clock.
const SHORT_BYTES: usize = 4 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackKind {
    /// `p`
    Data,
    /// `q`, contents with a prefix
    Prefixed,
}

/// A pack that is ready but for its tail.
pub struct FullPack {
    pub kind: PackKind,
    pub bytes: PackBytes,
    /// Records of a table of one pack without a name and one form; see content_table.rs.
    pub contents: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub known_contents: u64,
    pub known_bytes: u64,
    pub new_contents: u64,
    pub new_bytes: u64,
    pub sealed_bytes: u64,
}

/// Not for use by two callers at once.
pub struct Packer {
    format: Arc<Format>,
    conditions: Arc<Conditions>,
    known: KnownTables,
    packed: HashSet<Key, BuildHasherDefault<KeyTail>>,
    open: [Option<PackBuilder>; 2],
    /// Of each kind its own: what one has filled, the other need not.
    memory: [Arc<PackMemory>; 2],
    random: RandomStream,
    counters: Counters,
}

impl Packer {
    pub fn new(
        format: Arc<Format>,
        conditions: Arc<Conditions>,
        known: Vec<KnownTable>,
        seed: &[u8; SEED_BYTES],
    ) -> Self {
        let memory = [(); 2].map(|()| Arc::new(PackMemory::new(format.pack_bytes_max)));
        Self {
            format,
            conditions,
            known: Arc::new(known),
            packed: HashSet::default(),
            open: [None, None],
            memory,
            random: RandomStream::new(seed),
            counters: Counters::default(),
        }
    }

    pub fn format(&self) -> &Arc<Format> {
        &self.format
    }

    pub fn conditions(&self) -> &Arc<Conditions> {
        &self.conditions
    }

    pub fn known(&self) -> &KnownTables {
        &self.known
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Splits and stores a byte string. An empty one has one chunk. `prefix` is 0 for none; `packs` gets those that became
    /// full.
    pub fn store_bytes(&mut self, prefix: u8, bytes: &[u8], now_seconds: u32, packs: &mut Vec<FullPack>) -> Vec<Chunk> {
        let mut chunks = vec![];
        let mut rest = bytes;
        while chunks.is_empty() || !rest.is_empty() {
            let chunk = self.store_first(prefix, rest, now_seconds, packs);
            rest = &rest[chunk.length as usize..];
            chunks.push(chunk);
        }
        chunks
    }

    /// Stores the bytes up to the first cut, or all.
    pub fn store_first(&mut self, prefix: u8, bytes: &[u8], now_seconds: u32, packs: &mut Vec<FullPack>) -> Chunk {
        let first = &bytes[..find_cut(bytes, DYNAMIC_4M).unwrap_or(bytes.len())];
        let hash = self.format.hasher.hash(first);
        packs.extend(self.store(prefix, &hash, first, now_seconds));
        Chunk { hash, length: first.len() as u32 }
    }

    /// Stores one chunk whose hash is known. The pack that it filled, if it did.
    pub fn store(&mut self, prefix: u8, hash: &Hash, plain: &[u8], now_seconds: u32) -> Option<FullPack> {
        let mut key: Key = [prefix; KEY_BYTES];
        key[1..].copy_from_slice(hash);
        let profile = &self.conditions.profile;
        let (found, is_known) = profile.time_short(Stage::LookUp, || {
            let found = find_in_tables(&self.known, &key);
            (found, found.is_some_and(|known| !known.deleted) || !self.packed.insert(key))
        });
        if is_known {
            self.counters.known_contents += 1;
            self.counters.known_bytes += plain.len() as u64;
            return None;
        }
        let after_previous = found.map_or(0, |known| known.timestamp_seconds.saturating_add(1));
        let (kind, slot) = if prefix == 0 { (PackKind::Data, 0) } else { (PackKind::Prefixed, 1) };
        let mut pack = match self.open[slot].take() {
            Some(pack) => pack,
            None => PackBuilder::new(&self.format, kind, &self.memory[slot], &mut self.random),
        };
        let nonce = self.random.draw();
        let seal = || pack.add(&self.format, &key, plain, now_seconds.max(after_previous), nonce);
        let sealed = if plain.len() < SHORT_BYTES {
            profile.time_short(Stage::Seal, seal)
        } else {
            profile.time(Stage::Seal, seal)
        };
        self.counters.new_contents += 1;
        self.counters.new_bytes += plain.len() as u64;
        self.counters.sealed_bytes += sealed as u64;
        if pack.is_full(&self.format) {
            return Some(pack.finish());
        }
        self.open[slot] = Some(pack);
        None
    }

    /// Ends the open packs, full or not.
    pub fn finish_packs(&mut self) -> Vec<FullPack> {
        self.open.iter_mut().filter_map(Option::take).map(PackBuilder::finish).collect()
    }

    /// Nothing is stored afterwards, and no memory kept but that of packs which are still held.
    pub fn close(&mut self) {
        self.open = [None, None];
        self.known = KnownTables::default();
        self.packed = HashSet::default();
        self.memory.iter().for_each(|memory| memory.close());
    }

    /// What this packer packed before is in the new tables, and is forgotten.
    pub fn replace_known(&mut self, known: Vec<KnownTable>) {
        self.known = Arc::new(known);
        self.packed = HashSet::default();
    }
}

/// A key's last bytes are a keyed hash, so they spread by themselves.
#[derive(Default)]
struct KeyTail(u64);

impl Hasher for KeyTail {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(tail) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*tail);
        }
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content_table::PackTableBuilder;
    use crate::hashing::ContentHasher;
    use crate::sealing::{SEAL_OVERHEAD_BYTES, Sealer};

    fn packer(known: Vec<KnownTable>, pack_bytes_max: usize) -> Packer {
        let (hasher, sealer) = (ContentHasher::new(b"hash"), Sealer::new(b"seal"));
        let format = Format { hasher, sealer, pack_bytes_max, pack_header: b"header".to_vec() };
        Packer::new(Arc::new(format), Arc::new(Conditions::new(1)), known, &[1; SEED_BYTES])
    }

    fn store(packer: &mut Packer, prefix: u8, plain: &[u8]) -> Option<FullPack> {
        let hash = packer.format.hasher.hash(plain);
        packer.store(prefix, &hash, plain, 1000)
    }

    #[test]
    fn a_content_is_stored_once_until_it_is_forgotten() {
        let mut packer = packer(vec![], 1 << 20);
        for _ in 0..3 {
            assert!(store(&mut packer, 0, b"again").is_none());
        }
        assert!(store(&mut packer, b'k', b"again").is_none());
        let packs = packer.finish_packs();
        assert_eq!(packs.iter().map(|pack| pack.kind).collect::<Vec<_>>(), [PackKind::Data, PackKind::Prefixed]);
        for pack in &packs {
            assert_eq!(pack.bytes.len(), 6 + 32 + 5 + SEAL_OVERHEAD_BYTES);
            assert_eq!(pack.contents.len(), 37);
        }
        store(&mut packer, 0, b"again");
        assert!(packer.finish_packs().is_empty());
        assert_eq!((packer.counters().known_contents, packer.counters().new_contents), (3, 2));
        packer.replace_known(vec![]);
        store(&mut packer, 0, b"again");
        assert_eq!(packer.finish_packs().len(), 1);
    }

    #[test]
    fn a_pack_is_given_out_by_the_content_that_fills_it() {
        let mut packer = packer(vec![], 1000);
        let below = 1000 - 6 - 32 - SEAL_OVERHEAD_BYTES - 1;
        assert!(store(&mut packer, 0, &vec![1; below]).is_none());
        assert_eq!(store(&mut packer, 0, &[2; 9]).unwrap().bytes.len(), 999 + 9 + SEAL_OVERHEAD_BYTES);
        assert_eq!(store(&mut packer, 0, &vec![3; below + 1]).unwrap().bytes.len(), 1000);
    }

    #[test]
    fn a_live_content_is_known_and_a_tombstone_is_stored_again_later() {
        let hash = ContentHasher::new(b"hash").hash(b"known");
        let key: Key = std::array::from_fn(|i| if i == 0 { 0 } else { hash[i - 1] });
        for (deleted, timestamp, expected) in
            [(false, 5, None), (true, 5, Some(1000)), (true, 1000, Some(1001)), (true, u32::MAX, Some(u32::MAX))]
        {
            let mut table = PackTableBuilder::default();
            table.add(&key, timestamp, if deleted { 1 << 31 } else { 0 }, 33, 5);
            let mut packer = packer(vec![KnownTable::new(KEY_BYTES, table.build())], 1 << 20);
            store(&mut packer, 0, b"known");
            let stored = packer
                .finish_packs()
                .pop()
                .map(|pack| u32::from_be_bytes(*pack.contents[KEY_BYTES..].first_chunk().unwrap()));
            assert_eq!(stored, expected);
        }
    }
}
