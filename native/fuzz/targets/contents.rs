//! Contents sealed by one who has the keys, and told of by records that are made up: each opens to what has its hash and
//! length, or the error says which does not.

#![no_main]

use arbitrary::Arbitrary;
use fsb_kernel::contents::{SealedContent, open_contents};
use fsb_kernel::hashing::ContentHasher;
use fsb_kernel::sealing::Sealer;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Item<'a> {
    stored: &'a [u8],
    has_own_hash: bool,
    offset_change: i8,
    length_change: i8,
    compression_id: u16,
    original_length: u16,
}

#[derive(Arbitrary, Debug)]
struct Range<'a> {
    items: Vec<Item<'a>>,
    bit_flips: Vec<u16>,
}

fuzz_target!(|range: Range| {
    let (hasher, sealer) = (ContentHasher::new(b"hash"), Sealer::new(b"seal"));
    let mut fetched = vec![];
    let mut items = vec![];
    for item in &range.items {
        let compression_id = u32::from(item.compression_id);
        let stored = match compression_id {
            0 => item.stored.to_vec(),
            _ => [&compression_id.to_be_bytes(), item.stored].concat(),
        };
        let hash = if item.has_own_hash { hasher.hash(&stored) } else { [7; 16] };
        let offset = fetched.len();
        sealer.seal_onto(&mut fetched, &stored, &hash, [1; 12]);
        let length = (fetched.len() - offset).wrapping_add_signed(item.length_change.into());
        let offset = offset.wrapping_add_signed(item.offset_change.into());
        let original_length = usize::from(item.original_length);
        items.push(SealedContent { offset, length, hash, compression_id, original_length });
    }
    for &bit in &range.bit_flips {
        if let Some(byte) = fetched.get_mut(usize::from(bit) / 8) {
            *byte ^= 1 << (bit % 8);
        }
    }
    match open_contents(&hasher, &sealer, &fetched, &items) {
        Err(error) => assert!(error.item.is_some_and(|item| item < items.len())),
        Ok(plain) => {
            let mut rest = &plain[..];
            for item in &items {
                let (content, behind) = rest.split_at(item.original_length);
                assert_eq!(hasher.hash(content), item.hash);
                rest = behind;
            }
            assert!(rest.is_empty());
        }
    }
});
