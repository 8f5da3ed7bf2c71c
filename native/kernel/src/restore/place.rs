//! Where contents lie, and how those of a batch are fetched together.

use crate::content_table::{Key, KnownTable};

/// Contents that are no farther apart are fetched with what lies between them.
const GAP_BYTES_MAX: u64 = 64 << 10;
/// A range ends behind the content that reaches this. Chunks of a large file are about 4 MiB, and three of them are
/// hashed at once.
const RANGE_BYTES: u64 = 10 << 20;
/// Of one range, so that files of a hundred bytes are shared out among the threads.
const RANGE_ITEMS_MAX: usize = 512;
/// Above any content that kopia writes; what is larger is left to the reference.
const CONTENT_BYTES_MAX: u32 = 32 << 20;
/// Of one range, where contents are compressed, unless a single one has more.
const PLAIN_BYTES_MAX: u64 = 32 << 20;

#[derive(Clone, Copy)]
pub struct ContentForm {
    pub compression_id: u32,
    pub encryption_key_id: u32,
}

/// A table of contents with what its records' numbers stand for. Its packs are named by whoever made it.
pub struct PlacedTable {
    pub table: KnownTable,
    pub forms: Vec<ContentForm>,
}

#[derive(Clone, Copy)]
pub struct Place {
    /// Number of the table, and of the pack in its list.
    pub pack: (u32, u32),
    pub offset: u64,
    pub packed_length: u32,
    pub original_length: u32,
    pub compression_id: u32,
    pub key: Key,
}

impl Place {
    fn expanded_bytes(&self) -> u64 {
        if self.compression_id == 0 { 0 } else { self.original_length.into() }
    }

    fn end(&self) -> u64 {
        self.offset + u64::from(self.packed_length)
    }
}

/// Of several records the younger counts. None for a content that is nowhere, deleted, or not of the straight kind.
pub fn place_of(tables: &[PlacedTable], key: &Key) -> Option<Place> {
    let (number, found) = tables
        .iter()
        .enumerate()
        .filter_map(|(number, placed)| Some((number, placed.table.place(key)?)))
        .max_by_key(|(_, found)| (found.timestamp_seconds, !found.deleted))?;
    let form = tables[number].forms.get(usize::from(found.form))?;
    let is_straight = !found.deleted
        && form.encryption_key_id == 0
        && found.packed_length <= CONTENT_BYTES_MAX
        && found.original_length <= CONTENT_BYTES_MAX;
    is_straight.then_some(Place {
        pack: (number as u32, found.pack),
        offset: found.pack_offset.into(),
        packed_length: found.packed_length,
        original_length: found.original_length,
        compression_id: form.compression_id,
        key: *key,
    })
}

/// Contents that are fetched at once, in the order in which they lie.
pub struct Range<T> {
    pub pack: (u32, u32),
    pub start: u64,
    pub end: u64,
    plain_bytes: u64,
    /// Of what is compressed: it is not opened in place.
    pub expanded_bytes: u64,
    pub items: Vec<(Place, T)>,
}

impl<T> Range<T> {
    pub fn length(&self) -> u64 {
        self.end - self.start
    }

    fn takes(&self, place: &Place) -> bool {
        self.pack == place.pack
            && place.offset.saturating_sub(self.end) <= GAP_BYTES_MAX
            && self.length() < RANGE_BYTES
            && self.items.len() < RANGE_ITEMS_MAX
            && self.plain_bytes + u64::from(place.original_length) <= PLAIN_BYTES_MAX
    }
}

/// Sorts by place and joins neighbours.
pub fn ranges_of<T>(mut items: Vec<(Place, T)>) -> Vec<Range<T>> {
    items.sort_by_key(|(place, _)| (place.pack, place.offset));
    let mut ranges: Vec<Range<T>> = vec![];
    for (place, item) in items {
        match ranges.last_mut().filter(|last| last.takes(&place)) {
            Some(last) => {
                last.end = last.end.max(place.end());
                last.plain_bytes += u64::from(place.original_length);
                last.expanded_bytes += place.expanded_bytes();
                last.items.push((place, item));
            }
            None => ranges.push(Range {
                pack: place.pack,
                start: place.offset,
                end: place.end(),
                plain_bytes: place.original_length.into(),
                expanded_bytes: place.expanded_bytes(),
                items: vec![(place, item)],
            }),
        }
    }
    ranges
}
