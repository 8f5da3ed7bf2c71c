//! BLAKE2b's compression of several messages at once with AVX-512: up to eight or up to four in the lanes of vectors, or
//! one by itself, which mostly waits for its own results.
//!
//! Roads not taken: two messages in the halves of the widest vectors are as slow as four in lanes. Two or three messages
//! side by side in the code of one, or eight as two groups of four, are put one behind the other again by the compiler.

use std::arch::x86_64::*;

use super::lanes::{BLOCK_BYTES, IV, Input, Lane, SIGMA, State, step, words};
use crate::processor::Avx512;

/// Makes a step of one to `LANES_MAX` lanes.
pub fn advance(_: Avx512, lanes: &mut [Lane]) {
    // SAFETY: there is an `Avx512` only where the processor has what the function is made for.
    #[allow(unsafe_code)]
    unsafe {
        advance_here(lanes)
    }
}

#[target_feature(enable = "avx512f,avx512vl")]
fn advance_here(lanes: &mut [Lane]) {
    match lanes.len() {
        1 => step(lanes, |states, inputs, _| compress_1(states, inputs)),
        2..=4 => step(lanes, |states, inputs, block_count| compress_4(states, inputs, block_count)),
        _ => step(lanes, |states, inputs, block_count| compress_8(states, inputs, block_count)),
    }
}

/// Their numbers are known when this is compiled, and so is which word of a block goes where.
macro_rules! each_round {
    ($round:ident) => {
        $round!(0);
        $round!(1);
        $round!(2);
        $round!(3);
        $round!(4);
        $round!(5);
        $round!(6);
        $round!(7);
        $round!(8);
        $round!(9);
        $round!(0);
        $round!(1);
    };
}

/// Word `i` of all messages' states, or of their blocks, is one vector.
macro_rules! lanes {
    ($compress:ident, $count:literal, $vector:ty, $load:ident, $store:ident,
     $transpose:ident, $set:ident, $add:ident, $xor:ident, $xor3:ident, $ror:ident) => {
        #[target_feature(enable = "avx512f,avx512vl")]
        fn $compress(states: &mut [State; $count], inputs: &[Input; $count], block_count: usize) {
            let mut h = [$set(0); 8];
            for at in (0..8).step_by($count) {
                let mut rows = [$set(0); $count];
                for (row, state) in rows.iter_mut().zip(&*states) {
                    *row = $load(state[at..].first_chunk().unwrap());
                }
                h[at..at + $count].copy_from_slice(&$transpose(rows));
            }
            let mut byte_counts = [0; $count];
            let mut are_last = [0; $count];
            for (i, input) in inputs.iter().enumerate() {
                (byte_counts[i], are_last[i]) = (input.byte_count, input.last_mask());
            }
            let mut byte_counts = $load(&byte_counts);
            let are_last = $load(&are_last);
            for number in 0..block_count {
                let mut m = [$set(0); 16];
                for at in (0..16).step_by($count) {
                    let mut rows = [$set(0); $count];
                    for (row, input) in rows.iter_mut().zip(inputs) {
                        *row = $load(&words(&input.blocks[number], at));
                    }
                    m[at..at + $count].copy_from_slice(&$transpose(rows));
                }
                let mut v = [$set(0); 16];
                v[..8].copy_from_slice(&h);
                for (i, word) in IV.into_iter().enumerate() {
                    v[8 + i] = $set(word as i64);
                }
                v[12] = $xor(v[12], byte_counts);
                v[14] = $xor(v[14], are_last);
                // Four mixings go side by side, for none of them keeps the processor busy.
                macro_rules! mix_4 {
                    ($round:literal, $at:literal, $b:expr, $c:expr, $d:expr) => {
                        let (b, c, d) = ($b, $c, $d);
                        for i in 0..4 {
                            v[i] = $add($add(v[i], m[SIGMA[$round][$at + 2 * i]]), v[b[i]]);
                        }
                        for i in 0..4 {
                            v[d[i]] = $ror::<32>($xor(v[d[i]], v[i]));
                        }
                        for i in 0..4 {
                            v[c[i]] = $add(v[c[i]], v[d[i]]);
                        }
                        for i in 0..4 {
                            v[b[i]] = $ror::<24>($xor(v[b[i]], v[c[i]]));
                        }
                        for i in 0..4 {
                            v[i] = $add($add(v[i], m[SIGMA[$round][$at + 2 * i + 1]]), v[b[i]]);
                        }
                        for i in 0..4 {
                            v[d[i]] = $ror::<16>($xor(v[d[i]], v[i]));
                        }
                        for i in 0..4 {
                            v[c[i]] = $add(v[c[i]], v[d[i]]);
                        }
                        for i in 0..4 {
                            v[b[i]] = $ror::<63>($xor(v[b[i]], v[c[i]]));
                        }
                    };
                }
                macro_rules! round {
                    ($round:literal) => {
                        mix_4!($round, 0, [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15]);
                        mix_4!($round, 8, [5, 6, 7, 4], [10, 11, 8, 9], [15, 12, 13, 14]);
                    };
                }
                each_round!(round);
                for i in 0..8 {
                    h[i] = $xor3::<0x96>(h[i], v[i], v[8 + i]);
                }
                byte_counts = $add(byte_counts, $set(BLOCK_BYTES as i64));
            }
            for at in (0..8).step_by($count) {
                let mut rows = [$set(0); $count];
                rows.copy_from_slice(&h[at..at + $count]);
                for (state, row) in states.iter_mut().zip($transpose(rows)) {
                    state[at..at + $count].copy_from_slice(&$store(row));
                }
            }
        }
    };
}

#[rustfmt::skip]
lanes!(compress_8, 8, __m512i, load_8, store_8, transpose_8,
       _mm512_set1_epi64, _mm512_add_epi64, _mm512_xor_si512, _mm512_ternarylogic_epi64, _mm512_ror_epi64);
#[rustfmt::skip]
lanes!(compress_4, 4, __m256i, load_4, store_4, transpose_4,
       _mm256_set1_epi64x, _mm256_add_epi64, _mm256_xor_si256, _mm256_ternarylogic_epi64, _mm256_ror_epi64);

/// Four words of the state are one vector.
#[target_feature(enable = "avx512f,avx512vl")]
fn compress_1([state]: &mut [State; 1], [input]: &[Input; 1]) {
    let (halves, _) = state.as_chunks_mut::<4>();
    let [mut h0, mut h1] = [load_4(&halves[0]), load_4(&halves[1])];
    let (constants, _) = IV.as_chunks::<4>();
    let [i0, i1] = [load_4(&constants[0]), load_4(&constants[1])];
    let mut special = load_4(&[input.byte_count, 0, input.last_mask(), 0]);
    for block in input.blocks {
        let [m0, m1] = [load_8(&words(block, 0)), load_8(&words(block, 8))];
        let (mut a, mut b, mut c, mut d) = (h0, h1, i0, _mm256_xor_si256(i1, special));
        macro_rules! mix {
            ($round:literal, $firsts:expr) => {
                let m = _mm512_permutex2var_epi64(m0, load_8(&const { words_of($round, $firsts) }), m1);
                a = _mm256_add_epi64(_mm256_add_epi64(a, _mm512_castsi512_si256(m)), b);
                d = _mm256_ror_epi64::<32>(_mm256_xor_si256(d, a));
                c = _mm256_add_epi64(c, d);
                b = _mm256_ror_epi64::<24>(_mm256_xor_si256(b, c));
                a = _mm256_add_epi64(_mm256_add_epi64(a, _mm512_extracti64x4_epi64::<1>(m)), b);
                d = _mm256_ror_epi64::<16>(_mm256_xor_si256(d, a));
                c = _mm256_add_epi64(c, d);
                b = _mm256_ror_epi64::<63>(_mm256_xor_si256(b, c));
            };
        }
        macro_rules! round {
            ($round:literal) => {
                mix!($round, [0, 2, 4, 6]);
                // The diagonals come under each other; `b`, for which all wait, stays.
                a = _mm256_permute4x64_epi64::<0x93>(a);
                c = _mm256_permute4x64_epi64::<0x39>(c);
                d = _mm256_permute4x64_epi64::<0x4e>(d);
                mix!($round, [14, 8, 10, 12]);
                a = _mm256_permute4x64_epi64::<0x39>(a);
                c = _mm256_permute4x64_epi64::<0x93>(c);
                d = _mm256_permute4x64_epi64::<0x4e>(d);
            };
        }
        each_round!(round);
        h0 = _mm256_ternarylogic_epi64::<0x96>(h0, a, c);
        h1 = _mm256_ternarylogic_epi64::<0x96>(h1, b, d);
        special = _mm256_add_epi64(special, load_4(&[BLOCK_BYTES as u64, 0, 0, 0]));
    }
    [halves[0], halves[1]] = [store_4(h0), store_4(h1)];
}

/// Which words of a block the four mixings of a round take first, then which they take second.
const fn words_of(round: usize, firsts: [usize; 4]) -> [u64; 8] {
    let mut words = [0; 8];
    let mut i = 0;
    while i < 4 {
        words[i] = SIGMA[round % 10][firsts[i]] as u64;
        words[4 + i] = SIGMA[round % 10][firsts[i] + 1] as u64;
        i += 1;
    }
    words
}

// The compiler makes one load or store of each of these.

#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
fn load_8(words: &[u64; 8]) -> __m512i {
    let [a, b, c, d, e, f, g, h] = words.map(u64::cast_signed);
    _mm512_setr_epi64(a, b, c, d, e, f, g, h)
}

#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
fn load_4(words: &[u64; 4]) -> __m256i {
    let [a, b, c, d] = words.map(u64::cast_signed);
    _mm256_setr_epi64x(a, b, c, d)
}

#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
fn store_8(vector: __m512i) -> [u64; 8] {
    let [low, high] = [_mm512_castsi512_si256(vector), _mm512_extracti64x4_epi64::<1>(vector)];
    let ([a, b, c, d], [e, f, g, h]) = (store_4(low), store_4(high));
    [a, b, c, d, e, f, g, h]
}

#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
fn store_4(vector: __m256i) -> [u64; 4] {
    [
        _mm256_extract_epi64::<0>(vector),
        _mm256_extract_epi64::<1>(vector),
        _mm256_extract_epi64::<2>(vector),
        _mm256_extract_epi64::<3>(vector),
    ]
    .map(i64::cast_unsigned)
}

#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
fn transpose_8(rows: [__m512i; 8]) -> [__m512i; 8] {
    let pairs = [
        _mm512_unpacklo_epi64(rows[0], rows[1]),
        _mm512_unpacklo_epi64(rows[2], rows[3]),
        _mm512_unpacklo_epi64(rows[4], rows[5]),
        _mm512_unpacklo_epi64(rows[6], rows[7]),
        _mm512_unpackhi_epi64(rows[0], rows[1]),
        _mm512_unpackhi_epi64(rows[2], rows[3]),
        _mm512_unpackhi_epi64(rows[4], rows[5]),
        _mm512_unpackhi_epi64(rows[6], rows[7]),
    ];
    let mut columns = rows;
    for odd in 0..2 {
        let [p0, p1, p2, p3] = [pairs[4 * odd], pairs[4 * odd + 1], pairs[4 * odd + 2], pairs[4 * odd + 3]];
        let [low04, low26] = [_mm512_shuffle_i64x2::<0x88>(p0, p1), _mm512_shuffle_i64x2::<0xdd>(p0, p1)];
        let [high04, high26] = [_mm512_shuffle_i64x2::<0x88>(p2, p3), _mm512_shuffle_i64x2::<0xdd>(p2, p3)];
        columns[odd] = _mm512_shuffle_i64x2::<0x88>(low04, high04);
        columns[odd + 2] = _mm512_shuffle_i64x2::<0x88>(low26, high26);
        columns[odd + 4] = _mm512_shuffle_i64x2::<0xdd>(low04, high04);
        columns[odd + 6] = _mm512_shuffle_i64x2::<0xdd>(low26, high26);
    }
    columns
}

#[target_feature(enable = "avx512f,avx512vl")]
#[inline]
fn transpose_4(rows: [__m256i; 4]) -> [__m256i; 4] {
    let [a, b] = [_mm256_unpacklo_epi64(rows[0], rows[1]), _mm256_unpackhi_epi64(rows[0], rows[1])];
    let [c, d] = [_mm256_unpacklo_epi64(rows[2], rows[3]), _mm256_unpackhi_epi64(rows[2], rows[3])];
    [
        _mm256_permute2x128_si256::<0x20>(a, c),
        _mm256_permute2x128_si256::<0x20>(b, d),
        _mm256_permute2x128_si256::<0x31>(a, c),
        _mm256_permute2x128_si256::<0x31>(b, d),
    ]
}
