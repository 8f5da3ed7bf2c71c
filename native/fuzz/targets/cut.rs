//! The first cut is the same on all that this processor can be taken for, however the bytes come in.

#![no_main]

use fsb_kernel::buzhash::{Cutter, SplitterSizes};
use fsb_kernel::processor::Processor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], u16, u8, Vec<u16>)| {
    let (pattern, repeats, bits, steps) = input;
    let bytes = pattern.repeat(usize::from(repeats).min((1 << 20) / pattern.len().max(1)));
    let sizes = SplitterSizes { minimum: 64, maximum: bytes.len().max(65) - 1, mask: u32::MAX >> (bits % 32) };
    let cuts: Vec<_> =
        Processor::all_here().into_iter().map(|processor| Cutter::on(processor, sizes).scan(&bytes)).collect();
    assert!(cuts.windows(2).all(|pair| pair[0] == pair[1]));
    for processor in Processor::all_here() {
        let mut cutter = Cutter::on(processor, sizes);
        let ends = steps.iter().scan(0, |end: &mut usize, &step| {
            *end = (*end + usize::from(step)).min(bytes.len());
            Some(*end)
        });
        let found = ends.chain([bytes.len()]).find_map(|end| cutter.scan(&bytes[..end]));
        assert_eq!(found, cuts[0]);
    }
});
