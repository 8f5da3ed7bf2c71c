//! Contents of one fetched range made plain where they lie, each checked against its hash and length.

use std::ops::Range;

use super::place::Place;
use crate::compression::expand_as;
use crate::hashing::{ContentHasher, HASH_BYTES, Hash};
use crate::sealing::Sealer;

/// As many as the vector lanes of one hash take, and so few that what was opened is still in the cache where contents
/// are small.
const CONTENTS_PER_HASH: usize = 8;

enum Plain {
    /// In the fetched bytes.
    There(Range<usize>),
    Expanded(Vec<u8>),
}

/// What became of each item, in the items' order.
pub struct Opened(Vec<Option<Plain>>);

/// `places` lie in the order of their offsets; `fetched` begins at `start` of the pack. What does not open is none.
pub fn open_all<'a>(
    hasher: &ContentHasher,
    sealer: &Sealer,
    fetched: &mut [u8],
    start: u64,
    places: impl Iterator<Item = &'a Place> + Clone,
) -> Opened {
    let mut opened: Vec<Option<Plain>> = vec![];
    let mut end = 0;
    let mut before: Option<&Place> = None;
    for place in places.clone() {
        if before.is_some_and(|before| is_same(before, place)) {
            // A content that several files have; in place it can be opened once.
            opened.push(match opened.last() {
                Some(Some(Plain::There(range))) => Some(Plain::There(range.clone())),
                Some(Some(Plain::Expanded(bytes))) => Some(Plain::Expanded(bytes.clone())),
                _ => None,
            });
            continue;
        }
        before = Some(place);
        let at = (place.offset - start) as usize;
        // Made-up records may overlap; what was opened over is no longer what was sealed.
        let is_apart = at >= end;
        end = end.max(at + place.packed_length as usize);
        opened.push(if is_apart { open(sealer, fetched, at, place) } else { None });
    }
    check(hasher, fetched, places, &mut opened);
    Opened(opened)
}

impl Opened {
    pub fn bytes<'a>(&'a self, fetched: &'a [u8], item: usize) -> Option<&'a [u8]> {
        Some(plain_bytes(self.0[item].as_ref()?, fetched))
    }
}

fn open(sealer: &Sealer, fetched: &mut [u8], at: usize, place: &Place) -> Option<Plain> {
    let sealed = fetched.get_mut(at..at + place.packed_length as usize)?;
    let range = sealer.open_in_place(sealed, &place.key[1..]).ok()?;
    if place.compression_id == 0 {
        return Some(Plain::There(at + range.start..at + range.end));
    }
    expand_as(place.compression_id, &sealed[range], place.original_length as usize).ok().map(Plain::Expanded)
}

/// What does not have its hash and length becomes none.
fn check<'a>(
    hasher: &ContentHasher,
    fetched: &[u8],
    places: impl Iterator<Item = &'a Place>,
    opened: &mut [Option<Plain>],
) {
    let wanted: Vec<(Hash, u32)> = places.map(|place| (hash_of(place), place.original_length)).collect();
    for (opened, wanted) in opened.chunks_mut(CONTENTS_PER_HASH).zip(wanted.chunks(CONTENTS_PER_HASH)) {
        let bytes: Vec<&[u8]> = opened.iter().flatten().map(|plain| plain_bytes(plain, fetched)).collect();
        let mut found = hasher
            .hash_each(&bytes)
            .into_iter()
            .zip(bytes.iter().map(|bytes| bytes.len()))
            .collect::<Vec<_>>()
            .into_iter();
        for (plain, &(hash, length)) in opened.iter_mut().zip(wanted) {
            if plain.is_some() && found.next() != Some((hash, length as usize)) {
                *plain = None;
            }
        }
    }
}

fn plain_bytes<'a>(plain: &'a Plain, fetched: &'a [u8]) -> &'a [u8] {
    match plain {
        Plain::There(range) => &fetched[range.clone()],
        Plain::Expanded(bytes) => bytes,
    }
}

fn hash_of(place: &Place) -> Hash {
    *place.key.last_chunk::<HASH_BYTES>().expect("a key ends with the hash")
}

fn is_same(a: &Place, b: &Place) -> bool {
    (a.offset, a.packed_length, a.original_length, a.compression_id, a.key)
        == (b.offset, b.packed_length, b.original_length, b.compression_id, b.key)
}
