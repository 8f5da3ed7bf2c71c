//! Sorted tables into one, each key once. `mergeTables` of `src/kernel/content-table.ts` does the same.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::content_table::{DELETED_BIT, KEY_BYTES, RECORD_BYTES, Record, field_of};

/// A table that is to be merged, and what its packs and forms are called in the merged one.
pub struct MergeSource<'a> {
    pub records: &'a [u8],
    /// New number of each pack.
    pub packs: &'a [u32],
    /// New number of each form.
    pub forms: &'a [u8],
}

/// `pack_names` are those of the merged table: of two records that are else equal, the greater name counts.
///
/// # Panics
/// Where a record's pack or form has no new number.
pub fn merge(sources: &[MergeSource<'_>], pack_names: &[&[u8]]) -> Vec<u8> {
    let bytes_max = sources.iter().map(|source| source.records.len()).sum();
    let mut merged: Vec<u8> = Vec::with_capacity(bytes_max);
    let mut cursors: Vec<_> =
        sources.iter().map(|source| source.records.as_chunks::<RECORD_BYTES>().0.iter()).collect();
    // By key, then by the order of the tables: of equals the first stays.
    let mut heads: BinaryHeap<_> = cursors
        .iter_mut()
        .enumerate()
        .filter_map(|(number, cursor)| cursor.next().map(|record| Reverse((sort_key(record), number, record))))
        .collect();
    while let Some(mut head) = heads.peek_mut() {
        let Reverse((_, number, record)) = *head;
        match cursors[number].next() {
            Some(next) => {
                *head = Reverse((sort_key(next), number, next));
                drop(head);
            }
            None => {
                std::collections::binary_heap::PeekMut::pop(head);
            }
        }
        take(&mut merged, renumbered(record, &sources[number]), pack_names);
    }
    if merged.len() < bytes_max / 8 * 7 {
        merged.shrink_to_fit();
    }
    merged
}

/// Sorts, and keeps each key once.
pub fn sort_records(bytes: &mut Vec<u8>, pack_names: &[Vec<u8>]) {
    let (records, _) = bytes.as_chunks_mut::<RECORD_BYTES>();
    if records.is_sorted_by(|a, b| a[..KEY_BYTES] < b[..KEY_BYTES]) {
        return;
    }
    records.sort_by(|a, b| a[..KEY_BYTES].cmp(&b[..KEY_BYTES]));
    let mut unique = Vec::with_capacity(bytes.len());
    for record in bytes.as_chunks::<RECORD_BYTES>().0 {
        take(&mut unique, *record, pack_names);
    }
    *bytes = unique;
}

/// Appends the record, or puts it in the place of the last one if that has the same key and counts less.
fn take(merged: &mut Vec<u8>, record: Record, pack_names: &[impl AsRef<[u8]>]) {
    if let Some(last) = merged.last_chunk_mut::<RECORD_BYTES>()
        && last[..KEY_BYTES] == record[..KEY_BYTES]
    {
        if beats(&record, last, pack_names) {
            *last = record;
        }
        return;
    }
    merged.extend_from_slice(&record);
}

/// The younger counts; else the one that is not deleted; else the one whose pack has the greater name.
/// Source: kopia repo/content/index/merged.go.
fn beats(a: &Record, b: &Record, pack_names: &[impl AsRef<[u8]>]) -> bool {
    let rank = |record: &Record| (field_of(record, 0), field_of(record, 1) & DELETED_BIT == 0);
    let name = |record: &Record| pack_names[field_of(record, 4) as usize >> 8].as_ref();
    rank(a).cmp(&rank(b)).then_with(|| name(a).cmp(name(b))).is_gt()
}

fn renumbered(record: &Record, source: &MergeSource<'_>) -> Record {
    let [pack, form] = [field_of(record, 4) >> 8, field_of(record, 4) & 0xff];
    let number = source.packs[pack as usize] << 8 | u32::from(source.forms[form as usize]);
    let mut record = *record;
    record[KEY_BYTES + 16..].copy_from_slice(&number.to_be_bytes());
    record
}

/// Orders as the key does, and compares sooner.
fn sort_key(record: &Record) -> (u128, u8) {
    let (head, rest) = record.split_first_chunk().expect("a key is longer than 16 bytes");
    (u128::from_be_bytes(*head), rest[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content_table::record_of;

    fn record(key: u8, timestamp: u32, deleted: bool, pack: u32) -> Record {
        record_of(&[key; KEY_BYTES], [timestamp, if deleted { DELETED_BIT } else { 0 }, 0, 0, pack << 8])
    }

    #[test]
    fn tables_become_one_with_each_key_once_and_packs_renumbered() {
        let a = [record(1, 5, false, 0), record(3, 5, false, 0), record(4, 5, true, 0)];
        let b = [record(2, 5, false, 1), record(3, 6, true, 0), record(4, 5, false, 1)];
        let c = [record(3, 5, false, 0), record(9, 1, false, 0)];
        let sources = [
            MergeSource { records: a.as_flattened(), packs: &[0], forms: &[0] },
            MergeSource { records: b.as_flattened(), packs: &[0, 1], forms: &[0] },
            MergeSource { records: c.as_flattened(), packs: &[1], forms: &[0] },
        ];
        let expected = [
            record(1, 5, false, 0),
            record(2, 5, false, 1),
            record(3, 6, true, 0),
            record(4, 5, false, 1),
            record(9, 1, false, 1),
        ];
        assert_eq!(merge(&sources, &[b"p1", b"p2"]), expected.as_flattened());
        assert_eq!(merge(&[], &[]), []);
    }

    #[test]
    fn of_two_that_are_equal_else_the_greater_pack_name_counts() {
        for (numbers, names, counts) in [([0u32, 1], [b"p1", b"p2"], 1), ([0, 1], [b"p2", b"p1"], 0)] {
            let table = [record(7, 5, false, 0)];
            let sources = numbers.each_ref().map(|number| MergeSource {
                records: table.as_flattened(),
                packs: std::slice::from_ref(number),
                forms: &[0],
            });
            let names = names.map(|name| &name[..]);
            assert_eq!(merge(&sources, &names), record(7, 5, false, counts));
        }
    }
}
