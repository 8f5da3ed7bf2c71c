//! Splits a file by buzhash, as kopia does, or by FastCDC with the same bounds, for bench/splitter.ts.
//!
//! `split buzhash|fastcdc ROUNDS FILE` tells the seconds of processor time of the fastest round, and then the length of
//! each chunk, a line each.

use std::error::Error;

use fastcdc::v2020::FastCDC;
use fsb_kernel::buzhash::{Cutter, DYNAMIC_4M};
use rustix::time::{ClockId, clock_gettime};

const AVERAGE: usize = 4 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [splitter, rounds, file] = args.as_slice() else { return Err("wants SPLITTER ROUNDS FILE".into()) };
    let split = match splitter.as_str() {
        "buzhash" => by_buzhash,
        "fastcdc" => by_fastcdc,
        _ => return Err("knows buzhash and fastcdc".into()),
    };
    let bytes = std::fs::read(file)?;
    let mut fastest = f64::INFINITY;
    let mut lengths = vec![];
    for _ in 0..rounds.parse::<usize>()? {
        let start = seconds();
        lengths = split(&bytes);
        fastest = fastest.min(seconds() - start);
    }
    println!("{fastest}");
    for length in lengths {
        println!("{length}");
    }
    Ok(())
}

/// Of the processor, for this thread.
fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn by_buzhash(bytes: &[u8]) -> Vec<usize> {
    let mut lengths = vec![];
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = Cutter::new(DYNAMIC_4M).scan(rest).unwrap_or(rest.len());
        lengths.push(length);
        rest = &rest[length..];
    }
    lengths
}

fn by_fastcdc(bytes: &[u8]) -> Vec<usize> {
    FastCDC::new(bytes, AVERAGE / 2, AVERAGE, AVERAGE * 2).map(|chunk| chunk.length).collect()
}
