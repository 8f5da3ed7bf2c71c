//! Content records sorted by key and searched in place, in memory that JavaScript made. Big-endian, `key_bytes + 20`
//! bytes each; src/kernel/content-table.ts has the layout and the reasons.

use std::ops::Range;
use std::sync::Arc;

use crate::hashing::HASH_BYTES;

/// Prefix byte (0 for none), then the hash.
pub const KEY_BYTES: usize = 1 + HASH_BYTES;
pub type Key = [u8; KEY_BYTES];

const FIELDS: usize = 5;
pub const RECORD_BYTES: usize = KEY_BYTES + 4 * FIELDS;
pub type Record = [u8; RECORD_BYTES];
pub const DELETED_BIT: u32 = 0x8000_0000;

/// Bytes that stay as they are for as long as they are held.
pub trait TableBytes: AsRef<[u8]> + Send + Sync {}
impl<T: AsRef<[u8]> + Send + Sync> TableBytes for T {}

/// One of the tables of contents that a repository has.
pub struct KnownTable {
    bytes: Box<dyn TableBytes>,
    /// Of each prefix that there is, its records.
    runs: Vec<(u8, Range<usize>)>,
}

/// What counts of a record when its content is stored again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownContent {
    pub timestamp_seconds: u32,
    pub deleted: bool,
}

/// A whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentPlace {
    pub timestamp_seconds: u32,
    pub deleted: bool,
    pub pack_offset: u32,
    pub packed_length: u32,
    pub original_length: u32,
    /// Number of the pack in the table's list of packs.
    pub pack: u32,
    /// Number of the form in the table's list of forms.
    pub form: u8,
}

/// All of a repository's, for who looks something up while they are replaced.
pub type KnownTables = Arc<Vec<KnownTable>>;

impl KnownTable {
    /// A table with keys of another length is one of another format, and knows nothing.
    pub fn new(key_bytes: usize, bytes: impl TableBytes + 'static) -> Self {
        let mut runs = vec![];
        if key_bytes == KEY_BYTES {
            let (records, _) = bytes.as_ref().as_chunks::<RECORD_BYTES>();
            let mut start = 0;
            while let Some(first) = records.get(start) {
                let end = start + records[start..].partition_point(|record| record[0] <= first[0]);
                runs.push((first[0], start..end));
                start = end;
            }
        }
        Self { bytes: Box::new(bytes), runs }
    }

    fn find(&self, key: &Key) -> Option<KnownContent> {
        let record = self.record(key)?;
        let [timestamp_seconds, offset] = [0, 1].map(|field| field_of(record, field));
        Some(KnownContent { timestamp_seconds, deleted: offset & DELETED_BIT != 0 })
    }

    /// Where the content lies.
    pub fn place(&self, key: &Key) -> Option<ContentPlace> {
        let record = self.record(key)?;
        let [timestamp_seconds, offset, packed_length, original_length, last] =
            std::array::from_fn(|field| field_of(record, field));
        Some(ContentPlace {
            timestamp_seconds,
            deleted: offset & DELETED_BIT != 0,
            pack_offset: offset & !DELETED_BIT,
            packed_length,
            original_length,
            pack: last >> 8,
            form: last as u8,
        })
    }

    fn record(&self, key: &Key) -> Option<&Record> {
        let (_, run) = self.runs.iter().find(|(prefix, _)| *prefix == key[0])?;
        let (records, _) = (*self.bytes).as_ref().as_chunks::<RECORD_BYTES>();
        find_in_run(&records[run.clone()], key)
    }
}

/// Hashes are spread evenly, so a look goes at once to where the key would lie: some three looks find one of a million.
/// Where they are not, halving goes on.
const ESTIMATED_LOOKS: usize = 6;

fn find_in_run<'t>(records: &'t [Record], key: &Key) -> Option<&'t Record> {
    let wanted = start_of_hash(key);
    let (mut low, mut high) = (0, records.len());
    let (mut low_hash, mut high_hash) = (0, u64::MAX);
    for _ in 0..ESTIMATED_LOOKS {
        if high - low < 8 || high_hash == low_hash {
            break;
        }
        let share = u128::from(wanted - low_hash) * (high - low) as u128 / (u128::from(high_hash - low_hash) + 1);
        let at = low + share as usize;
        let hash = start_of_hash(&records[at]);
        if hash < wanted {
            (low, low_hash) = (at + 1, hash);
        } else if hash > wanted {
            (high, high_hash) = (at, hash);
        } else if records[at][..KEY_BYTES] == *key {
            return Some(&records[at]);
        } else {
            break;
        }
    }
    let number = |bytes: &[u8]| (start_of_hash(bytes), end_of_hash(bytes));
    let wanted = number(key);
    let at = low + records[low..high].binary_search_by(|record| number(record).cmp(&wanted)).ok()?;
    Some(&records[at])
}

fn start_of_hash(record: &[u8]) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|i| record[1 + i]))
}

fn end_of_hash(record: &[u8]) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|i| record[9 + i]))
}

/// The winning record over several tables: the younger; else the one that is not deleted. (Of two that are equal in
/// both, the name of the pack decides, which makes no difference here.)
pub fn find_in_tables(tables: &[KnownTable], key: &Key) -> Option<KnownContent> {
    tables.iter().filter_map(|table| table.find(key)).max_by_key(|found| (found.timestamp_seconds, !found.deleted))
}

/// The records of one pack that has no name yet.
#[derive(Default)]
pub struct PackTableBuilder {
    records: Vec<Record>,
}

impl PackTableBuilder {
    /// Each key once.
    pub fn add(&mut self, key: &Key, timestamp: u32, pack_offset: u32, packed_length: u32, original_length: u32) {
        self.records.push(record_of(key, [timestamp, pack_offset, packed_length, original_length, 0]));
    }

    pub fn build(mut self) -> Vec<u8> {
        self.records.sort_unstable();
        self.records.into_flattened()
    }
}

/// The fields are timestamp, offset in the pack with the deleted bit, packed length, original length, and the number of
/// the pack above that of the form. `key` has `KEY_BYTES`.
pub fn record_of(key: &[u8], fields: [u32; FIELDS]) -> Record {
    let mut record = [0; RECORD_BYTES];
    record[..KEY_BYTES].copy_from_slice(key);
    record[KEY_BYTES..].copy_from_slice(fields.map(u32::to_be_bytes).as_flattened());
    record
}

/// By its number in `record_of`.
pub fn field_of(record: &Record, field: usize) -> u32 {
    u32::from_be_bytes(std::array::from_fn(|i| record[KEY_BYTES + 4 * field + i]))
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
    fn a_record_is_found_whether_hashes_are_spread_or_lie_together() {
        for spread in [u64::MAX / 3000, 1, 0] {
            let keys: Vec<Key> = (0..3000u64)
                .map(|number| {
                    let mut key = [b"\0kx"[number as usize % 3]; KEY_BYTES];
                    key[1..9].copy_from_slice(&(number * spread).to_be_bytes());
                    key[9..].copy_from_slice(&(number * 2).to_be_bytes());
                    key
                })
                .collect();
            let mut builder = PackTableBuilder::default();
            for (number, key) in keys.iter().enumerate() {
                builder.add(key, number as u32, 32, 33, 5);
            }
            let tables = [KnownTable::new(KEY_BYTES, builder.build())];
            for (number, key) in keys.iter().enumerate() {
                assert_eq!(find_in_tables(&tables, key).unwrap().timestamp_seconds, number as u32);
                for (at, by) in [(KEY_BYTES - 1, 1), (1, 0x80), (0, 1)] {
                    let mut other = *key;
                    other[at] ^= by;
                    assert_eq!(find_in_tables(&tables, &other), None);
                }
            }
        }
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
