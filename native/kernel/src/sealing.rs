//! AES256-GCM-HMAC-SHA256: each item is sealed under a key of its own, made from the repository's content secret and the
//! item's iv, which is also the additional data. Layout: nonce(12) ‖ ciphertext ‖ tag(16).
//!
//! Source: docs/format/encryption.md; kopia repo/encryption/aes256_gcm_hmac_sha256_encryptor.go.

use std::ops::Range;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;

use crate::error::{ErrorCode, KernelError};

pub const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
pub const SEAL_OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

pub struct Sealer(hmac::Key);

impl Sealer {
    pub fn new(content_secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, content_secret))
    }

    /// Appends the sealed form, always `plain.len() + SEAL_OVERHEAD_BYTES` bytes.
    pub fn seal_onto(&self, target: &mut Vec<u8>, plain: &[u8], iv: &[u8], nonce: [u8; NONCE_BYTES]) {
        target.reserve(plain.len() + SEAL_OVERHEAD_BYTES);
        target.extend_from_slice(&nonce);
        let start = target.len();
        target.extend_from_slice(plain);
        let tag = self
            .item_key(iv)
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(iv), &mut target[start..])
            .expect("an item is far shorter than the 64 GiB that one nonce can seal");
        target.extend_from_slice(tag.as_ref());
    }

    /// Appends the plain bytes; on an error `target` is as it was.
    pub fn open_onto(&self, target: &mut Vec<u8>, sealed: &[u8], iv: &[u8]) -> Result<(), KernelError> {
        let (nonce, rest) = sealed.split_first_chunk().ok_or_else(|| too_few(sealed.len()))?;
        let start = target.len();
        target.extend_from_slice(rest);
        let opened = self.open_rest(&mut target[start..], *nonce, iv);
        target.truncate(start + opened.as_ref().unwrap_or(&0));
        opened.map(drop)
    }

    /// Makes the sealed bytes plain where they are, and tells where in them the plain ones lie. After an error they are
    /// of no use.
    pub fn open_in_place(&self, sealed: &mut [u8], iv: &[u8]) -> Result<Range<usize>, KernelError> {
        let sealed_length = sealed.len();
        let (nonce, rest) = sealed.split_first_chunk_mut().ok_or_else(|| too_few(sealed_length))?;
        let length = self.open_rest(rest, *nonce, iv)?;
        Ok(NONCE_BYTES..NONCE_BYTES + length)
    }

    /// Of what lies behind the nonce. How many bytes of it are the plain ones, from the first on.
    fn open_rest(&self, rest: &mut [u8], nonce: [u8; NONCE_BYTES], iv: &[u8]) -> Result<usize, KernelError> {
        if rest.len() < TAG_BYTES {
            return Err(too_few(NONCE_BYTES + rest.len()));
        }
        match self.item_key(iv).open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(iv), rest) {
            Ok(plain) => Ok(plain.len()),
            Err(_) => {
                let message = "sealed bytes are damaged, or were sealed under another key";
                Err(KernelError::new(ErrorCode::SealBroken, message))
            }
        }
    }

    fn item_key(&self, iv: &[u8]) -> LessSafeKey {
        let key = hmac::sign(&self.0, iv);
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).expect("HMAC-SHA256 gives the 32 bytes of a key"))
    }
}

fn too_few(count: usize) -> KernelError {
    KernelError::new(ErrorCode::SealBroken, format!("{count} bytes are too few for a sealed item"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    fn sealer() -> Sealer {
        Sealer::new(&bytes("88aac0fcc646ffc04813cc17f4c7a17f8a73b53e4add438898256a7c87ad45d2"))
    }

    /// Specification, section 13.1.
    #[test]
    fn bytes_sealed_under_a_known_nonce_are_the_specifications() {
        let iv: [u8; 16] = std::array::from_fn(|i| i as u8);
        let mut sealed = b"before".to_vec();
        sealer().seal_onto(&mut sealed, b"foo", &iv, [0x11; NONCE_BYTES]);
        assert_eq!(sealed[6..], bytes("111111111111111111111111ecb4ab7d6df2a86f969c4bfc802e95a9c95c1a"));
        let mut plain = b"also ".to_vec();
        sealer().open_onto(&mut plain, &sealed[6..], &iv).unwrap();
        assert_eq!(plain, b"also foo");
    }

    #[test]
    fn what_kopias_own_tests_sealed_opens() {
        let sealed = bytes("e43ba07f85a6d70c5f1102ca06cf19c597e5f91e527b21f00fb76e8bec3fd1");
        let mut plain = vec![];
        sealer().open_onto(&mut plain, &sealed, b"aabbccddeeffgghhiijjkkllmmnnoopp").unwrap();
        assert_eq!(plain, b"foo");
    }

    #[test]
    fn what_is_opened_in_place_is_what_is_opened_elsewhere() {
        for length in [0, 1, 15, 16, 17, 1000] {
            let plain: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let mut sealed = vec![];
            sealer().seal_onto(&mut sealed, &plain, b"iv", [1; NONCE_BYTES]);
            let range = sealer().open_in_place(&mut sealed, b"iv").unwrap();
            assert_eq!(sealed[range], plain);
        }
    }

    #[test]
    fn no_bit_may_change_and_no_byte_be_missing() {
        let mut sealed = vec![];
        sealer().seal_onto(&mut sealed, b"some plain bytes", b"iv", [1; NONCE_BYTES]);
        let mut target = b"kept".to_vec();
        for i in 0..sealed.len() * 8 {
            sealed[i / 8] ^= 1 << (i % 8);
            let error = sealer().open_onto(&mut target, &sealed, b"iv").unwrap_err();
            assert_eq!(error.code, ErrorCode::SealBroken);
            assert_eq!(sealer().open_in_place(&mut sealed.clone(), b"iv"), Err(error));
            sealed[i / 8] ^= 1 << (i % 8);
        }
        for length in 0..sealed.len() {
            assert!(sealer().open_onto(&mut target, &sealed[..length], b"iv").is_err());
            assert!(sealer().open_in_place(&mut sealed[..length].to_vec(), b"iv").is_err());
        }
        assert!(sealer().open_onto(&mut target, &sealed, b"vi").is_err());
        assert_eq!(target, b"kept");
    }
}
