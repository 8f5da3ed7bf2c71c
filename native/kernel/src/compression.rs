//! Reading compressed contents: `u32 header id ‖ stream`. Output is bounded by what the index says the content has, so a
//! bomb is an error and not an allocation.
//!
//! Source: docs/format/contents.md; kopia repo/compression.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder};

use crate::error::{ErrorCode, KernelError};

const HEADER_BYTES: usize = 4;

/// `u32 compression id ‖ stream` to plain bytes, at most `bytes_max`.
pub fn expand(stored: &[u8], bytes_max: usize) -> Result<Vec<u8>, KernelError> {
    expand_as(compression_id_of(stored), stored, bytes_max)
}

/// As `expand`, where the header must be of this compression.
pub fn expand_as(compression_id: u32, stored: &[u8], bytes_max: usize) -> Result<Vec<u8>, KernelError> {
    if compression_id_of(stored) != compression_id {
        let message = format!("content lacks its compression header {compression_id:#x}");
        return Err(KernelError::new(ErrorCode::ContentMismatch, message));
    }
    let stream = stored.get(HEADER_BYTES..).unwrap_or_default();
    let plain = match compression_id >> 8 {
        // gzip, and pgzip: gzip with several members
        0x10 | 0x13 => read_at_most(MultiGzDecoder::new(stream), bytes_max),
        0x11 => expand_zstd(stream, bytes_max),
        0x15 => read_at_most(DeflateDecoder::new(stream), bytes_max),
        _ => {
            let message = format!("content is compressed as {compression_id:#x}");
            return Err(KernelError::new(ErrorCode::CompressionUnsupported, message));
        }
    };
    plain.ok_or_else(|| {
        let message = format!("compressed content ({compression_id:#x}) does not expand");
        KernelError::new(ErrorCode::ContentMismatch, message)
    })
}

/// 0, which is no compression, where there is no room for an id.
fn compression_id_of(stored: &[u8]) -> u32 {
    stored.first_chunk().map_or(0, |id| u32::from_be_bytes(*id))
}

fn read_at_most(stream: impl Read, bytes_max: usize) -> Option<Vec<u8>> {
    let mut plain = vec![];
    stream.take(bytes_max as u64 + 1).read_to_end(&mut plain).ok()?;
    (plain.len() <= bytes_max).then_some(plain)
}

/// Straight into the answer, which has room for `bytes_max` and not one byte more; there is no window beside it, however
/// large the stream says that one is. What is not written of it is not resident.
fn expand_zstd(stream: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let mut plain: Vec<u8> = vec![];
    plain.try_reserve_exact(bytes_max.max(1)).ok()?;
    zstd_safe::decompress(&mut plain, stream).ok()?;
    if plain.len() > bytes_max {
        return None;
    }
    plain.shrink_to_fit();
    Some(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn compressed(id: u32, stream: &[u8]) -> Vec<u8> {
        [&id.to_be_bytes(), stream].concat()
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(vec![], flate2::Compression::fast());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(plain: &[u8]) -> Vec<u8> {
        let mut stream = Vec::with_capacity(zstd_safe::compress_bound(plain.len()));
        zstd_safe::compress(&mut stream, plain, 1).unwrap();
        stream
    }

    fn all(plain: &[u8]) -> [Vec<u8>; 4] {
        let (half, rest) = plain.split_at(plain.len() / 2);
        [
            compressed(0x1000, &gzip(plain)),
            compressed(0x1300, &[gzip(half), gzip(rest)].concat()),
            compressed(0x1100, &zstd(plain)),
            compressed(0x1500, &deflate(plain)),
        ]
    }

    #[test]
    fn what_is_read_expands_up_to_its_bound_and_no_further() {
        let plain = b"expand me ".repeat(500);
        for stored in all(&plain) {
            assert_eq!(expand(&stored, plain.len()).unwrap(), plain);
            assert_eq!(expand(&stored, plain.len() - 1).unwrap_err().code, ErrorCode::ContentMismatch);
        }
        for stored in all(&vec![0; 64 << 20]) {
            assert_eq!(expand(&stored, 1 << 20).unwrap_err().code, ErrorCode::ContentMismatch);
        }
    }

    #[test]
    fn a_stream_of_nothing_expands_to_nothing() {
        for stored in all(b"") {
            assert_eq!(expand(&stored, 0).unwrap(), b"");
        }
    }

    #[test]
    fn a_damaged_stream_is_a_value_or_an_error() {
        let plain = b"damage me ".repeat(50);
        for stored in all(&plain) {
            for at in 0..stored.len() {
                for value in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut damaged = stored.clone();
                    damaged[at] = value;
                    let _ = expand(&damaged, plain.len());
                }
                // What ends behind the first of several members is shorter, and no error.
                assert_ne!(expand(&stored[..at], plain.len()).ok().as_ref(), Some(&plain), "cut at {at}");
            }
        }
    }

    #[test]
    fn a_compression_that_is_not_read_is_told_by_its_number() {
        for id in [0, 0x1200, 0x1400, 0x1600, 0xffff_ffff] {
            let error = expand(&compressed(id, b"stream"), 100).unwrap_err();
            assert_eq!(error.code, ErrorCode::CompressionUnsupported);
            assert!(error.message.ends_with(&format!("{id:#x}")), "{error}");
        }
        assert_eq!(expand(b"z", 100).unwrap_err().code, ErrorCode::CompressionUnsupported);
        assert_eq!(expand_as(0x1101, &compressed(0x1100, b""), 9).unwrap_err().code, ErrorCode::ContentMismatch);
    }
}
