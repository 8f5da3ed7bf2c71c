//! Names of what is not finished yet: `.fsb-<16 hex digits>.tmp`. Unguessable, so that nobody waits there with a link.

use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;

use super::open_folder::{EntryKind, OpenFolder, retrying};
use crate::random_stream::RandomStream;

const HEAD: &[u8; 5] = b".fsb-";
const TAIL: &[u8; 4] = b".tmp";
const RANDOM_BYTES: usize = 8;
const NAME_BYTES: usize = HEAD.len() + 2 * RANDOM_BYTES + TAIL.len();

#[derive(Clone, Copy)]
pub struct TemporaryName([u8; NAME_BYTES]);

impl TemporaryName {
    pub fn draw(random: &mut RandomStream) -> Self {
        let mut name = [0; NAME_BYTES];
        name[..HEAD.len()].copy_from_slice(HEAD);
        name[NAME_BYTES - TAIL.len()..].copy_from_slice(TAIL);
        for (digits, byte) in name[HEAD.len()..].chunks_exact_mut(2).zip(random.draw::<RANDOM_BYTES>()) {
            for (digit, value) in digits.iter_mut().zip([byte >> 4, byte & 15]) {
                *digit = b"0123456789abcdef"[usize::from(value)];
            }
        }
        Self(name)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn is_temporary(name: &[u8]) -> bool {
    let digits = name.strip_prefix(HEAD).and_then(|rest| rest.strip_suffix(TAIL));
    digits.is_some_and(|digits| {
        digits.len() == 2 * RANDOM_BYTES && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Takes away what a killed restore left in the folder itself: files and links of such names, which nobody else would
/// ever remove. No restore may be at work in it.
pub fn remove_left_temporaries(folder: &OpenFolder) -> Result<(), Errno> {
    let mut left = vec![];
    folder.each_listed(|name, kind| {
        if kind != EntryKind::Folder && is_temporary(name) {
            left.push(name.to_vec());
        }
    })?;
    for name in left {
        match unlink(folder, &name) {
            Err(errno) if errno != Errno::NOENT => return Err(errno),
            _ => {}
        }
    }
    Ok(())
}

/// A name of this folder, and no path; never a folder.
pub(super) fn unlink(folder: &OpenFolder, name: &[u8]) -> Result<(), Errno> {
    retrying(|| unlinkat(folder, name, AtFlags::empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_name_is_known_as_one_and_others_are_not() {
        let mut random = RandomStream::new(&[3; 32]);
        let [first, second] = [(); 2].map(|()| TemporaryName::draw(&mut random));
        assert!(is_temporary(first.bytes()) && is_temporary(second.bytes()));
        assert_ne!(first.bytes(), second.bytes());
        for name in [
            &b".fsb-0123456789abcdeF.tmp"[..],
            b".fsb-0123456789abcde.tmp",
            b".fsb-0123456789abcdef0.tmp",
            b".fsb-notes.tmp",
            b"fsb-0123456789abcdef.tmp",
            b".fsb-.tmp",
            b"",
        ] {
            assert!(!is_temporary(name), "{}", String::from_utf8_lossy(name));
        }
    }
}
