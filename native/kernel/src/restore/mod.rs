//! A stored tree into an open folder: the straight path, on several threads.
//!
//! A walk decodes folder objects, makes folders by descriptor and looks up where each content lies. What it finds
//! gathers into batches over many folders; a batch is sorted by place, and whoever drives the run fetches ranges of packs.
//! A range is opened where it lies in memory, checked, and written; a folder gets its attributes when all below it is
//! done. What is not straight (a content that is damaged or nowhere, a refused system call, an entry of an unknown kind)
//! is left, entry by entry, to the reference in `src/restore/`, which tries it again and names what is wrong.

mod entry;
mod opening;
mod place;
mod run;
mod tree;
mod walk;

pub use entry::{Entry, EntryKind};
pub use place::{ContentForm, PlacedTable};
pub use run::{
    Batch, Counts, DifferenceOfEntry, FetchedBytes, Left, LeftKind, RestoreOptions, RestoreRun, WantedObject,
    WantedRange,
};
