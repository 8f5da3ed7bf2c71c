//! Of a process of its own: in one that others use, a block may find room among what they gave up.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use fsb_kernel::c_heap::map_large_blocks;

#[test]
fn a_large_block_has_pages_of_its_own_also_after_a_larger_one() {
    let is_mapped = |bytes: usize| {
        let block = Vec::<u8>::with_capacity(bytes);
        block.as_ptr() as usize % 4096 == 16 // Behind the two words that glibc keeps for itself.
    };
    assert!(is_mapped(24 << 20));
    map_large_blocks();
    assert!((0..20).all(|i| is_mapped((2 << 20) + i * 1000)));
    assert!((1..20).any(|i| !is_mapped(i * 1000)));
}
