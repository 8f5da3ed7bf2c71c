//! A compressed content is expanded to at most what is allowed, or it is an error.

#![no_main]

use fsb_kernel::compression::expand;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u32, &[u8])| {
    let (algorithm, bytes_max, stream) = input;
    let bytes_max = bytes_max as usize % (4 << 20);
    let id = u32::from(0x10 + algorithm % 6) << 8;
    let stored = [&id.to_be_bytes(), stream].concat();
    if let Ok(plain) = expand(&stored, bytes_max) {
        assert!(plain.len() <= bytes_max && plain.capacity() <= 2 * bytes_max + 64);
    }
});
