//! The search for a cut in sixteen streams at once with AVX-512: the hash of each is a lane of one vector.
//!
//! The table is kept in registers, as four of 256 bytes, for each byte of its numbers one; 64 bytes of the streams, four of
//! each, are looked up in them at once. What was looked up for a byte is needed again 64 bytes later, and kept until then.

use std::arch::x86_64::*;

use super::{TABLE, WINDOW_BYTES, hash_of, roll};
use crate::processor::Avx512;

pub const STREAMS: usize = 16;
const STREAM_BYTES_MIN: usize = 1024;
/// A cut that lies early makes what the later streams did worthless; so not too far at once.
const STREAM_BYTES_MAX: usize = 8 << 10;

/// Byte `k` of all numbers of the table.
static PLANES: [[u8; 256]; 4] = {
    let mut planes = [[0; 256]; 4];
    let mut i = 0;
    while i < 4 * 256 {
        planes[i % 4][i / 4] = TABLE[i / 4].to_le_bytes()[i % 4];
        i += 1;
    }
    planes
};

/// How many bytes a stream is to have where it can have `most`; `None` where they are too few.
/// An odd number of windows, lest all streams meet in the same few lines of the cache.
pub fn stream_bytes(most: usize) -> Option<usize> {
    if most < STREAM_BYTES_MIN {
        return None;
    }
    let windows = most.min(STREAM_BYTES_MAX) / WINDOW_BYTES;
    Some((windows - (windows + 1) % 2) * WINDOW_BYTES)
}

/// How many of the bytes behind the first 64 it takes until the hash of the last 64 ends in the zeros of `mask`; `None` if
/// it never does. Behind those 64 there are `STREAMS` times `stream_bytes`, a number that `stream_bytes` gave.
pub fn find(_: Avx512, bytes: &[u8], stream_bytes: usize, mask: u32) -> Option<usize> {
    // SAFETY: there is an `Avx512` only where the processor has what the function is made for.
    #[allow(unsafe_code)]
    unsafe {
        find_in_streams(bytes, stream_bytes, mask)
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn find_in_streams(bytes: &[u8], stream_bytes: usize, mask: u32) -> Option<usize> {
    let streams: [&[[u8; WINDOW_BYTES]]; STREAMS] =
        std::array::from_fn(|i| bytes[i * stream_bytes..][..WINDOW_BYTES + stream_bytes].as_chunks().0);
    let mut first = None;
    let mut wanted = u16::MAX;
    let zero = _mm512_setzero_si512();
    let mask_lanes = _mm512_set1_epi32(mask.cast_signed());
    let mut tables = [[zero; 4]; 4];
    for (table, plane) in tables.iter_mut().zip(&PLANES) {
        for (register, quarters) in table.iter_mut().zip(plane.as_chunks().0.as_chunks().0) {
            *register = load(quarters);
        }
    }
    // A byte in each stream's four, the first of four streams, then the second of them, and so on.
    let by_position = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    let mut window = [zero; WINDOW_BYTES];
    let mut hashes = zero;
    for number in 0..=stream_bytes / WINDOW_BYTES {
        let mut are_cuts = 0;
        let blocks: [&[u8; WINDOW_BYTES]; STREAMS] = std::array::from_fn(|i| &streams[i][number]);
        for (quarter, looked_up) in window.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let mut words = [zero; 4];
            for (j, of_four) in words.iter_mut().enumerate() {
                let [a, b, c, d] = [j, 4 + j, 8 + j, 12 + j].map(|stream| blocks[stream].as_chunks::<16>().0[quarter]);
                *of_four = load(&[a, b, c, d]);
            }
            let [low01, high01] =
                [_mm512_unpacklo_epi32(words[0], words[1]), _mm512_unpackhi_epi32(words[0], words[1])];
            let [low23, high23] =
                [_mm512_unpacklo_epi32(words[2], words[3]), _mm512_unpackhi_epi32(words[2], words[3])];
            let words = [
                _mm512_unpacklo_epi64(low01, low23),
                _mm512_unpackhi_epi64(low01, low23),
                _mm512_unpacklo_epi64(high01, high23),
                _mm512_unpackhi_epi64(high01, high23),
            ];
            for (word, looked_up) in words.into_iter().zip(looked_up.as_chunks_mut::<4>().0) {
                let word = _mm512_shuffle_epi8(word, by_position);
                let upper = _mm512_movepi8_mask(word);
                let mut p = [zero; 4];
                for (p, table) in p.iter_mut().zip(&tables) {
                    *p = _mm512_mask_blend_epi8(
                        upper,
                        _mm512_permutex2var_epi8(table[0], word, table[1]),
                        _mm512_permutex2var_epi8(table[2], word, table[3]),
                    );
                }
                let [low01, high01] = [_mm512_unpacklo_epi8(p[0], p[1]), _mm512_unpackhi_epi8(p[0], p[1])];
                let [low23, high23] = [_mm512_unpacklo_epi8(p[2], p[3]), _mm512_unpackhi_epi8(p[2], p[3])];
                let coming = [
                    _mm512_unpacklo_epi16(low01, low23),
                    _mm512_unpackhi_epi16(low01, low23),
                    _mm512_unpacklo_epi16(high01, high23),
                    _mm512_unpackhi_epi16(high01, high23),
                ];
                for (coming, leaving) in coming.into_iter().zip(looked_up) {
                    hashes = _mm512_ternarylogic_epi32::<0x96>(_mm512_rol_epi32::<1>(hashes), coming, *leaving);
                    *leaving = coming;
                    are_cuts |= _mm512_testn_epi32_mask(hashes, mask_lanes);
                }
            }
        }
        if number > 0 && are_cuts & wanted != 0 {
            // A later stream's counts only where no earlier one has one.
            let stream = (are_cuts & wanted).trailing_zeros() as usize;
            let within = first_in(&streams[stream][number - 1..=number], mask);
            first = Some(stream * stream_bytes + (number - 1) * WINDOW_BYTES + within);
            wanted = (1 << stream) - 1;
            if wanted == 0 {
                break;
            }
        }
    }
    first
}

/// How many of the second 64 bytes it takes, where the hash is a cut's within them.
fn first_in(windows: &[[u8; WINDOW_BYTES]], mask: u32) -> usize {
    let (leaving, coming) = (windows[0], windows[1]);
    let mut hash = hash_of(&leaving);
    let is_cut = |(left, came)| {
        hash = roll(hash, left, came);
        hash & mask == 0
    };
    leaving.into_iter().zip(coming).position(is_cut).map_or(WINDOW_BYTES, |before| before + 1)
}

/// The compiler makes loads of it.
#[target_feature(enable = "avx512f")]
#[inline]
fn load(quarters: &[[u8; 16]; 4]) -> __m512i {
    let (eighths, _) = quarters.as_flattened().as_chunks::<8>();
    let [a, b, c, d, e, f, g, h] = std::array::from_fn(|i| i64::from_le_bytes(eighths[i]));
    _mm512_setr_epi64(a, b, c, d, e, f, g, h)
}
