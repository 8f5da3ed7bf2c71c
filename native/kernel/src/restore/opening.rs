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
pub struct Opened {
    /// None where it did not open.
    contents: Vec<Option<Plain>>,
    /// Of each item the number of its content.
    numbers: Vec<usize>,
}

/// `places` lie in the order of their offsets; `fetched` begins at `start` of the pack.
pub fn open_all<'a>(
    hasher: &ContentHasher,
    sealer: &Sealer,
    fetched: &mut [u8],
    start: u64,
    places: impl Iterator<Item = &'a Place>,
) -> Opened {
    // A content that several files have is there once, for in place it can be opened once.
    let mut distinct: Vec<&Place> = vec![];
    let mut numbers = vec![];
    for place in places {
        if distinct.last().is_none_or(|last| !is_same(last, place)) {
            distinct.push(place);
        }
        numbers.push(distinct.len() - 1);
    }
    let mut contents = vec![];
    let mut end = 0;
    for place in &distinct {
        let at = (place.offset - start) as usize;
        // Made-up records may overlap; what was opened over is no longer what was sealed.
        let is_apart = at >= end;
        end = end.max(at + place.packed_length as usize);
        contents.push(if is_apart { open(sealer, fetched, at, place) } else { None });
    }
    check(hasher, fetched, &distinct, &mut contents);
    Opened { contents, numbers }
}

impl Opened {
    pub fn bytes<'a>(&'a self, fetched: &'a [u8], item: usize) -> Option<&'a [u8]> {
        Some(plain_bytes(self.contents[self.numbers[item]].as_ref()?, fetched))
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
fn check(hasher: &ContentHasher, fetched: &[u8], places: &[&Place], contents: &mut [Option<Plain>]) {
    for (contents, places) in contents.chunks_mut(CONTENTS_PER_HASH).zip(places.chunks(CONTENTS_PER_HASH)) {
        let bytes: Vec<&[u8]> = contents.iter().flatten().map(|plain| plain_bytes(plain, fetched)).collect();
        let mut hashes = hasher.hash_each(&bytes).into_iter();
        for (content, place) in contents.iter_mut().zip(places) {
            let has_length = |plain: &Plain| plain_bytes(plain, fetched).len() == place.original_length as usize;
            *content = content.take().filter(|plain| hashes.next() == Some(hash_of(place)) && has_length(plain));
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
