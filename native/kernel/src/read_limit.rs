//! Bounds how fast volumes are read, so that who else uses their disks gets his turn.
//!
//! Smooth on purpose: a read is let in when the time has come for its first byte, and takes at most a fiftieth of a second's
//! bytes. What was not used is not saved up. Readers on several threads wait in the order in which they came.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const STEPS_PER_SECOND: u64 = 50;

pub struct ReadLimit(Option<Pace>);

struct Pace {
    bytes_per_second: u64,
    started: Instant,
    schedule: Mutex<Schedule>,
}

/// When the next byte may be read, from the start of the pace.
#[derive(Default)]
struct Schedule {
    free_at: Duration,
}

impl Schedule {
    /// When a read of so many bytes may begin.
    fn reserve(&mut self, now: Duration, bytes: usize, bytes_per_second: u64) -> Duration {
        let begin = self.free_at.max(now);
        self.free_at = begin + Duration::from_secs_f64(bytes as f64 / bytes_per_second as f64);
        begin
    }
}

impl ReadLimit {
    /// `None` for as fast as may be.
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        Self(bytes_per_second.map(|bytes_per_second| Pace {
            bytes_per_second: bytes_per_second.max(1),
            started: Instant::now(),
            schedule: Mutex::default(),
        }))
    }

    /// Waits until it is time to read, and gives how many bytes may be read now: at least one, at most `room`.
    pub fn admit(&self, room: usize) -> usize {
        let Some(pace) = &self.0 else { return room };
        let bytes = room.min(step_bytes(pace.bytes_per_second));
        let now = pace.started.elapsed();
        let begin =
            pace.schedule.lock().unwrap_or_else(PoisonError::into_inner).reserve(now, bytes, pace.bytes_per_second);
        if begin > now {
            std::thread::sleep(begin - now);
        }
        bytes
    }
}

fn step_bytes(bytes_per_second: u64) -> usize {
    usize::try_from((bytes_per_second / STEPS_PER_SECOND).max(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Bytes that begin in each tenth of a second, of a reader that always wants more and of one that pauses.
    fn bytes_by_tenth(bytes_per_second: u64, pause: Option<(Duration, Duration)>) -> Vec<u64> {
        let mut schedule = Schedule::default();
        let (mut now, mut tenths) = (Duration::ZERO, vec![0; 20]);
        while now < 2 * SECOND {
            if let Some((from, to)) = pause
                && now >= from
            {
                now = now.max(to);
            }
            let bytes = step_bytes(bytes_per_second).min(1 << 20);
            now = schedule.reserve(now, bytes, bytes_per_second);
            if let Some(tenth) = tenths.get_mut((now.as_millis() / 100) as usize) {
                *tenth += bytes as u64;
            }
        }
        tenths
    }

    #[test]
    fn no_tenth_of_a_second_has_more_than_its_share_and_a_step() {
        for rate in [1, 1000, 999_999, 20_000_000, 10_000_000_000] {
            let tenths = bytes_by_tenth(rate, None);
            let step = step_bytes(rate) as u64;
            assert!(tenths.iter().all(|&bytes| bytes <= rate / 10 + 2 * step), "{rate}: {tenths:?}");
            let all: u64 = tenths.iter().sum();
            assert!(all >= 2 * rate - rate / 10 && all <= 2 * rate + 2 * step, "{rate}: {all}");
        }
    }

    #[test]
    fn what_was_not_read_is_not_saved_up() {
        let tenths = bytes_by_tenth(1_000_000, Some((SECOND / 2, SECOND)));
        assert!(tenths.iter().all(|&bytes| bytes <= 100_000 + 40_000), "{tenths:?}");
        assert!(tenths[6..9].iter().all(|&bytes| bytes == 0), "{tenths:?}");
    }

    #[test]
    fn without_a_limit_all_is_let_in_at_once() {
        assert_eq!(ReadLimit::new(None).admit(usize::MAX), usize::MAX);
        assert_eq!(ReadLimit::new(Some(5_000)).admit(1 << 20), 100);
    }
}
