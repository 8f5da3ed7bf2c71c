//! BLAKE2b of many messages, several at a time, each in a lane of its own, which takes the next message when its own ends.
//!
//! The longest come first, so that few lanes idle at the end. A key is the first block of every message; the state behind
//! it is made once. The compression of the blocks is the caller's.
//!
//! Source: RFC 7693.

use std::cmp::Reverse;

use super::{DIGEST_BYTES, Hash, first_half};

pub const LANES_MAX: usize = 8;

pub const BLOCK_BYTES: usize = 128;
pub type Block = [u8; BLOCK_BYTES];
pub type State = [u64; 8];

#[rustfmt::skip]
pub const IV: State = [
    0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179,
];

/// Rounds 10 and 11 are 0 and 1 again.
#[rustfmt::skip]
pub const SIGMA: [[usize; 16]; 10] = [
    [ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15],
    [14, 10,  4,  8,  9, 15, 13,  6,  1, 12,  0,  2, 11,  7,  5,  3],
    [11,  8, 12,  0,  5,  2, 15, 13, 10, 14,  3,  6,  7,  1,  9,  4],
    [ 7,  9,  3,  1, 13, 12, 11, 14,  2,  6,  5, 10,  4,  0, 15,  8],
    [ 9,  0,  5,  7,  2,  4, 10, 15, 14,  1, 11, 12,  6,  8,  3, 13],
    [ 2, 12,  6, 10,  0, 11,  8,  3,  4, 13,  7,  5, 15, 14,  1,  9],
    [12,  5,  1, 15, 14, 13,  4, 10,  0,  7,  6,  3,  9,  2,  8, 11],
    [13, 11,  7, 14, 12,  1,  3,  9,  5,  0, 15,  4,  8,  6,  2, 10],
    [ 6, 15, 14,  9, 11,  3,  0,  8, 12,  2, 13,  7,  1,  4, 10,  5],
    [10,  2,  8,  4,  7,  6,  1,  5, 15, 11,  9, 14,  3, 12, 13,  0],
];

/// What every message of a repository begins with.
pub struct Start {
    state: State,
    byte_count: u64,
    /// Where a message is empty, the key is its last block.
    of_nothing: Hash,
}

/// A message on its way.
pub struct Lane<'a> {
    number: usize,
    state: State,
    byte_count: u64,
    /// Whole blocks, but for the last.
    blocks: &'a [Block],
    /// 1 to 128 bytes, and none once all is put in.
    last: &'a [u8],
}

/// What is put into one state: some blocks, as many as into the other states of the time.
pub struct Input<'a> {
    pub blocks: &'a [Block],
    /// With the first of the blocks.
    pub byte_count: u64,
    /// The message ends with this one block.
    pub is_last: bool,
}

impl Input<'_> {
    pub fn last_mask(&self) -> u64 {
        if self.is_last { u64::MAX } else { 0 }
    }
}

impl Start {
    /// `key` has at most 64 bytes. `advance` makes a step of one lane.
    pub fn new(key: &[u8], advance: impl Fn(&mut [Lane])) -> Self {
        let mut empty = IV;
        empty[0] ^= 0x0101_0000 ^ (key.len() as u64) << 8 ^ DIGEST_BYTES as u64;
        let mut block = [0; BLOCK_BYTES];
        block[..key.len()].copy_from_slice(key);
        let put_in = |blocks: &[Block], last: &[u8]| {
            let mut lane = Lane { number: 0, state: empty, byte_count: 0, blocks, last };
            advance(std::slice::from_mut(&mut lane));
            (lane.state, lane.byte_count)
        };
        let key_block = if key.is_empty() { &[][..] } else { &block[..] };
        let of_nothing = hash_in(&put_in(&[], key_block).0);
        if key.is_empty() {
            return Self { state: empty, byte_count: 0, of_nothing };
        }
        let (state, byte_count) = put_in(&[block], &[]);
        Self { state, byte_count, of_nothing }
    }

    /// `advance` makes a step of one to `LANES_MAX` lanes.
    pub fn hash_each(&self, messages: &[&[u8]], advance: impl Fn(&mut [Lane])) -> Vec<Hash> {
        let mut hashes = vec![self.of_nothing; messages.len()];
        let mut order: Vec<usize> = (0..messages.len()).filter(|&number| !messages[number].is_empty()).collect();
        order.sort_unstable_by_key(|&number| Reverse(messages[number].len()));
        let mut waiting = order.into_iter().map(|number| self.lane(number, messages[number]));
        let mut lanes: Vec<Lane> = waiting.by_ref().take(LANES_MAX).collect();
        while !lanes.is_empty() {
            advance(&mut lanes);
            for i in (0..lanes.len()).rev() {
                if lanes[i].last.is_empty() {
                    hashes[lanes[i].number] = hash_in(&lanes[i].state);
                    match waiting.next() {
                        Some(lane) => lanes[i] = lane,
                        None => drop(lanes.swap_remove(i)),
                    }
                }
            }
        }
        hashes
    }

    /// `message` is not empty.
    fn lane<'a>(&self, number: usize, message: &'a [u8]) -> Lane<'a> {
        let (blocks, _) = message[..message.len() - 1].as_chunks();
        let last = &message[blocks.len() * BLOCK_BYTES..];
        Lane { number, state: self.state, byte_count: self.byte_count, blocks, last }
    }
}

fn hash_in(state: &State) -> Hash {
    first_half(state.map(u64::to_le_bytes).as_flattened())
}

/// Puts in as many blocks as all lanes have, or one, which is the last of some.
pub fn step<const COUNT: usize>(
    lanes: &mut [Lane],
    compress: impl FnOnce(&mut [State; COUNT], &[Input; COUNT], usize),
) {
    let mut states = [[0; 8]; COUNT];
    for (state, lane) in states.iter_mut().zip(&*lanes) {
        *state = lane.state;
    }
    let block_count = lanes.iter().map(|lane| lane.blocks.len()).min().unwrap_or(0).max(1);
    let mut ends = [[0; BLOCK_BYTES]; COUNT];
    let mut inputs = [const { Input { blocks: &[], byte_count: 0, is_last: false } }; COUNT];
    for (input, (lane, end)) in inputs.iter_mut().zip(lanes.iter_mut().zip(&mut ends)) {
        input.is_last = lane.blocks.is_empty();
        if input.is_last {
            end[..lane.last.len()].copy_from_slice(lane.last);
            input.blocks = std::slice::from_ref(end);
            lane.byte_count += lane.last.len() as u64;
            lane.last = &[];
            input.byte_count = lane.byte_count;
        } else {
            (input.blocks, lane.blocks) = lane.blocks.split_at(block_count);
            input.byte_count = lane.byte_count + BLOCK_BYTES as u64;
            lane.byte_count += (block_count * BLOCK_BYTES) as u64;
        }
    }
    // A state without a message takes what another does.
    let some_blocks = inputs[0].blocks;
    for input in &mut inputs[lanes.len()..] {
        input.blocks = some_blocks;
    }
    compress(&mut states, &inputs, block_count);
    for (state, lane) in states.iter().zip(lanes) {
        lane.state = *state;
    }
}

/// Words `at` and following of a block.
#[inline(always)]
pub fn words<const COUNT: usize>(block: &Block, at: usize) -> [u64; COUNT] {
    let (words, _) = block.as_chunks::<8>();
    std::array::from_fn(|i| u64::from_le_bytes(words[at + i]))
}
