//! BLAKE2B-256-128: keyed BLAKE2b with a digest of 32 bytes, of which the first 16 are the hash.
//!
//! Source: docs/format/contents.md; kopia repo/hashing.

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod lanes;

use blake2b_simd::Params;
use blake2b_simd::many::{HashManyJob, hash_many};

#[cfg(target_arch = "x86_64")]
use crate::processor::Avx512;
use crate::processor::Processor;

pub const HASH_BYTES: usize = 16;
pub const SECRET_BYTES_MAX: usize = blake2b_simd::KEYBYTES;
const DIGEST_BYTES: usize = 32;

pub type Hash = [u8; HASH_BYTES];

pub struct ContentHasher(Engine);

enum Engine {
    Plain(Params),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512, lanes::Start),
}

impl ContentHasher {
    /// Panics where the secret is longer than `SECRET_BYTES_MAX`.
    pub fn new(secret: &[u8]) -> Self {
        Self::on(Processor::here(), secret)
    }

    pub fn on(processor: Processor, secret: &[u8]) -> Self {
        assert!(secret.len() <= SECRET_BYTES_MAX, "a secret has at most 64 bytes");
        Self(match processor {
            Processor::Plain => {
                let mut params = Params::new();
                params.hash_length(DIGEST_BYTES).key(secret);
                Engine::Plain(params)
            }
            #[cfg(target_arch = "x86_64")]
            Processor::Avx512(avx512) => {
                Engine::Avx512(avx512, lanes::Start::new(secret, |lanes| avx512::advance(avx512, lanes)))
            }
        })
    }

    pub fn hash(&self, bytes: &[u8]) -> Hash {
        match &self.0 {
            Engine::Plain(params) => first_half(params.hash(bytes).as_bytes()),
            #[cfg(target_arch = "x86_64")]
            Engine::Avx512(avx512, start) => start.hash_each(&[bytes], |lanes| avx512::advance(*avx512, lanes))[0],
        }
    }

    /// As many hashes as there are chunks. Several chunks go through the processor's vector lanes at once; where they
    /// are many, it does not matter that their lengths differ.
    pub fn hash_each(&self, chunks: &[&[u8]]) -> Vec<Hash> {
        match &self.0 {
            Engine::Plain(params) => {
                let mut jobs: Vec<_> = chunks.iter().map(|chunk| HashManyJob::new(params, chunk)).collect();
                hash_many(&mut jobs);
                jobs.iter().map(|job| first_half(job.to_hash().as_bytes())).collect()
            }
            #[cfg(target_arch = "x86_64")]
            Engine::Avx512(avx512, start) => start.hash_each(chunks, |lanes| avx512::advance(*avx512, lanes)),
        }
    }
}

fn first_half(digest: &[u8]) -> Hash {
    std::array::from_fn(|i| digest[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// test/contracts/kernel.contract.ts has the same.
    #[test]
    fn the_hash_is_kopias_with_a_key_and_without() {
        for (secret, hash) in [
            ("0123456789abcdefghijklmnopqrstuv", "0749cce4caa7f07e72802e47105f379f"),
            ("secret", "0d34217b1120a689e2eb1d9a4c5b3628"),
            ("", "c71b05fd1d1c7bf7e928ff18e58db519"),
        ] {
            assert_eq!(hex(&ContentHasher::new(secret.as_bytes()).hash(b"hello world\n")), hash);
        }
    }

    /// Of what blake2b_simd says, and so of each other.
    #[test]
    fn hashes_are_the_same_on_every_processor_for_every_length_and_key() {
        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i * 7 + i / 251) as u8).collect();
        let hashes_are_right = |secret: &[u8], lengths: &[usize]| {
            let chunks: Vec<&[u8]> = lengths.iter().map(|length| &bytes[length % 97..][..*length]).collect();
            let mut params = Params::new();
            params.hash_length(DIGEST_BYTES).key(secret);
            let expected: Vec<Hash> = chunks.iter().map(|chunk| first_half(params.hash(chunk).as_bytes())).collect();
            for processor in Processor::all_here() {
                let hasher = ContentHasher::on(processor, secret);
                assert!(hasher.hash_each(&chunks) == expected, "{processor:?}, a key of {}, {lengths:?}", secret.len());
            }
        };
        for key_length in 0..=SECRET_BYTES_MAX {
            hashes_are_right(&bytes[..key_length], &[0, 1, 127, 128, 129, 5000, 256, 3]);
        }
        let edges = |around: usize| (around.saturating_sub(2)..=around + 2).collect::<Vec<_>>();
        for length in [0, 64, 128, 256, 384, 1024, 4096, 65536].into_iter().flat_map(edges) {
            hashes_are_right(b"secret", &[length]);
            hashes_are_right(b"", &[length]);
            for count in 2..20 {
                hashes_are_right(b"secret", &vec![length; count]);
            }
        }
        let mut random: u32 = 7;
        let mut below = |limit: usize| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) as usize % limit
        };
        for count in 0..200 {
            let longest = [1, 130, 600, 20_000][below(4)] + 1;
            let lengths: Vec<usize> = (0..count).map(|_| below(longest)).collect();
            hashes_are_right(b"secret", &lengths);
        }
    }
}
