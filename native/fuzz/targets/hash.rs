//! Hashes are those of another implementation, on all that this processor can be taken for.

#![no_main]

use blake2b_simd::Params;
use fsb_kernel::hashing::ContentHasher;
use fsb_kernel::processor::Processor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], Vec<u16>, &[u8])| {
    let (secret, lengths, bytes) = input;
    let secret = &secret[..secret.len().min(64)];
    let messages: Vec<&[u8]> = lengths.iter().map(|&length| &bytes[..bytes.len().min(length.into())]).collect();
    let mut params = Params::new();
    params.hash_length(32).key(secret);
    let expected: Vec<_> = messages.iter().map(|message| params.hash(message)).collect();
    for processor in Processor::all_here() {
        let hashes = ContentHasher::on(processor, secret).hash_each(&messages);
        assert!(hashes.iter().map(|hash| &hash[..]).eq(expected.iter().map(|hash| &hash.as_bytes()[..16])));
    }
});
