//! A folder of the parent snapshot, asked for its entries by name. Both sides are sorted alike, so one pass over the stored
//! bytes answers all.
//!
//! The stored bytes of sub-folders are asked for ahead of the walk, so that a tree of many small folders costs few round
//! trips: next to what the walk needs, those of the folders that it comes to next, and of the folders in these.

use std::cmp::Ordering as Place;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::snapshot::directory_entry::{DirectoryEntry, EntryKind};
use crate::snapshot::folder_object::{EntryCursor, decode_folder};

/// So many folders ahead of the walk are asked for or here.
pub const FOLDERS_AHEAD_MAX: usize = 512;
/// Beyond so many bytes that are here nothing is asked for ahead.
const HELD_BYTES_MAX: usize = 8 << 20;

pub enum Answer {
    /// The stored bytes.
    Bytes(Vec<u8>),
    /// Why they cannot be read.
    Unreadable(String),
    /// It was not read: it is to be asked for again when the walk comes to it.
    Later,
}

/// Of a folder of the parent snapshot, what the walk has of it.
#[derive(Default)]
pub enum ParentState {
    /// There is none, or it cannot be read.
    #[default]
    None,
    Unasked(Box<str>),
    Asked(u32, Box<str>),
    Here(Box<ParentFolder>),
    /// Told when the walk comes to it, then it is none.
    Unreadable(String),
}

/// An object that someone has to read.
#[derive(Debug, PartialEq, Eq)]
pub struct WantedFolder {
    pub number: u32,
    pub object_id: Box<str>,
}

/// Numbers what is asked for, and counts what is here.
#[derive(Default)]
pub struct Asking {
    next_number: u32,
    held: Arc<AtomicUsize>,
    pub wanted: Vec<WantedFolder>,
}

impl Asking {
    pub fn ask(&mut self, state: &mut ParentState) {
        if let ParentState::Unasked(object_id) = state {
            let number = self.next_number;
            self.next_number += 1;
            let object_id = std::mem::take(object_id);
            self.wanted.push(WantedFolder { number, object_id: object_id.clone() });
            *state = ParentState::Asked(number, object_id);
        }
    }

    pub fn may_ask_ahead(&self) -> bool {
        self.held.load(Ordering::Relaxed) < HELD_BYTES_MAX
    }
}

impl ParentState {
    /// Puts what was answered in its place, here and below.
    pub fn take_answers(&mut self, answers: &mut HashMap<u32, Answer>, asking: &Asking) {
        match self {
            Self::Asked(number, object_id) => {
                let Some(answer) = answers.remove(number) else { return };
                *self = match answer {
                    Answer::Bytes(bytes) => match ParentFolder::new(bytes, &asking.held) {
                        Ok(folder) => Self::Here(Box::new(folder)),
                        Err(error) => Self::Unreadable(error.to_string()),
                    },
                    Answer::Unreadable(why) => Self::Unreadable(why),
                    Answer::Later => Self::Unasked(std::mem::take(object_id)),
                };
            }
            Self::Here(folder) => folder.ahead.iter_mut().for_each(|(_, state)| state.take_answers(answers, asking)),
            Self::None | Self::Unasked(_) | Self::Unreadable(_) => {}
        }
    }

    /// Asks for what the walk comes to next below this folder; `room` is how many folders it may yet look at.
    pub fn ask_ahead(&mut self, room: &mut usize, asking: &mut Asking) {
        let Self::Here(folder) = self else { return };
        let mut at = 0;
        while *room > 0 && (at < folder.ahead.len() || folder.look_ahead()) {
            *room -= 1;
            let state = &mut folder.ahead[at].1;
            asking.ask(state);
            state.ask_ahead(room, asking);
            at += 1;
        }
    }
}

pub struct ParentFolder {
    bytes: Vec<u8>,
    cursor: EntryCursor,
    /// The sub-folders before the cursor that were not asked for by name yet.
    ahead: VecDeque<(Box<[u8]>, ParentState)>,
    /// The entry before the cursor, where it was not the one that was looked for.
    next: Option<DirectoryEntry<'static>>,
    /// Where its bytes are counted.
    held: Option<Arc<AtomicUsize>>,
}

impl Drop for ParentFolder {
    fn drop(&mut self) {
        self.stop_counting();
    }
}

impl ParentFolder {
    fn new(bytes: Vec<u8>, held: &Arc<AtomicUsize>) -> Result<Self, crate::snapshot::snapshot_error::SnapshotError> {
        let cursor = decode_folder(&bytes)?.entries;
        held.fetch_add(bytes.len(), Ordering::Relaxed);
        Ok(Self { bytes, cursor, ahead: VecDeque::new(), next: None, held: Some(Arc::clone(held)) })
    }

    /// The walk has come to it: it is not ahead any more.
    pub fn stop_counting(&mut self) {
        if let Some(held) = self.held.take() {
            held.fetch_sub(self.bytes.len(), Ordering::Relaxed);
        }
    }

    /// Whether one more sub-folder stands in `ahead`.
    fn look_ahead(&mut self) -> bool {
        if self.next.is_some() {
            return false;
        }
        let before = self.cursor;
        match self.cursor.next(&self.bytes) {
            Some(Ok(entry)) if entry.kind == EntryKind::Folder => {
                self.ahead.push_back((entry.name.into(), ParentState::Unasked(entry.object_id.into())));
                true
            }
            _ => {
                self.cursor = before;
                false
            }
        }
    }

    /// Names must be asked for in the order of a folder object: folders first, then the rest, each by bytes.
    pub fn find_folder(&mut self, name: &[u8]) -> ParentState {
        while let Some((ahead, _)) = self.ahead.front() {
            match (**ahead).cmp(name) {
                Place::Less => drop(self.ahead.pop_front()),
                Place::Equal => return self.ahead.pop_front().expect("it was at the front").1,
                Place::Greater => return ParentState::None,
            }
        }
        self.find(true, name, |entry| ParentState::Unasked(entry.object_id.into())).unwrap_or_default()
    }

    /// As `find_folder`, for what is no folder. `of` makes the answer of the entry that is found.
    pub fn find_other<T>(&mut self, name: &[u8], of: impl FnOnce(DirectoryEntry<'_>) -> T) -> Option<T> {
        self.ahead.clear();
        self.find(false, name, of)
    }

    fn find<T>(&mut self, is_folder: bool, name: &[u8], of: impl FnOnce(DirectoryEntry<'_>) -> T) -> Option<T> {
        loop {
            let entry = match self.next.take() {
                Some(entry) => entry,
                // What follows one that cannot be read is not there: those files are read anew.
                None => self.cursor.next(&self.bytes)?.ok()?,
            };
            match place(&entry, is_folder, name) {
                Place::Less => {}
                Place::Equal => return Some(of(entry)),
                Place::Greater => {
                    self.next = Some(entry.into_owned());
                    return None;
                }
            }
        }
    }
}

/// Of an entry of a folder object, beside one that is looked for.
fn place(entry: &DirectoryEntry<'_>, is_folder: bool, name: &[u8]) -> Place {
    is_folder.cmp(&(entry.kind == EntryKind::Folder)).then_with(|| (*entry.name).cmp(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(entries: &[(&str, &str)]) -> Vec<u8> {
        let entries: Vec<_> = entries
            .iter()
            .map(|(name, kind)| format!(r#"{{"name":"{name}","type":"{kind}","obj":"of {name}"}}"#))
            .collect();
        format!(r#"{{"stream":"kopia:directory","entries":[{}]}}"#, entries.join(",")).into_bytes()
    }

    fn here(asking: &Asking, bytes: Vec<u8>) -> ParentState {
        ParentState::Here(Box::new(ParentFolder::new(bytes, &asking.held).unwrap()))
    }

    fn parent(state: &mut ParentState) -> &mut ParentFolder {
        match state {
            ParentState::Here(folder) => folder,
            _ => panic!("it is here"),
        }
    }

    fn id_of(state: ParentState) -> Option<String> {
        match state {
            ParentState::Unasked(id) => Some(id.into()),
            ParentState::Asked(number, _) => Some(format!("asked {number}")),
            _ => None,
        }
    }

    #[test]
    fn asked_for_in_its_order_it_finds_what_it_has_and_nothing_else() {
        let asking = Asking::default();
        let stored = folder(&[("b", "d"), ("d", "d"), ("f", "d"), ("a", "f"), ("c", "s"), ("d", "f")]);
        for ahead in [0, 2, 9] {
            let mut state = here(&asking, stored.clone());
            let folder = parent(&mut state);
            for _ in 0..ahead {
                folder.look_ahead();
            }
            for (name, found) in [("a", None), ("b", Some("of b")), ("c", None), ("d", Some("of d")), ("e", None)] {
                assert_eq!(id_of(folder.find_folder(name.as_bytes())).as_deref(), found, "{name}, {ahead} ahead");
            }
            for (name, found) in [("b", false), ("c", true), ("cc", false), ("cd", false), ("d", true), ("e", false)] {
                assert_eq!(folder.find_other(name.as_bytes(), |_| ()).is_some(), found, "{name}, {ahead} ahead");
            }
        }
    }

    #[test]
    fn folders_are_asked_for_in_the_order_of_the_walk_as_far_as_there_is_room() {
        let mut asking = Asking::default();
        let mut state = here(&asking, folder(&[("a", "d"), ("b", "d"), ("c", "d"), ("x", "f")]));
        state.ask_ahead(&mut 2, &mut asking);
        let ids = |asking: &mut Asking| -> Vec<_> {
            asking.wanted.drain(..).map(|wanted| (wanted.number, wanted.object_id.to_string())).collect()
        };
        assert_eq!(ids(&mut asking), [(0, "of a".into()), (1, "of b".into())]);
        let mut answers = HashMap::from([
            (0, Answer::Bytes(folder(&[("aa", "d"), ("ab", "d")]))),
            (1, Answer::Unreadable("lost".into())),
        ]);
        state.take_answers(&mut answers, &asking);
        assert!(answers.is_empty());
        state.ask_ahead(&mut 9, &mut asking);
        assert_eq!(ids(&mut asking), [(2, "of aa".into()), (3, "of ab".into()), (4, "of c".into())]);
        assert!(matches!(parent(&mut state).find_folder(b"b"), ParentState::Unreadable(why) if why == "lost"));
        assert_eq!(id_of(parent(&mut state).find_folder(b"c")).as_deref(), Some("asked 4"));
    }

    #[test]
    fn what_is_here_counts_until_it_is_let_go() {
        let asking = Asking::default();
        let large = folder(&[(&"x".repeat(HELD_BYTES_MAX), "f")]);
        let state = here(&asking, large);
        assert!(!asking.may_ask_ahead());
        drop(state);
        assert!(asking.may_ask_ahead());
        assert_eq!(asking.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_folder_that_is_damaged_in_its_middle_counts_up_to_there() {
        let asking = Asking::default();
        let bytes = folder(&[("a", "f"), ("b", "f"), ("c", "f")]);
        let text = String::from_utf8(bytes).unwrap().replace(r#""name":"b""#, r#""name":"b","size":"many""#);
        let mut state = here(&asking, text.into_bytes());
        let found = ["a", "b", "c"].map(|name| parent(&mut state).find_other(name.as_bytes(), |_| ()).is_some());
        assert_eq!(found, [true, false, false]);
    }
}
