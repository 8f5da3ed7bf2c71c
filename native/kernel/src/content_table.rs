//! Content records sorted by key and searched in place, in memory that JavaScript made. Big-endian, `key_bytes + 20`
//! bytes each; src/kernel/content-table.ts has the layout and the reasons.

use std::sync::Arc;

use crate::hashing::HASH_BYTES;

/// Prefix byte (0 for none), then the hash.
pub const KEY_BYTES: usize = 1 + HASH_BYTES;
pub type Key = [u8; KEY_BYTES];

const FIELD_BYTES: usize = 20;
const RECORD_BYTES: usize = KEY_BYTES + FIELD_BYTES;
const DELETED_BIT: u32 = 0x8000_0000;

/// Bytes that stay as they are for as long as they are held.
pub trait TableBytes: AsRef<[u8]> + Send + Sync {}
impl<T: AsRef<[u8]> + Send + Sync> TableBytes for T {}

/// One of the tables of contents that a repository has.
pub struct KnownTable {
    key_bytes: usize,
    bytes: Box<dyn TableBytes>,
}

/// What counts of a record when its content is stored again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownContent {
    pub timestamp_seconds: u32,
    pub deleted: bool,
}

/// All of a repository's, for who looks something up while they are replaced.
pub type KnownTables = Arc<Vec<KnownTable>>;

impl KnownTable {
    pub fn new(key_bytes: usize, bytes: impl TableBytes + 'static) -> Self {
        Self { key_bytes, bytes: Box::new(bytes) }
    }

    fn find(&self, key: &Key) -> Option<KnownContent> {
        if self.key_bytes != KEY_BYTES {
            return None;
        }
        let (records, _) = (*self.bytes).as_ref().as_chunks::<RECORD_BYTES>();
        let at = records.binary_search_by(|record| record[..KEY_BYTES].cmp(key)).ok()?;
        let [timestamp_seconds, offset] = [0, 4].map(|field| number_at(&records[at], KEY_BYTES + field));
        Some(KnownContent { timestamp_seconds, deleted: offset & DELETED_BIT != 0 })
    }
}

/// The winning record over several tables: the younger; else the one that is not deleted. (Of two that are equal in
/// both, the name of the pack decides, which makes no difference here.)
pub fn find_in_tables(tables: &[KnownTable], key: &Key) -> Option<KnownContent> {
    tables.iter().filter_map(|table| table.find(key)).max_by_key(|found| (found.timestamp_seconds, !found.deleted))
}

/// The records of one pack that has no name yet.
#[derive(Default)]
pub struct PackTableBuilder {
    records: Vec<[u8; RECORD_BYTES]>,
}

impl PackTableBuilder {
    /// Each key once.
    pub fn add(&mut self, key: &Key, timestamp: u32, pack_offset: u32, packed_length: u32, original_length: u32) {
        let mut record = [0; RECORD_BYTES];
        record[..KEY_BYTES].copy_from_slice(key);
        for (field, number) in [timestamp, pack_offset, packed_length, original_length].into_iter().enumerate() {
            record[KEY_BYTES + 4 * field..][..4].copy_from_slice(&number.to_be_bytes());
        }
        self.records.push(record);
    }

    pub fn build(mut self) -> Vec<u8> {
        self.records.sort_unstable();
        self.records.into_flattened()
    }
}

fn number_at(record: &[u8; RECORD_BYTES], at: usize) -> u32 {
    u32::from_be_bytes(std::array::from_fn(|i| record[at + i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Key {
        std::array::from_fn(|i| if i % 3 == 0 { number } else { 5 })
    }

    fn table(records: &[(u8, u32, bool)]) -> KnownTable {
        let mut builder = PackTableBuilder::default();
        for &(number, timestamp, deleted) in records {
            builder.add(&key(number), timestamp, if deleted { DELETED_BIT } else { 32 }, 33, 5);
        }
        KnownTable::new(KEY_BYTES, builder.build())
    }

    #[test]
    fn a_record_is_found_wherever_it_lies_and_no_other() {
        let records: Vec<_> =
            (0..50u8).rev().map(|number| (number * 2, u32::from(number) + 7, number % 5 == 0)).collect();
        let tables = [table(&records)];
        for &(number, timestamp_seconds, deleted) in &records {
            let found = find_in_tables(&tables, &key(number));
            assert_eq!(found, Some(KnownContent { timestamp_seconds, deleted }));
            assert_eq!(find_in_tables(&tables, &key(number + 1)), None);
        }
        assert_eq!(find_in_tables(&[KnownTable::new(KEY_BYTES, vec![])], &key(0)), None);
        assert_eq!(find_in_tables(&[KnownTable::new(9, vec![0; 58])], &key(0)), None);
    }

    #[test]
    fn of_several_records_the_younger_counts_then_the_live_one() {
        for (first, second, counts) in [
            ((5, false), (6, true), (6, true)),
            ((6, true), (5, false), (6, true)),
            ((5, true), (5, false), (5, false)),
            ((5, false), (5, true), (5, false)),
        ] {
            let tables = [first, second].map(|(timestamp, deleted)| table(&[(1, timestamp, deleted)]));
            let found = find_in_tables(&tables, &key(1)).unwrap();
            assert_eq!((found.timestamp_seconds, found.deleted), counts);
        }
    }
}
