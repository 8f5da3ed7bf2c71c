//! A folder in a folder, whatever is in the way.

use rustix::fs::{Mode, mkdirat};
use rustix::io::Errno;

use super::open_folder::{OpenFolder, one_component, retrying};
use super::temporary::unlink;

/// Rounds in which someone else undid what the round before did.
const ROUNDS_MAX: u32 = 64;

pub struct MadeFolder {
    pub folder: OpenFolder,
    /// It was not there: nobody else has put anything into it, and nobody but its owner can, until it has its attributes.
    pub is_new: bool,
}

/// Opens the folder of that name. One that exists is kept as it is, with what it holds; anything else is unlinked, never
/// followed, and a new folder made, for its owner only (0700) until its attributes are set.
///
/// `EBUSY` when something else keeps appearing there.
pub fn make_folder(parent: &OpenFolder, name: &[u8]) -> Result<MadeFolder, Errno> {
    let name = one_component(name)?;
    for _ in 0..ROUNDS_MAX {
        let is_new = match retrying(|| mkdirat(parent, name, Mode::RWXU)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(errno),
        };
        match parent.open_folder(name) {
            Ok(folder) => return Ok(MadeFolder { folder, is_new }),
            Err(Errno::NOENT) => continue,
            Err(Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => {}
            Err(errno) => return Err(errno),
        }
        match unlink(parent, name) {
            // The folder is back, and the next round opens it.
            Ok(()) | Err(Errno::NOENT | Errno::ISDIR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno::BUSY)
}
