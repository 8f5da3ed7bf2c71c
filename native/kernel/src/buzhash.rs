//! kopia's DYNAMIC-4M-BUZHASH splitter: cuts where a rolling hash of the last 64 bytes ends in 22 zero bits, but never
//! below 2 MiB and never above 8 MiB.
//!
//! The hash of the last 64 bytes is all that decides, and a cut never comes before byte 2 MiB, so the bytes below
//! `minimum - 64` are not looked at. For the same reason a stretch can be looked at in several streams at once, each of
//! which begins with the 64 bytes before its own: one stream waits for its own last result, four fill the processor, and
//! sixteen the lanes of its widest vectors.
//!
//! Source: docs/format/objects.md; kopia repo/splitter/splitter_buzhash32.go. The table is Go's math/rand seeded with 1.

#[cfg(target_arch = "x86_64")]
mod avx512;

#[cfg(target_arch = "x86_64")]
use crate::processor::Avx512;
use crate::processor::Processor;

const WINDOW_BYTES: usize = 64;
/// Without vectors.
const LANES: usize = 4;
/// Below this a stretch is not worth the start of several lanes.
const LANE_BYTES_MIN: usize = 4096;
/// A cut that lies early makes what the later lanes did worthless; so not too far at once.
const LANE_BYTES_MAX: usize = 16 << 10;

#[derive(Clone, Copy)]
pub struct SplitterSizes {
    pub minimum: usize,
    pub maximum: usize,
    pub mask: u32,
}

/// `average` is a power of two, at least 64 KiB.
pub const fn dynamic_sizes(average: usize) -> SplitterSizes {
    SplitterSizes { minimum: average / 2, maximum: average * 2, mask: average as u32 - 1 }
}

pub const DYNAMIC_4M: SplitterSizes = dynamic_sizes(4 << 20);

/// Looks for the end of one chunk while its bytes come in.
pub struct Cutter {
    processor: Processor,
    sizes: SplitterSizes,
    /// Of the 64 bytes before `scanned`, once that is not zero.
    hash: u32,
    scanned: usize,
}

impl Cutter {
    pub fn new(sizes: SplitterSizes) -> Self {
        Self::on(Processor::here(), sizes)
    }

    pub fn on(processor: Processor, sizes: SplitterSizes) -> Self {
        Self { processor, sizes, hash: 0, scanned: 0 }
    }

    /// `chunk` is all that there is from the chunk's first byte on; each call has what the one before had, and more.
    /// Length of the chunk, or `None` when no cut lies in it yet.
    pub fn scan(&mut self, chunk: &[u8]) -> Option<usize> {
        let SplitterSizes { minimum, maximum, mask } = self.sizes;
        if chunk.len() < minimum {
            return None;
        }
        if self.scanned == 0 {
            self.hash = hash_of(&chunk[minimum - WINDOW_BYTES..minimum]);
            self.scanned = minimum;
            if self.hash & mask == 0 {
                return Some(minimum);
            }
        }
        let end = chunk.len().min(maximum);
        let chunk = &chunk[..end];
        match self.processor {
            Processor::Plain => {}
            #[cfg(target_arch = "x86_64")]
            Processor::Avx512(avx512) => {
                if let Some(length) = self.scan_streams(avx512, chunk) {
                    return Some(length);
                }
            }
        }
        while self.scanned < end {
            let lane_bytes = (end - self.scanned) / LANES;
            let found = if lane_bytes >= LANE_BYTES_MIN {
                self.scan_lanes(chunk, lane_bytes.min(LANE_BYTES_MAX))
            } else {
                self.scan_plainly(chunk)
            };
            if found.is_some() {
                return found;
            }
        }
        (end == maximum).then_some(maximum)
    }

    fn scan_plainly(&mut self, chunk: &[u8]) -> Option<usize> {
        let leaving = &chunk[self.scanned - WINDOW_BYTES..chunk.len() - WINDOW_BYTES];
        let mut hash = self.hash;
        for (i, (&left, &came)) in leaving.iter().zip(&chunk[self.scanned..]).enumerate() {
            hash = roll(hash, left, came);
            if hash & self.sizes.mask == 0 {
                return Some(self.scanned + i + 1);
            }
        }
        self.hash = hash;
        self.scanned = chunk.len();
        None
    }

    /// Leaves what is too little for its streams.
    #[cfg(target_arch = "x86_64")]
    fn scan_streams(&mut self, avx512: Avx512, chunk: &[u8]) -> Option<usize> {
        loop {
            let rest = &chunk[self.scanned - WINDOW_BYTES..];
            let stream_bytes = avx512::stream_bytes((rest.len() - WINDOW_BYTES) / avx512::STREAMS)?;
            if let Some(count) = avx512::find(avx512, rest, stream_bytes, self.sizes.mask) {
                return Some(self.scanned + count);
            }
            self.scanned += stream_bytes * avx512::STREAMS;
            self.hash = hash_of(&chunk[self.scanned - WINDOW_BYTES..self.scanned]);
        }
    }

    fn scan_lanes(&mut self, chunk: &[u8], lane_bytes: usize) -> Option<usize> {
        let mask = self.sizes.mask;
        let starts: [usize; LANES] = std::array::from_fn(|lane| self.scanned + lane * lane_bytes);
        let leaving = starts.map(|start| &chunk[start - WINDOW_BYTES..][..lane_bytes]);
        let coming = starts.map(|start| &chunk[start..][..lane_bytes]);
        let mut hashes = [self.hash; LANES];
        for lane in 1..LANES {
            hashes[lane] = hash_of(&chunk[starts[lane] - WINDOW_BYTES..starts[lane]]);
        }
        let mut found = [None; LANES];
        for i in 0..lane_bytes {
            let mut is_cut = false;
            for lane in 0..LANES {
                hashes[lane] = roll(hashes[lane], leaving[lane][i], coming[lane][i]);
                is_cut |= hashes[lane] & mask == 0;
            }
            if is_cut {
                for lane in 0..LANES {
                    if hashes[lane] & mask == 0 {
                        found[lane].get_or_insert(starts[lane] + i + 1);
                    }
                }
            }
        }
        self.hash = hashes[LANES - 1];
        self.scanned += LANES * lane_bytes;
        found.into_iter().flatten().next()
    }
}

/// Length of the first chunk of `bytes`, or `None` when no cut lies in them: then they are the last chunk if the object
/// ends there. Never more than `sizes.maximum`.
pub fn find_cut(bytes: &[u8], sizes: SplitterSizes) -> Option<usize> {
    Cutter::new(sizes).scan(bytes)
}

fn hash_of(window: &[u8]) -> u32 {
    window.iter().fold(0, |hash: u32, &byte| hash.rotate_left(1) ^ TABLE[byte as usize])
}

/// The outgoing byte's term has been rotated 64 times by now, which is not at all.
#[inline(always)]
fn roll(hash: u32, left: u8, came: u8) -> u32 {
    hash.rotate_left(1) ^ (TABLE[left as usize] ^ TABLE[came as usize])
}

#[rustfmt::skip]
#[allow(clippy::unreadable_literal)]
static TABLE: [u32; 256] = [
    0x07fcfd52, 0x5f3f164f, 0x6695721d, 0x7b4d7c03, 0x49c6e2d1, 0x0d1d68d8, 0x7916001e, 0x22c4d294,
    0x392907a0, 0x189deb99, 0xf3875d04, 0x95e94627, 0xba517936, 0x83c471d4, 0x7cb3ad0b, 0xa42655d9,
    0x7c4e0b68, 0xd4491d1b, 0x25632186, 0xa9d78d73, 0x169c1121, 0xbb158644, 0xb68e6a3f, 0x759805f5,
    0x2cdf5b8a, 0x57d29245, 0xc5d6d268, 0x6b83d0e2, 0x7674cb74, 0xb068d9db, 0xbb9457d8, 0xa15d523b,
    0x794209ff, 0x9da1d7eb, 0x5a25e0cb, 0xf840ec4b, 0x36d4ff9b, 0xf4a5ee3b, 0x5ad145f4, 0xf6740304,
    0x3f71f8cb, 0x91018d7c, 0xfccae224, 0xb186b51f, 0x7d9e8fbc, 0x93f93f33, 0xf63a5b6f, 0x19476c36,
    0xbc897d06, 0x169873f5, 0x724c7af1, 0x581eeb39, 0x2257bb7d, 0x6f269a28, 0xbe8e9981, 0x7039374b,
    0x25416fed, 0xded7e411, 0x6678e7aa, 0x244fcd36, 0x56aa6b86, 0xde4561ad, 0x3e99b0a8, 0xbed80a3a,
    0xe58348b0, 0xaf63e58d, 0x406aec9d, 0xc233f007, 0xa5ead0bd, 0x050143a6, 0x738b6829, 0x3699caf3,
    0x967cd710, 0x06f665a6, 0x25fd3d7f, 0x0fd6e479, 0x26fbf29b, 0x16de4c35, 0x2bf3394b, 0x4af864ba,
    0x1cb9e6c6, 0x41439089, 0x69a39144, 0xc34f182d, 0x421657ff, 0xf9fc6568, 0x8b02c917, 0x6c9c64b7,
    0x83d17909, 0xea3d4ca5, 0xaf635d47, 0x7fc78769, 0xbe14186f, 0x3539b1ea, 0xe9174548, 0xc051e18a,
    0x07b73658, 0x29ec300c, 0xa250bf34, 0xa7ed5d97, 0xfe3dea79, 0xb8b352f7, 0xc9b344e9, 0x8e5f0475,
    0x1941e52a, 0x2694763d, 0x6b40eabc, 0x8485d68b, 0x336eacca, 0x4399a363, 0x67149b9c, 0xae10a901,
    0x5a5ffefb, 0x563b26de, 0x6f00f02b, 0x9f06397d, 0x545836c4, 0x31d6416b, 0x12f4128d, 0x752f33ff,
    0x4a305605, 0x0c8dc214, 0x72521a90, 0x8eb3e4a1, 0x83efc6c6, 0x090ec04f, 0xc1540864, 0xec2c8aaa,
    0x70ab53ba, 0x38d3b494, 0x878d4063, 0xa317ae3f, 0x3cb62f07, 0xf360412c, 0x4ffbf3a9, 0x22d554b4,
    0x3f190476, 0x0796a710, 0xf5c353cf, 0x04f59bb7, 0x2d230176, 0xe2d6a9ce, 0x3f1d7427, 0xafd915bb,
    0xb01aa47d, 0xcde2c269, 0x7417bf38, 0x1e094f9a, 0x55ece0ea, 0xcb94539b, 0x13d346b5, 0x54e0c0c1,
    0x6db30e37, 0xdc02b390, 0xa6e222f5, 0xe2f8c1fe, 0x2e166bdf, 0x67588a74, 0x21898f34, 0x4c330f1d,
    0x19af53ba, 0x70658b94, 0x133c9673, 0x4efeeadd, 0x0f212551, 0x070f0914, 0x6f241c57, 0xf13e41b7,
    0x3be70cb0, 0xf4b6f47f, 0x20f31127, 0x6551cb89, 0x289cbd2c, 0x8946f23d, 0x40a79c3b, 0x03c6d982,
    0x0365790c, 0x0cf52517, 0x0bb131e8, 0x3da5475c, 0x139efcca, 0xbcd44eb4, 0xa54af747, 0xb73c32ed,
    0x9f6c47ac, 0xe8ba8f22, 0x54043a66, 0x3b0a7f20, 0xb4926431, 0xe17c02d5, 0x8f0d2558, 0x014fbff2,
    0x7f803594, 0x79b76fbe, 0x33fe2656, 0x792c8ee8, 0x6b41292d, 0xfdff9c32, 0x82093298, 0x59483870,
    0xb2d5a113, 0x2dd96e5a, 0x5b8e56a9, 0xebd9dda9, 0x04f9ce92, 0xcb440950, 0xa67e52b1, 0x49f6d261,
    0x92417fc3, 0x1c3b6bd9, 0xb027b7e0, 0x1f765a41, 0x44c9ab40, 0x45d99121, 0xfd7a84af, 0x99b75788,
    0xe3abff4a, 0xa88aa67f, 0x736e41cc, 0x9cbcbe5e, 0x7b3ccebc, 0xe1b7fa93, 0x315ae6af, 0x9cced2e2,
    0x19ea0f2f, 0xa9770722, 0x84a6bfdc, 0x88f03f07, 0xa44a03a4, 0x27a6b885, 0xb580c8ba, 0x018153da,
    0xb648e604, 0x51180278, 0x893a310f, 0x728f5f4c, 0x37f5198b, 0x3cc0ea9b, 0xe39d02db, 0x13883142,
    0xca599392, 0xc12d154e, 0xc176163d, 0x5c92e2b8, 0xf9f95ede, 0xb802bdfc, 0x8a928585, 0xdca6e10b,
    0x887953e8, 0x48b9e962, 0xe533e9a3, 0x5e0ce6e5, 0x1dba77ae, 0xc8214b8a, 0x53b428d7, 0x4cf20a65,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn xorshift_bytes(length: usize) -> Vec<u8> {
        let mut x: u32 = 1;
        (0..length)
            .map(|_| {
                x ^= x << 13;
                x ^= x >> 17;
                x ^= x << 5;
                x as u8
            })
            .collect()
    }

    fn cut_offsets(bytes: &[u8], sizes: SplitterSizes) -> Vec<usize> {
        cut_offsets_on(Processor::here(), bytes, sizes)
    }

    fn cut_offsets_on(processor: Processor, bytes: &[u8], sizes: SplitterSizes) -> Vec<usize> {
        let mut offsets = vec![];
        let mut start = 0;
        while let Some(length) = Cutter::on(processor, sizes).scan(&bytes[start..]) {
            start += length;
            offsets.push(start);
        }
        offsets
    }

    /// Specification, section 13.4.
    #[test]
    fn cuts_lie_where_kopia_cuts() {
        let input = xorshift_bytes(40 << 20);
        let expected: [(usize, &[usize]); 3] = [
            (
                2 << 20,
                &[
                    3109452, 6865645, 8348443, 12542747, 13745730, 15081095, 18393820, 20566133, 24298998, 28493302,
                    29950864, 34145168, 37069831, 39153423, 41652992,
                ],
            ),
            (4 << 20, &[8388608, 13745730, 18393820, 24379324, 29950864, 35096173, 41652992]),
            (8 << 20, &[14161041, 30938257]),
        ];
        for processor in Processor::all_here() {
            for (average, offsets) in expected {
                assert_eq!(cut_offsets_on(processor, &input, dynamic_sizes(average)), offsets, "{processor:?}");
            }
        }
    }

    #[test]
    fn the_first_cut_is_the_same_on_every_processor_wherever_it_lies() {
        let input = xorshift_bytes(300_000);
        let periodic = input[..1000].repeat(300);
        let first_cut = |bytes: &[u8], sizes: SplitterSizes| {
            let ends = sizes.minimum..=bytes.len().min(sizes.maximum);
            let is_cut =
                |end: &usize| *end == sizes.maximum || hash_of(&bytes[end - WINDOW_BYTES..*end]) & sizes.mask == 0;
            ends.into_iter().find(is_cut)
        };
        let mut found = 0;
        for bits in [6, 10, 14, 17, 20, 32] {
            let mask = (u64::from(u32::MAX) >> (32 - bits)) as u32;
            for (minimum, maximum) in [(64, 300_000), (100, 17_508), (1000, 70_000), (5000, 140_000)] {
                let sizes = SplitterSizes { minimum, maximum, mask };
                for length in [0, 63, 64, 65, 16_384, 17_471, 17_472, 17_473, 20_000, 133_184, 200_001, 280_000] {
                    for start in [0, 1, 7777, 19_999] {
                        for bytes in [&input[start..][..length], &periodic[start..][..length]] {
                            let expected = first_cut(bytes, sizes);
                            found += usize::from(expected.is_some());
                            for processor in Processor::all_here() {
                                let cut = Cutter::on(processor, sizes).scan(bytes);
                                assert_eq!(
                                    cut, expected,
                                    "{processor:?}, {bits} bits, {minimum} to {maximum}, {length}"
                                );
                            }
                        }
                    }
                }
            }
        }
        assert!(found > 700, "{found} were found");
    }

    #[test]
    fn a_cut_does_not_depend_on_how_the_bytes_come_in() {
        let input = xorshift_bytes(4 << 20);
        let sizes = dynamic_sizes(256 << 10);
        let whole = cut_offsets(&input, sizes);
        for step in [1000, 4096 * 4 + 1, 200_000] {
            let (mut start, mut offsets) = (0, vec![]);
            while start < input.len() {
                let mut cutter = Cutter::new(sizes);
                let found = (1..)
                    .map(|i| (start + i * step).min(input.len()))
                    .find_map(|end| cutter.scan(&input[start..end]).or((end == input.len()).then_some(0)));
                match found {
                    Some(length) if length > 0 => start += length,
                    _ => break,
                }
                offsets.push(start);
            }
            assert_eq!(offsets, whole, "in steps of {step}");
        }
    }

    #[test]
    fn a_run_of_zeros_is_cut_at_the_least_length_and_less_is_never_cut() {
        let zeros = vec![0; 5 * DYNAMIC_4M.minimum + 17];
        assert_eq!(cut_offsets(&zeros, DYNAMIC_4M), [1, 2, 3, 4, 5].map(|count| count * DYNAMIC_4M.minimum));
        assert_eq!(find_cut(&[], DYNAMIC_4M), None);
        assert_eq!(find_cut(&zeros[..DYNAMIC_4M.minimum - 1], DYNAMIC_4M), None);
    }
}
