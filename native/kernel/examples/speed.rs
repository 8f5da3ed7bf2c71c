//! What each kernel does in a second of processor time, on all that this processor can be taken for.
//!
//! `cargo run --release -p fsb-kernel --example speed [part of a name]`

use std::hint::black_box;

use fsb_kernel::buzhash::{Cutter, DYNAMIC_4M};
use fsb_kernel::hashing::ContentHasher;
use fsb_kernel::processor::Processor;
use fsb_kernel::sealing::Sealer;
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 9;
const ROUND_SECONDS: f64 = 0.03;
const MIB: usize = 1 << 20;

/// Something that is done to `count` items of `length` bytes.
struct Case<'a> {
    name: String,
    count: usize,
    length: usize,
    work: Box<dyn FnMut() + 'a>,
}

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let noise = noise(64 * MIB);
    for mut case in hash_cases(&noise).chain(cut_cases(&noise)).chain(seal_cases(&noise)) {
        if case.name.contains(&wanted) {
            case.measure();
        }
    }
}

fn hash_cases(noise: &[u8]) -> impl Iterator<Item = Case<'_>> {
    let large = (1..=8).map(|count| (count, 4 * MIB));
    let small = [(1, 100), (8, 100), (500, 100), (500, 1000), (64, 16 << 10)];
    let shapes: Vec<_> = large.chain(small).collect();
    Processor::all_here().into_iter().flat_map(move |processor| {
        shapes.clone().into_iter().map(move |(count, length)| {
            let hasher = ContentHasher::on(processor, b"secret");
            let chunks: Vec<&[u8]> = (0..count).map(|i| &noise[i * length..][..length]).collect();
            let work = move || drop(black_box(hasher.hash_each(black_box(&chunks))));
            Case { name: format!("hash on {processor:?}"), count, length, work: Box::new(work) }
        })
    })
}

/// Of all bytes, those below the minimum as well.
fn cut_cases(noise: &[u8]) -> impl Iterator<Item = Case<'_>> {
    Processor::all_here().into_iter().map(move |processor| {
        let work = move || {
            let mut rest = noise;
            while let Some(length) = Cutter::on(processor, DYNAMIC_4M).scan(rest) {
                rest = &rest[length..];
            }
            black_box(rest.len());
        };
        Case { name: format!("cut on {processor:?}"), count: 1, length: noise.len(), work: Box::new(work) }
    })
}

fn seal_cases(noise: &[u8]) -> impl Iterator<Item = Case<'_>> {
    const IV: [u8; 16] = [3; 16];
    [(500, 100), (100, 4096), (1, 4 * MIB)].into_iter().flat_map(move |(count, length)| {
        let plain = &noise[..length];
        let mut sealed = vec![];
        Sealer::new(b"secret").seal_onto(&mut sealed, plain, &IV, [7; 12]);
        let mut target = Vec::with_capacity(sealed.len());
        let sealer = Sealer::new(b"secret");
        let seal = move || {
            for _ in 0..count {
                target.clear();
                sealer.seal_onto(&mut target, plain, black_box(&IV), [7; 12]);
            }
        };
        let mut target = Vec::with_capacity(sealed.len());
        let sealer = Sealer::new(b"secret");
        let open = move || {
            for _ in 0..count {
                target.clear();
                sealer.open_onto(&mut target, &sealed, black_box(&IV)).expect("it was sealed with the same");
            }
        };
        [
            Case { name: "seal".into(), count, length, work: Box::new(seal) },
            Case { name: "open".into(), count, length, work: Box::new(open) },
        ]
    })
}

impl Case<'_> {
    fn measure(&mut self) {
        let Self { name, count, length, work } = self;
        let start = seconds();
        work();
        let runs = (ROUND_SECONDS / (seconds() - start)).ceil() as usize;
        let mut times: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let start = seconds();
                (0..runs).for_each(|_| work());
                (seconds() - start) / runs as f64
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let rate = |seconds: f64| (*count * *length) as f64 / seconds / 1e9;
        let [best, median, worst] = [times[0], times[ROUNDS / 2], times[ROUNDS - 1]];
        let (each_ns, rates) = (median / *count as f64 * 1e9, [best, median, worst].map(rate));
        println!(
            "{name:28} {count:3} of {length:8} bytes: {:6.2} GB/s ({:.2} to {:.2}), {each_ns:9.0} ns each",
            rates[1], rates[2], rates[0]
        );
    }
}

/// Of the processor, for this thread.
fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn noise(length: usize) -> Vec<u8> {
    let mut state: u64 = 88_172_645_463_325_252;
    (0..length / 8)
        .flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .collect()
}
