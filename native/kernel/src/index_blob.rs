//! A stored index into the table that is searched, in the memory that the index came in where that can be: tables of
//! millions of contents are never there twice.
//!
//! It reads what `src/kernel/index-v1.ts` and `index-v2.ts` read, entry by entry, and passes over what they pass over.

use std::collections::HashMap;
use std::hash::Hash;

use crate::content_table::{KEY_BYTES, RECORD_BYTES, Record, record_of};
use crate::error::{ErrorCode, KernelError};
use crate::sealing::SEAL_OVERHEAD_BYTES;
use crate::table_merge::sort_records;

const EMPTY_KEY_BYTES: u8 = 255;
const PACKS_MAX: usize = 1 << 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    pub compression_id: u32,
    pub format_version: u8,
    pub encryption_key_id: u8,
}

#[derive(Debug, Default)]
pub struct DecodedIndex {
    /// Sorted, each key once.
    pub records: Vec<u8>,
    /// In the order in which they first appear, as the forms.
    pub packs: Vec<String>,
    pub forms: Vec<Form>,
}

/// Errors: `IndexInvalid`.
pub fn decode(bytes: Vec<u8>) -> Result<DecodedIndex, KernelError> {
    match bytes.first() {
        Some(1) => decode_v1(bytes),
        Some(2) => decode_v2(bytes),
        Some(version) => Err(invalid(format!("index version {version} is not known"))),
        None => Err(invalid("index is empty")),
    }
}

mod v1 {
    pub const HEADER_BYTES: usize = 8;
    pub const ENTRY_BYTES: usize = 20;
}

fn decode_v1(bytes: Vec<u8>) -> Result<DecodedIndex, KernelError> {
    if bytes.len() < v1::HEADER_BYTES {
        return Err(invalid("index is shorter than its header"));
    }
    let (key_bytes, count) = (bytes[1], u32_at(&bytes, 4) as usize);
    if key_bytes == EMPTY_KEY_BYTES && count == 0 {
        return Ok(DecodedIndex::default());
    }
    let stride = usize::from(key_bytes) + usize::from(u16_at(&bytes, 2));
    if stride < usize::from(key_bytes) + v1::ENTRY_BYTES || v1::HEADER_BYTES + count * stride > bytes.len() {
        return Err(too_short(&bytes, count));
    }
    assert_key_bytes(key_bytes, count)?;
    let mut packs = Numbering::<Vec<u8>>::default();
    let mut forms = Numbering::<Form>::default();
    let mut numbers_by_place = HashMap::new();
    let mut records = Vec::with_capacity(count * RECORD_BYTES);
    for entry in bytes[v1::HEADER_BYTES..].chunks_exact(stride).take(count) {
        let (key, entry) = entry.split_at(KEY_BYTES);
        let (name_length, name_offset) = (entry[7], u32_at(entry, 8));
        let packed_length = u32_at(entry, 16);
        let start = name_offset as usize;
        let Some(name) = bytes.get(start..start + usize::from(name_length)) else { continue };
        let Some(original_length) = packed_length.checked_sub(SEAL_OVERHEAD_BYTES as u32) else { continue };
        let pack =
            *numbers_by_place.entry((name_offset, name_length)).or_insert_with(|| packs.number_of(name.to_vec()));
        let form = forms.number_of(Form { compression_id: 0, format_version: entry[6], encryption_key_id: 0 });
        let timestamp = if u16_at(entry, 0) == 0 { u32_at(entry, 2) } else { u32::MAX };
        let fields = [timestamp, u32_at(entry, 12), packed_length, original_length, pack << 8 | form];
        records.extend_from_slice(&record_of(key, fields));
    }
    finished(records, packs, forms)
}

mod v2 {
    pub const HEADER_BYTES: usize = 17;
    pub const ENTRY_BYTES_MIN: usize = 16;
    pub const PACK_BYTES: usize = 5;
    pub const FORM_BYTES: usize = 6;
}

/// An entry of version 2 with its pack and form still as they are numbered there.
struct EntryV2 {
    record: Record,
    pack: usize,
    form: usize,
}

fn decode_v2(mut bytes: Vec<u8>) -> Result<DecodedIndex, KernelError> {
    if bytes.len() < v2::HEADER_BYTES {
        return Err(invalid("index is shorter than its header"));
    }
    let (key_bytes, entry_bytes) = (bytes[1], usize::from(u16_at(&bytes, 2)));
    let (count, pack_count) = (u32_at(&bytes, 4) as usize, u32_at(&bytes, 8) as usize);
    let (form_count, base) = (usize::from(bytes[12]), u32_at(&bytes, 13));
    let stride = usize::from(key_bytes) + entry_bytes;
    let packs_at = v2::HEADER_BYTES + count * stride;
    let forms_at = packs_at + pack_count * v2::PACK_BYTES;
    let names_at = forms_at + form_count * v2::FORM_BYTES;
    if key_bytes < 2 || entry_bytes < v2::ENTRY_BYTES_MIN || names_at > bytes.len() {
        return Err(too_short(&bytes, count));
    }
    assert_key_bytes(key_bytes, count)?;

    let read = |entry: &[u8]| read_v2(entry, entry_bytes, base);
    let mut packs = Numbering::<Vec<u8>>::default();
    let mut forms = Numbering::<Form>::default();
    // Of each stored number the one that it gets here: 0 for none yet, else one more.
    let mut pack_numbers = vec![0; pack_count];
    let mut form_numbers = vec![0; form_count];
    let is_known = |numbers: &[u32], number: usize| numbers.get(number).is_some_and(|&given| given > 0);
    let mut is_whole = true;
    for entry in bytes[v2::HEADER_BYTES..packs_at].chunks_exact(stride.max(1)) {
        let EntryV2 { pack, form, .. } = read(entry);
        if is_known(&pack_numbers, pack) && is_known(&form_numbers, form) {
            continue;
        }
        let name = (pack < pack_count).then(|| pack_name(&bytes, packs_at + pack * v2::PACK_BYTES)).flatten();
        let (Some(name), true) = (name, form < form_count) else {
            is_whole = false;
            continue;
        };
        if pack_numbers[pack] == 0 {
            pack_numbers[pack] = 1 + packs.number_of(name.to_vec());
        }
        if form_numbers[form] == 0 {
            let at = forms_at + form * v2::FORM_BYTES;
            let [format_version, encryption_key_id] = [bytes[at + 4], bytes[at + 5]];
            form_numbers[form] =
                1 + forms.number_of(Form { compression_id: u32_at(&bytes, at), format_version, encryption_key_id });
        }
    }
    let renumbered = |EntryV2 { mut record, pack, form }: EntryV2| -> Record {
        let number = (pack_numbers[pack] - 1) << 8 | (form_numbers[form] - 1);
        record[RECORD_BYTES - 4..].copy_from_slice(&number.to_be_bytes());
        record
    };

    let records = if is_whole && stride <= RECORD_BYTES {
        // In place, from the last to the first: a record is not shorter than its entry.
        bytes.truncate(packs_at);
        bytes.drain(..v2::HEADER_BYTES);
        bytes.reserve_exact(count * RECORD_BYTES - bytes.len());
        bytes.resize(count * RECORD_BYTES, 0);
        for i in (0..count).rev() {
            let record = renumbered(read(&bytes[i * stride..][..stride]));
            bytes[i * RECORD_BYTES..][..RECORD_BYTES].copy_from_slice(&record);
        }
        bytes
    } else {
        let mut records = vec![];
        for entry in bytes[v2::HEADER_BYTES..packs_at].chunks_exact(stride.max(1)).map(read) {
            if is_known(&pack_numbers, entry.pack) && is_known(&form_numbers, entry.form) {
                records.extend_from_slice(&renumbered(entry));
            }
        }
        records
    };
    finished(records, packs, forms)
}

fn read_v2(entry: &[u8], entry_bytes: usize, base: u32) -> EntryV2 {
    let (key, entry) = entry.split_at(KEY_BYTES);
    let high = if entry_bytes > 18 { entry[18] } else { 0 };
    let timestamp = base.saturating_add(u32_at(entry, 0));
    let original_length = u32::from(high >> 4) << 24 | u32_at(entry, 7) & 0xff_ffff;
    let packed_length = u32::from(high & 0x0f) << 24 | u32_at(entry, 10) & 0xff_ffff;
    let pack_high = if entry_bytes > 17 { usize::from(entry[17]) << 16 } else { 0 };
    EntryV2 {
        record: record_of(key, [timestamp, u32_at(entry, 4), packed_length, original_length, 0]),
        pack: pack_high | usize::from(u16_at(entry, 14)),
        form: if entry_bytes > 16 { usize::from(entry[16]) } else { 0 },
    }
}

/// None where it lies beyond the end.
fn pack_name(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let start = u32_at(bytes, at + 1) as usize;
    bytes.get(start..start + usize::from(bytes[at]))
}

fn finished(
    mut records: Vec<u8>,
    packs: Numbering<Vec<u8>>,
    forms: Numbering<Form>,
) -> Result<DecodedIndex, KernelError> {
    if packs.items.len() > PACKS_MAX {
        return Err(invalid("index names more than 2^24 packs"));
    }
    sort_records(&mut records, &packs.items);
    // Each byte is a character, as it is for JavaScript's reader.
    let packs = packs.items.iter().map(|name| name.iter().copied().map(char::from).collect()).collect();
    Ok(DecodedIndex { records, packs, forms: forms.items })
}

/// Gives each different item a number, in the order in which they come.
struct Numbering<T> {
    items: Vec<T>,
    numbers: HashMap<T, u32>,
}

impl<T> Default for Numbering<T> {
    fn default() -> Self {
        Self { items: vec![], numbers: HashMap::new() }
    }
}

impl<T: Clone + Eq + Hash> Numbering<T> {
    fn number_of(&mut self, item: T) -> u32 {
        if let Some(&known) = self.numbers.get(&item) {
            return known;
        }
        let number = self.items.len() as u32;
        self.items.push(item.clone());
        self.numbers.insert(item, number);
        number
    }
}

fn assert_key_bytes(key_bytes: u8, count: usize) -> Result<(), KernelError> {
    if count == 0 || usize::from(key_bytes) == KEY_BYTES {
        return Ok(());
    }
    Err(invalid(format!("index has keys of {key_bytes} bytes, not {KEY_BYTES}")))
}

fn too_short(bytes: &[u8], count: usize) -> KernelError {
    invalid(format!("index of {} bytes is too short for its {count} entries", bytes.len()))
}

fn invalid(message: impl Into<String>) -> KernelError {
    KernelError::new(ErrorCode::IndexInvalid, message)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry_v2(number: u8, pack: u16, fields: [u8; 3]) -> Vec<u8> {
        let mut entry = vec![number; KEY_BYTES];
        entry.extend_from_slice(&[0, 0, 0, 5, 0, 0, 0, 32, 0, 0, 9, 0, 0, 37]);
        entry.extend_from_slice(&pack.to_be_bytes());
        entry.extend_from_slice(&fields);
        entry
    }

    fn index_v2(entries: &[Vec<u8>], names: &[&str]) -> Vec<u8> {
        let entry_bytes = entries[0].len() - KEY_BYTES;
        let mut bytes = vec![2, KEY_BYTES as u8];
        bytes.extend_from_slice(&(entry_bytes as u16).to_be_bytes());
        bytes.extend_from_slice(&(entries.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&(names.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&[1, 0, 0, 0, 100]);
        bytes.extend(entries.iter().flatten());
        let mut name_at = bytes.len() + names.len() * v2::PACK_BYTES + v2::FORM_BYTES;
        for name in names {
            bytes.push(name.len() as u8);
            bytes.extend_from_slice(&(name_at as u32).to_be_bytes());
            name_at += name.len();
        }
        bytes.extend_from_slice(&[0, 0, 0, 0, 3, 0]);
        bytes.extend(names.iter().flat_map(|name| name.bytes()));
        bytes
    }

    #[test]
    fn entries_of_each_length_become_records_in_the_memory_that_they_came_in() {
        for extra in 0..=3 {
            let entries: Vec<_> =
                (0..20).map(|i| entry_v2(i, u16::from(i % 2), [0, 0, 0])[..33 + extra].to_vec()).collect();
            let decoded = decode(index_v2(&entries, &["p1", "p2"])).unwrap();
            assert_eq!(decoded.packs, ["p1", "p2"]);
            assert_eq!(decoded.records.len(), 20 * RECORD_BYTES);
            for (i, record) in decoded.records.chunks(RECORD_BYTES).enumerate() {
                assert_eq!(record[..KEY_BYTES], [i as u8; KEY_BYTES]);
                let fields = [105, 32, 37, 9, (i as u32 % 2) << 8];
                assert_eq!(record, record_of(&[i as u8; KEY_BYTES], fields));
            }
        }
    }

    #[test]
    fn an_entry_whose_pack_leads_nowhere_is_passed_over_and_unsorted_ones_are_sorted() {
        let entries: Vec<_> = [(3, 1), (2, 9), (1, 0), (3, 0)].map(|(key, pack)| entry_v2(key, pack, [0; 3])).to_vec();
        let decoded = decode(index_v2(&entries, &["p1", "p2"])).unwrap();
        assert_eq!(decoded.packs, ["p2", "p1"]);
        let keys: Vec<_> =
            decoded.records.chunks(RECORD_BYTES).map(|record| (record[0], record[RECORD_BYTES - 2])).collect();
        assert_eq!(keys, [(1, 1), (3, 0)]);
    }

    #[test]
    fn what_is_cut_off_anywhere_or_flipped_is_an_error_or_an_index() {
        let entries: Vec<_> = (0..9).map(|i| entry_v2(i, u16::from(i % 3), [0; 3])).collect();
        let whole = index_v2(&entries, &["p1", "p2", "p3"]);
        for length in 0..whole.len() {
            let _ = decode(whole[..length].to_vec());
            for value in [0, 1, 0x7f, 0xff] {
                let mut flipped = whole.clone();
                flipped[length] = value;
                if let Ok(decoded) = decode(flipped) {
                    assert!(decoded.records.len() <= whole.len() * 2);
                }
            }
        }
    }
}
