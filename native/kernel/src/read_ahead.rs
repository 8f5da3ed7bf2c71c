//! How far reading runs ahead of packing, within so many bytes.

use crate::buzhash::DYNAMIC_4M;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadAhead {
    /// Buffers of large files' chunks, of 8 MiB each; at least one, without which nothing goes on.
    pub chunks: usize,
    /// Of smaller files, which are read whole.
    pub whole_bytes: usize,
}

impl ReadAhead {
    /// A fifth is for smaller files. Each thread that reads some may have one more of 2 MiB in its hands.
    pub fn within(bytes: usize) -> Self {
        let whole_bytes = bytes / 5;
        Self { chunks: ((bytes - whole_bytes) / DYNAMIC_4M.maximum).max(1), whole_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_files_fit_and_large_ones_always_have_a_buffer() {
        for mebibytes in [0, 1, 7, 10, 40, 64, 1000] {
            let bytes = mebibytes << 20;
            let ReadAhead { chunks, whole_bytes } = ReadAhead::within(bytes);
            assert!(chunks == 1 || chunks * DYNAMIC_4M.maximum + whole_bytes <= bytes);
        }
        assert_eq!(ReadAhead::within(40 << 20), ReadAhead { chunks: 4, whole_bytes: 8 << 20 });
    }
}
