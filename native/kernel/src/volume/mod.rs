//! A file tree on this node, by descriptors: `src/volume/` has the same for the reference walk.

pub mod attributes;
pub mod display_path;
pub mod errno_name;
pub mod make_folder;
pub mod make_symlink;
mod name_list;
pub mod new_file;
pub mod open_folder;
pub mod temporary;

pub use name_list::NameList;
pub use rustix::io::Errno;
