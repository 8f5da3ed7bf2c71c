//! A volume into folder objects: walked, compared with the parent snapshot, read, stored, in the order of
//! `src/backup/folder-walk.ts`, which is the reference.

mod file_reading;
pub mod folder_stack;
pub mod object_writer;
pub mod parent_folder;
pub mod pipeline;
pub mod tree_run;
pub mod walker;
