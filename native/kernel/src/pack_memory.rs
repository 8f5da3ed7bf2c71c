//! Memory for packs, taken again and again: fresh memory costs a page fault every 4 KiB, and 20 MiB are filled in a few
//! milliseconds.
//!
//! A pack that is dropped gives its memory back, whoever held it and on whatever thread. So many are kept as are filled
//! and put at the same time; when the last user has closed it, none is.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One open of each kind, one full, two being put; see `packsInFlight` in src/repository/content/content-writer.ts.
const SPARE_MAX: usize = 3;

pub struct PackMemory {
    /// What stays resident of memory that is kept: a pack is full by its last content, of up to 8 MiB.
    kept_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    spare: Vec<Vec<u8>>,
    closed: bool,
}

impl PackMemory {
    pub fn new(kept_bytes: usize) -> Self {
        Self { kept_bytes, state: Mutex::default() }
    }

    /// Empty, with room for `capacity` bytes.
    pub fn take(&self, capacity: usize) -> Vec<u8> {
        let mut bytes = self.lock().spare.pop().unwrap_or_default();
        bytes.reserve_exact(capacity);
        bytes
    }

    /// Keeps nothing from now on.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let spare = std::mem::take(&mut state.spare);
        drop(state);
        drop(spare);
    }

    fn give_back(&self, mut bytes: Vec<u8>) {
        bytes.clear();
        bytes.shrink_to(self.kept_bytes);
        let mut state = self.lock();
        if !state.closed && state.spare.len() < SPARE_MAX {
            state.spare.push(bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of a pack, in memory that goes back where it came from.
pub struct PackBytes {
    bytes: Vec<u8>,
    memory: Arc<PackMemory>,
}

impl PackBytes {
    pub fn new(bytes: Vec<u8>, memory: Arc<PackMemory>) -> Self {
        Self { bytes, memory }
    }

    /// For who hands the memory on, and drops this when it is no longer used.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.bytes.as_mut_ptr()
    }
}

impl Deref for PackBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for PackBytes {
    fn drop(&mut self) {
        self.memory.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(memory: &Arc<PackMemory>, value: u8) -> PackBytes {
        let mut bytes = memory.take(1000);
        bytes.resize(1000, value);
        PackBytes::new(bytes, Arc::clone(memory))
    }

    #[test]
    fn memory_that_was_given_back_is_taken_again_and_empty() {
        let memory = Arc::new(PackMemory::new(1000));
        let first = filled(&memory, 1);
        let address = first.as_ptr();
        drop(first);
        let again = memory.take(1000);
        assert_eq!((again.as_ptr(), again.len()), (address, 0));
        assert!(again.capacity() >= 1000);
    }

    #[test]
    fn no_more_is_kept_than_is_used_at_once_and_none_once_it_is_closed() {
        let memory = Arc::new(PackMemory::new(1000));
        let packs: Vec<PackBytes> = (0..10).map(|value| filled(&memory, value)).collect();
        drop(packs);
        assert_eq!(memory.lock().spare.len(), SPARE_MAX);
        let late = filled(&memory, 1);
        memory.close();
        drop(late);
        assert_eq!(memory.lock().spare.len(), 0);
    }
}
