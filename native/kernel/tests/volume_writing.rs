//! The write side of a volume: what is made, what is replaced, and what is never followed.

#[path = "support/temporary_folder.rs"]
mod temporary_folder;

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use fsb_kernel::random_stream::RandomStream;
use fsb_kernel::volume::Errno;
use fsb_kernel::volume::attributes::{Attributes, Newborn};
use fsb_kernel::volume::make_folder::make_folder;
use fsb_kernel::volume::make_symlink::make_symlink;
use fsb_kernel::volume::new_file::{Folder, NewFile, Zeros};
use fsb_kernel::volume::open_folder::OpenFolder;
use fsb_kernel::volume::temporary::{TemporaryName, remove_left_temporaries};
use temporary_folder::TemporaryFolder;

impl TemporaryFolder {
    fn open(&self) -> OpenFolder {
        OpenFolder::root(File::open(&self.0).unwrap().into())
    }

    fn names(&self) -> Vec<String> {
        names_in(&self.0)
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What a file has that this process makes, but for mode and time.
fn own(mode: u32) -> Attributes {
    let own = fs::metadata("/proc/self").unwrap();
    Attributes { mode, uid: own.uid(), gid: own.gid(), mtime_seconds: -5, mtime_nanoseconds: 123_456_789 }
}

fn names() -> impl FnMut() -> TemporaryName {
    let mut random = RandomStream::new(&[9; 32]);
    move || TemporaryName::draw(&mut random)
}

#[test]
fn a_file_is_put_in_place_whole_with_all_its_attributes_wherever_it_is_made() {
    let volume = TemporaryFolder::new("volume-writing-file");
    let (folder, newborn, mut name) = (volume.open(), Newborn::default(), names());
    for mode in [0o644, 0o666, 0o000, 0o4755, 0o1777, 0o600] {
        for seen_by in [Folder::Private, Folder::Shared] {
            fs::write(volume.path("file"), "old, and longer than what replaces it").unwrap();
            let file = NewFile::create(&folder, name(), mode, seen_by, Zeros::Written).unwrap();
            file.write_at(b"world", 6).unwrap();
            file.write_at(b"hello ", 0).unwrap();
            assert_eq!(fs::read(volume.path("file")).unwrap()[..3], *b"old");
            let difference = file.commit(&folder, b"file", 11, &own(mode), &newborn).unwrap();
            assert_eq!(difference, None, "mode {mode:o}");
            let found = fs::metadata(volume.path("file")).unwrap();
            assert_eq!((found.mode() & 0o7777, found.mtime(), found.mtime_nsec()), (mode, -5, 123_456_789));
            fs::set_permissions(volume.path("file"), fs::Permissions::from_mode(0o600)).unwrap();
            assert_eq!(fs::read(volume.path("file")).unwrap(), b"hello world");
            assert_eq!(volume.names(), ["file"]);
        }
    }
}

#[test]
fn another_owner_is_set_or_told_as_a_difference() {
    let volume = TemporaryFolder::new("volume-writing-owner");
    let (folder, newborn, mut name) = (volume.open(), Newborn::default(), names());
    let wanted = Attributes { uid: 1234, gid: 5678, ..own(0o640) };
    for _ in 0..2 {
        let file = NewFile::create(&folder, name(), 0o640, Folder::Private, Zeros::Written).unwrap();
        let difference = file.commit(&folder, b"file", 0, &wanted, &newborn).unwrap();
        let found = fs::metadata(volume.path("file")).unwrap();
        match difference {
            None => assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (1234, 5678, 0o640)),
            Some(difference) => assert_eq!(difference.refusals.owner, Some(Errno::PERM)),
        }
    }
}

#[test]
fn blocks_of_zeros_are_left_out_where_that_is_wanted_and_read_as_zeros() {
    let volume = TemporaryFolder::new("volume-writing-holes");
    let (folder, newborn, mut name) = (volume.open(), Newborn::default(), names());
    let mut bytes = vec![0; 1 << 20];
    bytes[300_000] = 1;
    for (zeros, is_sparse) in [(Zeros::Holes, true), (Zeros::Written, false)] {
        let file = NewFile::create(&folder, name(), 0o600, Folder::Shared, zeros).unwrap();
        file.write_at(&bytes[..500_001], 0).unwrap();
        file.write_at(&bytes[500_001..], 500_001).unwrap();
        file.commit(&folder, b"file", bytes.len() as u64, &own(0o600), &newborn).unwrap();
        assert!(fs::read(volume.path("file")).unwrap() == bytes);
        let blocks = fs::metadata(volume.path("file")).unwrap().blocks();
        assert!(if is_sparse { blocks <= 512 } else { blocks >= 2048 }, "{blocks} blocks");
    }
}

#[test]
fn a_file_over_a_folder_or_under_a_name_that_is_none_leaves_nothing_behind() {
    let volume = TemporaryFolder::new("volume-writing-in-the-way");
    fs::create_dir(volume.path("folder")).unwrap();
    let (folder, newborn, mut name) = (volume.open(), Newborn::default(), names());
    for (target, errno) in
        [(&b"folder"[..], Errno::ISDIR), (b"..", Errno::INVAL), (b"a/b", Errno::INVAL), (b"", Errno::INVAL)]
    {
        let file = NewFile::create(&folder, name(), 0o600, Folder::Shared, Zeros::Written).unwrap();
        assert_eq!(file.commit(&folder, target, 0, &own(0o600), &newborn), Err(errno));
    }
    NewFile::create(&folder, name(), 0o600, Folder::Shared, Zeros::Written).unwrap().discard(&folder);
    assert_eq!(volume.names(), ["folder"]);
}

#[test]
fn a_link_replaces_what_bears_its_name_and_touches_nothing_else() {
    let volume = TemporaryFolder::new("volume-writing-link");
    fs::write(volume.path("outside"), "outside").unwrap();
    let outside = fs::metadata(volume.path("outside")).unwrap();
    symlink("outside", volume.path("link")).unwrap();
    let (folder, mut name) = (volume.open(), names());
    assert_eq!(make_symlink(&folder, b"link", b"../nowhere", &own(0), &name()), Ok(None));
    let found = fs::symlink_metadata(volume.path("link")).unwrap();
    assert_eq!((found.mtime(), found.mtime_nsec()), (-5, 123_456_789));
    assert_eq!(fs::read_link(volume.path("link")).unwrap(), Path::new("../nowhere"));
    for target in [&b""[..], b"a\0b", &[b'x'; 4096]] {
        assert_eq!(make_symlink(&folder, b"bad", target, &own(0), &name()), Err(Errno::INVAL));
    }
    assert_eq!(volume.names(), ["link", "outside"]);
    assert_eq!(fs::metadata(volume.path("outside")).unwrap().mtime(), outside.mtime());
}

#[test]
fn a_folder_is_kept_where_there_is_one_and_made_where_anything_else_is() {
    let volume = TemporaryFolder::new("volume-writing-folder");
    fs::create_dir_all(volume.path("outside/kept")).unwrap();
    symlink("outside", volume.path("link")).unwrap();
    fs::write(volume.path("file"), "old").unwrap();
    let folder = volume.open();
    for (name, is_new, holds) in
        [("link", true, &[][..]), ("file", true, &[]), ("fresh", true, &[]), ("outside", false, &["kept"])]
    {
        let made = make_folder(&folder, name.as_bytes()).unwrap();
        assert_eq!(made.is_new, is_new, "{name}");
        assert!(fs::symlink_metadata(volume.path(name)).unwrap().is_dir());
        assert_eq!(names_in(&volume.path(name)), holds);
    }
    assert_eq!(make_folder(&folder, b"a/b").err(), Some(Errno::INVAL));
    assert_eq!(fs::metadata(volume.path("fresh")).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn what_a_killed_restore_left_is_taken_away_and_nothing_else() {
    let volume = TemporaryFolder::new("volume-writing-left");
    fs::write(volume.path(".fsb-0123456789abcdef.tmp"), "half").unwrap();
    symlink("kept", volume.path(".fsb-1123456789abcdef.tmp")).unwrap();
    fs::create_dir(volume.path(".fsb-2123456789abcdef.tmp")).unwrap();
    fs::write(volume.path(".fsb-notes.tmp"), "mine").unwrap();
    fs::write(volume.path("kept"), "mine").unwrap();
    remove_left_temporaries(&volume.open()).unwrap();
    assert_eq!(volume.names(), [".fsb-2123456789abcdef.tmp", ".fsb-notes.tmp", "kept"]);
}
