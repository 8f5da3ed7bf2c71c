//! Nonces and preambles of one packer, out of one seed.
//!
//! Draw `n` is the beginning of HMAC-SHA256(seed, u64 BE n): a pseudorandom function in counter mode, as good as its seed
//! of 32 bytes, which comes from the system's generator. One path serves tests and production, and the same seed gives
//! the same packs however many threads there are. Each packer has a seed of its own; and even a nonce that came twice
//! would do no harm, for each content has a key of its own, made from its hash, so that it could only come again with
//! the same plain bytes.

use ring::hmac;

pub const SEED_BYTES: usize = 32;

pub struct RandomStream {
    key: hmac::Key,
    drawn: u64,
}

impl RandomStream {
    pub fn new(seed: &[u8; SEED_BYTES]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, seed), drawn: 0 }
    }

    /// `COUNT` is at most 32.
    pub fn draw<const COUNT: usize>(&mut self) -> [u8; COUNT] {
        const { assert!(COUNT <= 32) };
        let block = hmac::sign(&self.key, &self.drawn.to_be_bytes());
        self.drawn += 1;
        std::array::from_fn(|i| block.as_ref()[i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_is_the_hmac_of_its_number_and_none_comes_twice() {
        let mut stream = RandomStream::new(&[7; SEED_BYTES]);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; SEED_BYTES]);
        let draws: Vec<[u8; 32]> = (0..100).map(|_| stream.draw()).collect();
        for (number, draw) in draws.iter().enumerate() {
            assert_eq!(draw, hmac::sign(&key, &(number as u64).to_be_bytes()).as_ref());
            assert!(!draws[..number].contains(draw));
        }
        let short: [u8; 12] = RandomStream::new(&[7; SEED_BYTES]).draw();
        assert_eq!(short, draws[0][..12]);
    }
}
