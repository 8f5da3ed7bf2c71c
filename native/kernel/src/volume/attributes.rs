//! Owner, mode and modification time: set by descriptor, then read back.
//!
//! What a file system does not take, because it squashes root, has no owners or rounds times, is no error but a
//! difference that the caller reports. Trouble with the storage itself is an error. The twin of
//! `src/volume/attributes.ts`.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, chownat, fchmod, fchown, fstat, futimens, utimensat,
};
use rustix::io::Errno;

use super::open_folder::{EntryStat, of_stat, retrying};

/// Of a symbolic link the mode does not count: Linux has none for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The twelve permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Since the Unix epoch. Also becomes the access time, as kopia restores it.
    pub mtime_seconds: i64,
    pub mtime_nanoseconds: u32,
}

/// Why setting an attribute was refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    pub owner: Option<Errno>,
    pub mode: Option<Errno>,
    pub mtime: Option<Errno>,
}

/// What reading back found that is not all as it was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    pub found: EntryStat,
    pub refusals: Refusals,
}

/// What new files of a volume are like before anything is set, as reading back has shown so far. A guess: reading back
/// decides each time, and where it was wrong everything is set.
pub struct Newborn {
    /// Owner and group, of which the process's own are the first guess.
    owner: AtomicU64,
    /// Permission bits that creating with them does not give: the umask's.
    lost_mode: AtomicU32,
}

impl Default for Newborn {
    fn default() -> Self {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        Self { owner: AtomicU64::new(owner_of(uid.as_raw(), gid.as_raw())), lost_mode: AtomicU32::new(0) }
    }
}

impl Newborn {
    fn has_owner(&self, wanted: &Attributes) -> bool {
        self.owner.load(Ordering::Relaxed) == owner_of(wanted.uid, wanted.gid)
    }

    /// After a file was created with `mode`.
    fn has_mode(&self, wanted: &Attributes, created_mode: Option<u32>) -> bool {
        created_mode == Some(wanted.mode) && wanted.mode & self.lost_mode.load(Ordering::Relaxed) == 0
    }

    fn learn(&self, wanted: &Attributes, found: &EntryStat, owner_was_set: bool, mode_was_set: bool) {
        if !owner_was_set {
            self.owner.store(owner_of(found.uid, found.gid), Ordering::Relaxed);
        }
        if !mode_was_set {
            self.lost_mode.fetch_or(wanted.mode & !found.mode, Ordering::Relaxed);
        }
    }
}

fn owner_of(uid: u32, gid: u32) -> u64 {
    u64::from(uid) << 32 | u64::from(gid)
}

/// Sets them on the open file or folder and gives what reading back found different. Owner before mode, because a change
/// of owner takes the set-uid and set-gid bits away; times last.
///
/// Of a file that was made with `created_mode` and has its owner already, what seems right is not set: two calls
/// of some eight. Reading back decides, so nothing depends on the guess. `size` is what the file shall have.
pub fn apply(
    file: impl AsFd,
    wanted: &Attributes,
    size: Option<u64>,
    created_mode: Option<u32>,
    newborn: &Newborn,
) -> Result<Option<Difference>, Errno> {
    let file = file.as_fd();
    let (mut sets_owner, mut sets_mode) = (!newborn.has_owner(wanted), !newborn.has_mode(wanted, created_mode));
    loop {
        let mut refusals = Refusals::default();
        if sets_owner {
            let (uid, gid) = (Some(Uid::from_raw(wanted.uid)), Some(Gid::from_raw(wanted.gid)));
            refusals.owner = refusal(|| fchown(file, uid, gid))?;
        }
        if sets_mode {
            refusals.mode = refusal(|| fchmod(file, Mode::from_raw_mode(wanted.mode)))?;
        }
        refusals.mtime = refusal(|| futimens(file, &times_of(wanted)))?;
        let found = retrying(|| fstat(file)).map(|stat| of_stat(&stat))?;
        let has_owner = (found.uid, found.gid) == (wanted.uid, wanted.gid);
        let has_mode = found.mode == wanted.mode;
        if (has_owner || sets_owner) && (has_mode || sets_mode) {
            let is_as_wanted =
                has_owner && has_mode && has_times(&found, wanted) && size.is_none_or(|size| found.size == size);
            return Ok((!is_as_wanted).then_some(Difference { found, refusals }));
        }
        newborn.learn(wanted, &found, sets_owner, sets_mode);
        (sets_owner, sets_mode) = (true, true);
    }
}

/// The same for a symbolic link that is open as such (`O_PATH`).
pub fn apply_to_link(link: impl AsFd, wanted: &Attributes) -> Result<Option<Difference>, Errno> {
    let link = link.as_fd();
    let (uid, gid) = (Some(Uid::from_raw(wanted.uid)), Some(Gid::from_raw(wanted.gid)));
    let owner = refusal(|| chownat(link, "", uid, gid, AtFlags::EMPTY_PATH))?;
    // The descriptor's own path ends at the link, it is not followed further; kernels before 5.8 know no other way.
    let path = format!("/proc/self/fd/{}", link.as_raw_fd());
    let mtime = refusal(|| utimensat(CWD, &path, &times_of(wanted), AtFlags::empty()))?;
    let found = retrying(|| fstat(link)).map(|stat| of_stat(&stat))?;
    let is_as_wanted = (found.uid, found.gid) == (wanted.uid, wanted.gid) && has_times(&found, wanted);
    Ok((!is_as_wanted).then_some(Difference { found, refusals: Refusals { owner, mode: None, mtime } }))
}

fn has_times(found: &EntryStat, wanted: &Attributes) -> bool {
    (found.mtime_seconds, found.mtime_nanoseconds) == (wanted.mtime_seconds, wanted.mtime_nanoseconds)
}

fn times_of(wanted: &Attributes) -> Timestamps {
    let time = Timespec { tv_sec: wanted.mtime_seconds, tv_nsec: wanted.mtime_nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

/// Setting an attribute may fail with these: not permitted, not known to this kind of file system (SMB, FUSE), or an
/// owner that does not exist in this user namespace or mount.
fn refusal(set: impl FnMut() -> Result<(), Errno>) -> Result<Option<Errno>, Errno> {
    match retrying(set) {
        Ok(()) => Ok(None),
        Err(errno @ (Errno::PERM | Errno::ACCESS | Errno::NOTSUP | Errno::INVAL | Errno::NOSYS | Errno::OVERFLOW)) => {
            Ok(Some(errno))
        }
        Err(errno) => Err(errno),
    }
}
