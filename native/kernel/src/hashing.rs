//! BLAKE2B-256-128: keyed BLAKE2b with a digest of 32 bytes, of which the first 16 are the hash.
//!
//! Source: docs/format/contents.md; kopia repo/hashing.

use blake2b_simd::Params;
use blake2b_simd::many::{HashManyJob, hash_many};

pub const HASH_BYTES: usize = 16;
pub const SECRET_BYTES_MAX: usize = blake2b_simd::KEYBYTES;
const DIGEST_BYTES: usize = 32;

pub type Hash = [u8; HASH_BYTES];

pub struct ContentHasher(Params);

impl ContentHasher {
    /// Panics where the secret is longer than `SECRET_BYTES_MAX`.
    pub fn new(secret: &[u8]) -> Self {
        let mut params = Params::new();
        params.hash_length(DIGEST_BYTES);
        if !secret.is_empty() {
            params.key(secret);
        }
        Self(params)
    }

    pub fn hash(&self, bytes: &[u8]) -> Hash {
        first_half(self.0.hash(bytes).as_bytes())
    }

    /// As many hashes as there are chunks. Several chunks go through the processor's vector lanes at once, which takes
    /// about as long as the longest would take by itself.
    pub fn hash_each(&self, chunks: &[&[u8]]) -> Vec<Hash> {
        if let [one] = chunks {
            return vec![self.hash(one)];
        }
        let mut jobs: Vec<_> = chunks.iter().map(|chunk| HashManyJob::new(&self.0, chunk)).collect();
        hash_many(&mut jobs);
        jobs.iter().map(|job| first_half(job.to_hash().as_bytes())).collect()
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

    #[test]
    fn several_at_once_are_as_one_by_one() {
        let hasher = ContentHasher::new(b"secret");
        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i * 7) as u8).collect();
        for count in 0..12 {
            let chunks: Vec<&[u8]> = (0..count).map(|i| &bytes[..(i * 7919) % 100_000]).collect();
            let each: Vec<_> = chunks.iter().map(|chunk| hasher.hash(chunk)).collect();
            assert_eq!(hasher.hash_each(&chunks), each);
        }
    }
}
