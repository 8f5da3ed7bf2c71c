//! A symbolic link, with its owner and time, in place of what bore its name.

use rustix::fs::{OFlags, renameat, symlinkat};
use rustix::io::Errno;

use super::attributes::{Attributes, Difference, apply_to_link};
use super::open_folder::{EntryKind, OpenFolder, of_stat, one_component, retrying};
use super::temporary::{TemporaryName, unlink};

/// PATH_MAX of Linux without the NUL that ends it.
pub const TARGET_BYTES_MAX: usize = 4095;

/// Made under a temporary name, held by descriptor while its attributes are set, then renamed; so neither the old
/// entry's target nor something put in the temporary one's place is touched. Gives what reading back found different.
///
/// `EINVAL` for a target that is none: it has 1 to 4095 bytes without NUL. `EBUSY` when someone replaced the temporary
/// link.
pub fn make_symlink(
    parent: &OpenFolder,
    name: &[u8],
    target: &[u8],
    wanted: &Attributes,
    temporary: &TemporaryName,
) -> Result<Option<Difference>, Errno> {
    let name = one_component(name)?;
    if target.is_empty() || target.len() > TARGET_BYTES_MAX || target.contains(&0) {
        return Err(Errno::INVAL);
    }
    let temporary = temporary.bytes();
    retrying(|| symlinkat(target, parent, temporary))?;
    let made = set_attributes(parent, temporary, wanted)
        .and_then(|difference| retrying(|| renameat(parent, temporary, parent, name)).map(|()| difference));
    if made.is_err() {
        let _ = unlink(parent, temporary); // What failed first tells more.
    }
    made
}

fn set_attributes(parent: &OpenFolder, temporary: &[u8], wanted: &Attributes) -> Result<Option<Difference>, Errno> {
    let link = parent.open(temporary, OFlags::PATH)?;
    if retrying(|| rustix::fs::fstat(&link)).map(|stat| of_stat(&stat))?.kind != EntryKind::Symlink {
        return Err(Errno::BUSY);
    }
    apply_to_link(&link, wanted)
}
