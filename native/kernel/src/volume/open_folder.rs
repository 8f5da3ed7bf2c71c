//! A folder of a volume, held by descriptor, and what is in it.
//!
//! Guarantees: nothing here follows a symbolic link; a folder is entered only through `open_folder` of the one above it,
//! by a name that is one component, so whatever a pod swaps meanwhile, what is reached lies in the volume. No FIFO or
//! device makes a call wait. Depth and the length of paths do not matter: there are none. As in `src/volume/`, a file
//! system that is mounted below is part of the volume.
//!
//! Errors are those of the system call; `EINVAL` also for a name that is none.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, Stat, Statx, StatxFlags, fstat, openat, openat2,
    readlinkat, seek, statat, statx,
};
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};

use super::NameList;

/// NAME_MAX of Linux.
const NAME_BYTES_MAX: usize = 255;
/// What one `getdents64` fills: some thousand names. An entry of 255 bytes takes 280.
const LISTING_BYTES: usize = 32 << 10;

/// RWF_DONTCACHE, of Linux 6.14. See docs/decisions/page-cache.md.
const UNCACHED: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x80);
/// Less is not worth the clearing of the memory.
const UNCACHED_BYTES_MIN: usize = 16 << 10;

const FOLDER_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Does not wait for the other end of a FIFO; whoever reads checks that it is a regular file.
const FILE_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Which calls this machine has. Old kernels and some sandboxes lack the newer ones; the older ones promise the same, for a
/// name is one component and the last component is never followed. All folders of a volume share one of these.
pub struct SystemCalls {
    has_openat2: bool,
    has_statx: AtomicBool,
    has_uncached_reads: AtomicBool,
    lists_kinds: bool,
}

impl SystemCalls {
    /// Tries the newer calls once, on an open folder.
    fn probe(folder: impl AsFd) -> Self {
        let has_openat2 = !matches!(
            retrying(|| openat2(&folder, ".", OFlags::PATH | FOLDER_FLAGS, Mode::empty(), RESOLVE)),
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::TOOBIG)
        );
        let [has_statx, has_uncached_reads] = [true, true].map(AtomicBool::new);
        Self { has_openat2, has_statx, has_uncached_reads, lists_kinds: true }
    }

    /// The oldest calls alone, and no kinds in listings, as on file systems that tell none.
    pub fn oldest() -> Self {
        let [has_statx, has_uncached_reads] = [false, false].map(AtomicBool::new);
        Self { has_openat2: false, has_statx, has_uncached_reads, lists_kinds: false }
    }

    /// Reads at most `room` bytes behind those that are there; 0 at the end of the file. Where the system can, what is read
    /// does not stay in the page cache, but for what was there before: a backup does not drive out what pods use.
    pub fn read_onto(&self, file: &OwnedFd, bytes: &mut Vec<u8>, room: usize, position: u64) -> Result<usize, Errno> {
        if room >= UNCACHED_BYTES_MIN && self.has_uncached_reads.load(Ordering::Relaxed) {
            let length = bytes.len();
            bytes.resize(length + room, 0);
            let read = retrying(|| preadv2(file, &mut [IoSliceMut::new(&mut bytes[length..])], position, UNCACHED));
            bytes.truncate(length + read.unwrap_or(0));
            match read {
                Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS | Errno::PERM) => {
                    self.has_uncached_reads.store(false, Ordering::Relaxed);
                }
                read => return read,
            }
        }
        read_plainly(file, bytes, room, position)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Folder,
    Symlink,
    /// FIFO, socket, device.
    Other,
}

impl EntryKind {
    fn of(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Folder,
            FileType::Symlink => Self::Symlink,
            _ => Self::Other,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryStat {
    pub kind: EntryKind,
    /// The nine permission bits and set-uid 0o4000, set-gid 0o2000, sticky 0o1000.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Bytes; of a symbolic link, the length of its target.
    pub size: u64,
    /// Since the Unix epoch, as the file system has it.
    pub mtime_seconds: i64,
    pub mtime_nanoseconds: u32,
}

#[derive(Default)]
pub struct NamesByKind {
    pub folders: NameList,
    pub others: NameList,
}

pub struct OpenFolder {
    descriptor: OwnedFd,
    calls: Arc<SystemCalls>,
}

impl OpenFolder {
    /// The root of a volume, which someone else opened.
    pub fn root(descriptor: OwnedFd) -> Self {
        let calls = SystemCalls::probe(&descriptor);
        Self::root_by(calls, descriptor)
    }

    /// The root, with no other calls than these.
    pub fn root_by(calls: SystemCalls, descriptor: OwnedFd) -> Self {
        Self { descriptor, calls: Arc::new(calls) }
    }

    pub fn calls(&self) -> &Arc<SystemCalls> {
        &self.calls
    }

    /// Of the folder itself.
    pub fn stat(&self) -> Result<EntryStat, Errno> {
        retrying(|| fstat(&self.descriptor)).map(|stat| of_stat(&stat))
    }

    pub fn lstat(&self, name: &[u8]) -> Result<EntryStat, Errno> {
        self.look_at(one_component(name)?)
    }

    fn look_at(&self, name: &[u8]) -> Result<EntryStat, Errno> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        if self.calls.has_statx.load(Ordering::Relaxed) {
            match retrying(|| statx(&self.descriptor, name, flags, StatxFlags::BASIC_STATS)) {
                Err(Errno::NOSYS) => self.calls.has_statx.store(false, Ordering::Relaxed),
                found => return found.map(|statx| of_statx(&statx)),
            }
        }
        retrying(|| statat(&self.descriptor, name, flags)).map(|stat| of_stat(&stat))
    }

    pub fn open_folder(&self, name: &[u8]) -> Result<Self, Errno> {
        let descriptor = self.open(name, FOLDER_FLAGS)?;
        Ok(Self { descriptor, calls: Arc::clone(&self.calls) })
    }

    /// For reading. It may be something else than a regular file: the caller looks at what is open.
    pub fn open_file(&self, name: &[u8]) -> Result<OwnedFd, Errno> {
        self.open(name, FILE_FLAGS)
    }

    /// Flags that follow no link, as `O_NOFOLLOW`, and create nothing.
    pub fn open(&self, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let name = one_component(name)?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if self.calls.has_openat2 {
            retrying(|| openat2(&self.descriptor, name, flags, Mode::empty(), RESOLVE))
        } else {
            retrying(|| openat(&self.descriptor, name, flags, Mode::empty()))
        }
    }

    /// The target as it is stored.
    pub fn read_link(&self, name: &[u8]) -> Result<Vec<u8>, Errno> {
        let name = one_component(name)?;
        retrying(|| readlinkat(&self.descriptor, name, vec![])).map(std::ffi::CString::into_bytes)
    }

    /// The names, by what the listing says of them; it may be another kind by the time it is looked at, and a name that
    /// is renamed meanwhile may come twice. Memory: 9 bytes a name and the name.
    pub fn list_names_by_kind(&self) -> Result<NamesByKind, Errno> {
        let mut names = NamesByKind::default();
        self.each_listed(|name, kind| match kind {
            EntryKind::Folder => names.folders.push(name),
            _ => names.others.push(name),
        })?;
        Ok(names)
    }

    /// Every entry by its name and kind, in the order of the file system. What tells no kind is looked at.
    pub fn each_listed(&self, mut each: impl FnMut(&[u8], EntryKind)) -> Result<(), Errno> {
        seek(&self.descriptor, SeekFrom::Start(0))?;
        let mut buffer = Vec::with_capacity(LISTING_BYTES);
        let mut listing = RawDir::new(&self.descriptor, buffer.spare_capacity_mut());
        while let Some(entry) = listing.next() {
            let entry = match entry {
                Err(Errno::INTR) => continue,
                // The folder itself was removed: what was in it is gone.
                Err(Errno::NOENT) => break,
                entry => entry?,
            };
            let name = entry.file_name().to_bytes();
            let Ok(name) = one_component(name) else { continue };
            let kind = match entry.file_type() {
                FileType::Unknown => None,
                kind => self.calls.lists_kinds.then(|| EntryKind::of(kind)),
            };
            // One that does not show its attributes is no folder that could be entered; whoever looks at it hears why.
            let kind = kind.or_else(|| self.look_at(name).ok().map(|stat| stat.kind)).unwrap_or(EntryKind::Other);
            each(name, kind);
        }
        Ok(())
    }
}

impl AsFd for OpenFolder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// The name, where it is one path component that leads down.
pub fn one_component(name: &[u8]) -> Result<&[u8], Errno> {
    let leads_elsewhere = name.is_empty() || name == b"." || name == b"..";
    if leads_elsewhere || name.len() > NAME_BYTES_MAX || name.iter().any(|&byte| byte == b'/' || byte == 0) {
        return Err(Errno::INVAL);
    }
    Ok(name)
}

fn read_plainly(file: &OwnedFd, bytes: &mut Vec<u8>, room: usize, position: u64) -> Result<usize, Errno> {
    let length = bytes.len();
    bytes.reserve(room);
    let spare = &mut bytes.spare_capacity_mut()[..room];
    let count = retrying(|| pread(file.as_fd(), &mut *spare, position).map(|(read, _)| read.len()))?;
    // SAFETY: `pread` has written the first `count` bytes behind `length`, and `count` is at most `room`, which is reserved.
    #[allow(unsafe_code)]
    unsafe {
        bytes.set_len(length + count);
    }
    Ok(count)
}

/// Again where a signal came between.
pub fn retrying<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

fn of_statx(statx: &Statx) -> EntryStat {
    let mode = u32::from(statx.stx_mode);
    EntryStat {
        kind: EntryKind::of(FileType::from_raw_mode(mode)),
        mode: mode & 0o7777,
        uid: statx.stx_uid,
        gid: statx.stx_gid,
        size: statx.stx_size,
        mtime_seconds: statx.stx_mtime.tv_sec,
        mtime_nanoseconds: statx.stx_mtime.tv_nsec,
    }
}

pub(super) fn of_stat(stat: &Stat) -> EntryStat {
    EntryStat {
        kind: EntryKind::of(FileType::from_raw_mode(stat.st_mode)),
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size: stat.st_size as u64,
        mtime_seconds: stat.st_mtime,
        mtime_nanoseconds: stat.st_mtime_nsec as u32,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::temporary_folder::TemporaryFolder;

    impl TemporaryFolder {
        /// By the newest calls and by the oldest.
        fn open_both(&self) -> [OpenFolder; 2] {
            let [newer, older] = [(); 2].map(|()| File::open(&self.0).unwrap().into());
            [OpenFolder::root(newer), OpenFolder::root_by(SystemCalls::oldest(), older)]
        }
    }

    fn texts(names: &NameList) -> Vec<String> {
        let mut texts: Vec<_> = names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        texts.sort();
        texts
    }

    #[test]
    fn newer_and_older_calls_tell_the_same() {
        let volume = TemporaryFolder::new("open-folder-same");
        fs::write(volume.path("file"), "text").unwrap();
        fs::create_dir(volume.path("folder")).unwrap();
        symlink("/etc", volume.path("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, volume.path("pipe").as_os_str().as_bytes(), FileType::Fifo, Mode::RUSR, 0)
            .unwrap();
        let folders = volume.open_both();
        for folder in &folders {
            for _ in 0..2 {
                let names = folder.list_names_by_kind().unwrap();
                assert_eq!(texts(&names.folders), ["folder"]);
                assert_eq!(texts(&names.others), ["file", "link", "pipe"]);
            }
            assert_eq!(folder.read_link(b"link").unwrap(), b"/etc");
            assert_eq!(folder.read_link(b"file").err(), Some(Errno::INVAL));
        }
        let [newer, older] = folders;
        assert_eq!(newer.stat().unwrap(), older.stat().unwrap());
        let kinds = [EntryKind::File, EntryKind::Folder, EntryKind::Symlink, EntryKind::Other];
        for (name, kind) in ["file", "folder", "link", "pipe"].into_iter().zip(kinds) {
            let stat = newer.lstat(name.as_bytes()).unwrap();
            assert_eq!(stat, older.lstat(name.as_bytes()).unwrap());
            assert_eq!(stat.kind, kind);
        }
        assert_eq!(newer.lstat(b"file").unwrap().size, 4);
        assert_eq!(newer.lstat(b"missing").err(), Some(Errno::NOENT));
    }

    #[test]
    fn a_name_is_no_path_and_no_link_is_followed() {
        let volume = TemporaryFolder::new("open-folder-names");
        fs::create_dir(volume.path("folder")).unwrap();
        fs::write(volume.path("folder").join("file"), "text").unwrap();
        symlink("folder", volume.path("link")).unwrap();
        let long = [b'x'; 256];
        for folder in volume.open_both() {
            for name in [&b""[..], b".", b"..", b"folder/file", b"/etc", b"fold\0er", &long] {
                assert_eq!(folder.open_folder(name).err(), Some(Errno::INVAL));
                assert_eq!(folder.open_file(name).err(), Some(Errno::INVAL));
                assert_eq!(folder.lstat(name).err(), Some(Errno::INVAL));
                assert_eq!(folder.read_link(name).err(), Some(Errno::INVAL));
            }
            assert!(matches!(folder.open_folder(b"link").err(), Some(Errno::LOOP | Errno::NOTDIR)));
            assert_eq!(folder.open_file(b"link").err(), Some(Errno::LOOP));
            let below = folder.open_folder(b"folder").unwrap();
            assert!(below.open_file(b"file").is_ok());
            assert_eq!(below.open_folder(b"file").err(), Some(Errno::NOTDIR));
        }
    }

    #[test]
    fn depth_beyond_any_path_does_not_matter() {
        let volume = TemporaryFolder::new("open-folder-deep");
        let name = [b'd'; 255];
        for mut folder in volume.open_both() {
            for _ in 0..40 {
                match rustix::fs::mkdirat(&folder, &name[..], Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => panic!("{errno}"),
                }
                folder = folder.open_folder(&name).unwrap();
            }
            assert!(folder.list_names_by_kind().unwrap().folders.is_empty());
        }
    }

    #[test]
    fn a_file_is_read_the_same_past_the_cache_and_through_it() {
        let volume = TemporaryFolder::new("open-folder-reads");
        let whole: Vec<u8> = (0..100_000u32).map(|i| (i * 7) as u8).collect();
        fs::write(volume.path("file"), &whole).unwrap();
        for folder in volume.open_both() {
            let file = folder.open_file(b"file").unwrap();
            for room in [UNCACHED_BYTES_MIN - 1, UNCACHED_BYTES_MIN, 70_000, 200_000] {
                let mut bytes = b"before".to_vec();
                let mut position = 0;
                while folder.calls().read_onto(&file, &mut bytes, room, position).unwrap() > 0 {
                    position = bytes.len() as u64 - 6;
                }
                assert_eq!(bytes[..6], *b"before");
                assert!(bytes[6..] == whole);
            }
            // What cannot be read at all is an error either way, and changes nothing.
            let mut bytes = b"before".to_vec();
            let errors =
                [10, 70_000].map(|room| folder.calls().read_onto(&folder.descriptor, &mut bytes, room, 0).err());
            assert_eq!(errors, [Some(Errno::ISDIR); 2]);
            assert_eq!(bytes, b"before");
        }
    }

    #[test]
    fn a_folder_of_more_names_than_a_listing_holds_is_listed_whole() {
        let volume = TemporaryFolder::new("open-folder-many");
        let expected: Vec<_> = (0..3000).map(|number| format!("{number:0100}")).collect();
        for name in &expected {
            File::create(volume.path(name)).unwrap();
        }
        for folder in volume.open_both() {
            assert_eq!(texts(&folder.list_names_by_kind().unwrap().others), expected);
        }
    }
}
