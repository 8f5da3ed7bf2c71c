//! The kernel, native: bytes in, bytes out. It walks volumes, splits, hashes, looks up what is known, seals, and builds packs
//! and folder objects; and on the way back opens, checks and gives plain bytes.
//!
//! It does what `src/kernel/typescript/` does, byte for byte; that is the reference, and `src/kernel/kernel.ts` says what
//! both promise. Nothing here knows of Node: `addon/` converts, and only converts.

pub mod backup;
pub mod buzhash;
pub mod c_heap;
pub mod chunk;
pub mod compression;
pub mod conditions;
pub mod content_table;
pub mod contents;
pub mod error;
pub mod format;
pub mod hashing;
pub mod index_blob;
pub mod indirect_list;
pub mod interrupted;
pub mod object_id;
mod pack_builder;
pub mod pack_memory;
pub mod packer;
pub mod processor;
pub mod profile;
pub mod random_stream;
pub mod read_ahead;
pub mod read_limit;
pub mod restore;
pub mod scrypt;
pub mod sealing;
pub mod snapshot;
pub mod table_merge;
#[cfg(test)]
#[path = "../tests/support/temporary_folder.rs"]
mod temporary_folder;
pub mod volume;
