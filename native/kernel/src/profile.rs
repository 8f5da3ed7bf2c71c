//! Where the time of threads goes, and how long queues are: cheap enough to be always on.
//!
//! Stages are timed a batch or a step at a time, never a tiny file at a time; of short ones a sample is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// In the order of `nativeStages` in src/kernel/native/addon.ts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Stage {
    Walk,
    Read,
    Split,
    Hash,
    LookUp,
    Compress,
    Seal,
    Open,
    Write,
    Attributes,
    Sync,
}

const STAGES: usize = 11;

/// In the order of `nativeQueues` in src/kernel/native/addon.ts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Queue {
    /// Files and chunks that were begun and are not packed yet.
    ReadsAhead,
    /// Packs that wait to be taken.
    PacksWaiting,
    /// Ranges of packs that were asked for and are not used yet.
    RangesAhead,
}

const QUEUES: usize = 3;

/// Of short stages one in so many is timed, and counts for all.
const SAMPLED: u64 = 16;

#[derive(Default)]
pub struct Profile {
    stages: [AtomicU64; STAGES],
    short: [AtomicU64; STAGES],
    queues: [QueueLengths; QUEUES],
}

#[derive(Default)]
struct QueueLengths {
    looks: AtomicU64,
    sum: AtomicU64,
    max: AtomicU64,
}

impl Profile {
    pub fn time<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.add(stage, start.elapsed());
        result
    }

    /// As `time`, for work that takes little more than a look at the clock.
    pub fn time_short<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        if !self.short[stage as usize].fetch_add(1, Ordering::Relaxed).is_multiple_of(SAMPLED) {
            return work();
        }
        let start = Instant::now();
        let result = work();
        self.add(stage, start.elapsed() * SAMPLED as u32);
        result
    }

    pub fn add(&self, stage: Stage, spent: Duration) {
        self.stages[stage as usize].fetch_add(spent.as_nanos() as u64, Ordering::Relaxed);
    }

    /// The length as it is when somebody looks: when something is put in or taken out.
    pub fn queue(&self, queue: Queue, length: usize) {
        let QueueLengths { looks, sum, max } = &self.queues[queue as usize];
        looks.fetch_add(1, Ordering::Relaxed);
        sum.fetch_add(length as u64, Ordering::Relaxed);
        max.fetch_max(length as u64, Ordering::Relaxed);
    }

    /// Nanoseconds of each stage, then of each queue how often it was looked at, the sum of its lengths, and the largest.
    pub fn read(&self) -> Vec<f64> {
        let stages = self.stages.iter();
        let queues = self.queues.iter().flat_map(|QueueLengths { looks, sum, max }| [looks, sum, max]);
        stages.chain(queues).map(|number| number.load(Ordering::Relaxed) as f64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_adds_up_by_stage_and_lengths_by_queue() {
        let profile = Profile::default();
        profile.add(Stage::Walk, Duration::from_nanos(5));
        profile.add(Stage::Sync, Duration::from_nanos(7));
        profile.add(Stage::Sync, Duration::from_nanos(7));
        assert_eq!(profile.time(Stage::Read, || 3), 3);
        for length in [4, 1, 0] {
            profile.queue(Queue::RangesAhead, length);
        }
        let numbers = profile.read();
        assert_eq!(numbers.len(), STAGES + 3 * QUEUES);
        assert_eq!((numbers[0], numbers[STAGES - 1]), (5.0, 14.0));
        assert_eq!(numbers[STAGES + 6..], [3.0, 5.0, 4.0]);
    }

    #[test]
    fn of_short_work_all_is_done_and_some_is_timed() {
        let profile = Profile::default();
        let mut done = 0;
        for _ in 0..100 {
            profile.time_short(Stage::LookUp, || done += 1);
        }
        assert_eq!(done, 100);
        assert_eq!(profile.short[Stage::LookUp as usize].load(Ordering::Relaxed), 100);
    }
}
