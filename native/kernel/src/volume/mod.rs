//! A file tree on this node, by descriptors: `src/volume/` has the same for the reference walk.

pub mod display_path;
pub mod errno_name;
mod name_list;
pub mod open_folder;

pub use name_list::NameList;
