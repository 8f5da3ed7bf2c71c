//! What holds for all work of a process: how many threads do it, how fast volumes are read, with what priority; and what
//! is told of it.

use std::cell::Cell;

use rustix::io::Errno;
use rustix::process::setpriority_process;

use crate::profile::Profile;
use crate::read_limit::ReadLimit;

/// I/O priority of threads, as ioprio_set(2) takes it. It counts where the disk's scheduler knows priorities (bfq does).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoPriority {
    /// Only when nobody else wants the disk.
    Idle,
    /// From 0, the highest, to 7.
    BestEffort(u8),
}

const THREADS_MAX: usize = 16;

pub struct Conditions {
    /// Of each pool, its caller among them where he works too. `new` keeps it from 1 to `THREADS_MAX`.
    pub threads: usize,
    pub read_limit: ReadLimit,
    pub io_priority: Option<IoPriority>,
    /// 1 to 19: how far other processes are let go first.
    pub niceness: Option<u8>,
    pub profile: Profile,
}

thread_local! {
    static ADOPTED: Cell<bool> = const { Cell::new(false) };
}

impl Conditions {
    pub fn new(threads: usize) -> Self {
        let (read_limit, profile) = (ReadLimit::new(None), Profile::default());
        let threads = threads.clamp(1, THREADS_MAX);
        Self { threads, read_limit, io_priority: None, niceness: None, profile }
    }

    /// Gives the calling thread its priorities, for as long as it lives; those that it starts have them too. Done once a
    /// thread, and nothing where there are none to give.
    pub fn adopt(&self) -> Result<(), Errno> {
        if (self.io_priority.is_none() && self.niceness.is_none()) || ADOPTED.replace(true) {
            return Ok(());
        }
        if let Some(niceness) = self.niceness {
            setpriority_process(None, i32::from(niceness))?; // Of the thread: Linux has it for each.
        }
        self.io_priority.map_or(Ok(()), set_io_priority)
    }
}

/// Source: linux/ioprio.h.
fn set_io_priority(priority: IoPriority) -> Result<(), Errno> {
    const WHO_PROCESS: libc::c_int = 1;
    const CLASS_SHIFT: u32 = 13;
    let (class, level): (libc::c_int, u8) = match priority {
        IoPriority::BestEffort(level) => (2, level),
        IoPriority::Idle => (3, 0),
    };
    let value = (class << CLASS_SHIFT) | libc::c_int::from(level);
    // SAFETY: the call takes three numbers and touches no memory; 0 stands for the calling thread.
    #[allow(unsafe_code)]
    let result = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, value) };
    if result == 0 {
        return Ok(());
    }
    let errno = std::io::Error::last_os_error();
    Err(Errno::from_io_error(&errno).unwrap_or(Errno::INVAL))
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn a_thread_adopts_the_priorities_once_and_others_keep_theirs() {
        let before = getpriority_process(None).unwrap();
        let conditions =
            Conditions { niceness: Some(19), io_priority: Some(IoPriority::BestEffort(7)), ..Conditions::new(1) };
        std::thread::spawn(move || {
            conditions.adopt().unwrap();
            assert_eq!(getpriority_process(None).unwrap(), 19);
            let read = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            assert_eq!(read.rsplit(") ").next().unwrap().split(' ').nth(16), Some("19"));
            conditions.adopt().unwrap();
        })
        .join()
        .unwrap();
        assert_eq!(getpriority_process(None).unwrap(), before);
    }

    #[test]
    fn a_thread_has_the_io_priority_that_it_was_given() {
        std::thread::spawn(|| {
            for (priority, class_and_level) in [(IoPriority::BestEffort(5), (2, 5)), (IoPriority::Idle, (3, 0))] {
                set_io_priority(priority).unwrap();
                // SAFETY: as for the call that sets it.
                #[allow(unsafe_code)]
                let value = unsafe { libc::syscall(libc::SYS_ioprio_get, 1, 0) };
                assert_eq!((value >> 13, value & 7), class_and_level);
            }
        })
        .join()
        .unwrap();
    }
}
