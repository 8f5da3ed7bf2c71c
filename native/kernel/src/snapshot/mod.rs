//! A stored file tree: folder objects, their entries and summaries, as bytes.
//!
//! What `src/snapshot/*.ts` writes and reads, byte for byte; the same bytes are taken and refused, for the same reasons.

mod base64;
pub mod directory_entry;
pub mod folder_object;
pub mod go_json;
pub mod go_time;
pub mod mode;
pub mod snapshot_error;
mod stored_fields;
pub mod summary;
pub mod unchanged;
