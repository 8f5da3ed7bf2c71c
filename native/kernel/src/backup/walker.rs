//! Goes through a volume, depth first, and tells what it finds in the order in which it is stored: of each folder its
//! sub-folders, each with all that is in it, then its other entries in batches, then that it ends.
//!
//! It reads no file. What is as it was in the parent snapshot keeps its object; whether that object is in the index is
//! asked here, so that no file is read in vain. It runs ahead of the packer as far as the pipeline has room, on one thread
//! at a time. Memory: one path of folders with their names, and what was told and not taken.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use rustix::io::Errno;

use super::parent_folder::{Answer, Asking, FOLDERS_AHEAD_MAX, ParentState, WantedFolder};
use crate::content_table::{Key, KnownTables, find_in_tables};
use crate::object_id::ObjectId;
use crate::snapshot::directory_entry::{self, DirectoryEntry};
use crate::snapshot::go_time::Time;
use crate::snapshot::unchanged::{LocalEntry, is_unchanged};
use crate::volume::open_folder::{EntryKind, EntryStat, NamesByKind, OpenFolder};

/// Entries of a folder that are looked at at once, however many a folder has. Their links are stored before their files.
const ENTRIES_PER_BATCH: usize = 1000;
/// Every path that a system call could name is shallower; deeper folders can only be made to do harm.
const DEPTH_MAX: usize = 2048;
/// A walk hands on what it has found when it has so many entries, so that others can read them.
const ENTRIES_PER_STEP: usize = 256;

/// What is done to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Descend,
    List,
    Lstat,
    Open,
    Read,
    ReadLink,
}

impl Operation {
    pub fn name(self) -> &'static str {
        match self {
            Self::Descend => "descend",
            Self::List => "list",
            Self::Lstat => "lstat",
            Self::Open => "open",
            Self::Read => "read",
            Self::ReadLink => "readlink",
        }
    }
}

/// Why an entry is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is gone, or is something else by now.
    Vanished,
    /// A socket, FIFO or device.
    Skipped,
    Failed(Operation, Errno),
}

/// The attributes of a folder, a file or a link, of which the parent snapshot takes note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Among the times that can be written.
    pub mtime: Time,
}

impl Attributes {
    pub fn of(stat: &EntryStat) -> Self {
        let mtime = Time { seconds: stat.mtime_seconds, nanoseconds: stat.mtime_nanoseconds }.clamped();
        Self { mode: stat.mode, uid: stat.uid, gid: stat.gid, mtime }
    }
}

pub struct FoundFile {
    pub folder: Arc<OpenFolder>,
    pub name: Box<[u8]>,
    /// Bytes when it was listed: a hint.
    pub size: u64,
    pub attributes: Attributes,
}

pub struct FoundLink {
    pub name: Box<[u8]>,
    pub target: Vec<u8>,
    pub attributes: Attributes,
}

/// Entries that keep their objects; their names and object ids stand in `text`.
#[derive(Default)]
pub struct Unchanged {
    text: Vec<u8>,
    entries: Vec<UnchangedEntry>,
}

struct UnchangedEntry {
    name: Range<usize>,
    object_id: Range<usize>,
    kind: directory_entry::EntryKind,
    size: u64,
    attributes: Attributes,
}

impl Unchanged {
    fn push(&mut self, name: &[u8], attributes: Attributes, stored: &DirectoryEntry<'_>) {
        let mut put = |bytes: &[u8]| {
            let start = self.text.len();
            self.text.extend_from_slice(bytes);
            start..self.text.len()
        };
        let (name, object_id) = (put(name), put(stored.object_id.as_bytes()));
        self.entries.push(UnchangedEntry { name, object_id, kind: stored.kind, size: stored.size, attributes });
    }

    pub fn iter(&self) -> impl Iterator<Item = DirectoryEntry<'_>> {
        self.entries.iter().map(|entry| DirectoryEntry {
            name: self.text[entry.name.clone()].into(),
            kind: entry.kind,
            mode: entry.attributes.mode,
            size: entry.size,
            mtime: entry.attributes.mtime,
            uid: entry.attributes.uid,
            gid: entry.attributes.gid,
            object_id: str::from_utf8(&self.text[entry.object_id.clone()]).expect("an object id is text").into(),
            summary: None,
        })
    }

    pub fn count(&self) -> usize {
        self.entries.len()
    }
}

/// Entries of one folder that are no folders, in the order of their names.
#[derive(Default)]
pub struct EntryBatch {
    pub troubles: Vec<(Box<[u8]>, Trouble)>,
    pub unchanged: Unchanged,
    pub links: Vec<FoundLink>,
    pub files: Vec<FoundFile>,
    /// Sizes of all files among them.
    pub listed_bytes: u64,
}

impl EntryBatch {
    fn trouble(&mut self, name: &[u8], trouble: Trouble) {
        self.troubles.push((name.into(), trouble));
    }

    pub fn count(&self) -> usize {
        self.unchanged.count() + self.links.len() + self.files.len() + self.troubles.len()
    }
}

/// What the walk comes to next.
pub enum Step {
    Enter {
        name: Box<[u8]>,
        attributes: Attributes,
    },
    /// Of an entry of the folder that was entered last and not left.
    Trouble {
        name: Box<[u8]>,
        trouble: Trouble,
    },
    Entries(Box<EntryBatch>),
    Leave,
    Warning(String),
    /// Nothing can be stored of the volume.
    RootNotListed(Errno),
}

/// What a part of the walk came to.
#[derive(Default)]
pub struct Walked {
    pub steps: VecDeque<Step>,
    pub wanted: Vec<WantedFolder>,
    /// It goes on when some of what it wanted is answered.
    pub waits: bool,
    pub is_over: bool,
}

pub struct Walker {
    /// The folders that the walk is in, root first.
    levels: Vec<Level>,
    /// Before the root was entered.
    start: Option<(OpenFolder, Box<[u8]>, ParentState)>,
    asking: Asking,
    /// Answers to come.
    unanswered: usize,
    /// Since others were asked for ahead.
    entered: usize,
}

struct Level {
    folder: Arc<OpenFolder>,
    names: NamesByKind,
    next_folder: usize,
    next_other: usize,
    parent: ParentState,
}

impl Walker {
    /// `name` is the root's own; `parent` the object id of the root of the parent snapshot.
    pub fn new(root: OpenFolder, name: &[u8], parent: Option<&str>) -> Self {
        let parent = parent.map_or(ParentState::None, |object_id| ParentState::Unasked(object_id.into()));
        Self {
            levels: vec![],
            start: Some((root, name.into(), parent)),
            asking: Asking::default(),
            unanswered: 0,
            entered: FOLDERS_AHEAD_MAX,
        }
    }

    /// Goes on until it has found some entries, waits, or is over. With `one_by_one` it stops at every batch of entries.
    pub fn walk(&mut self, known: &KnownTables, answers: &mut HashMap<u32, Answer>, one_by_one: bool) -> Walked {
        let mut walked = Walked::default();
        self.unanswered = self.unanswered.saturating_sub(answers.len());
        if !answers.is_empty() {
            for level in &mut self.levels {
                level.parent.take_answers(answers, &self.asking);
            }
            answers.clear(); // Of folders that are not there any more.
        }
        if let Some((root, name, parent)) = self.start.take()
            && let Err(errno) = self.enter(root, &name, parent, &mut walked.steps)
        {
            walked.steps.push_back(Step::RootNotListed(errno));
        }
        let mut found = 0;
        while found < if one_by_one { 1 } else { ENTRIES_PER_STEP } {
            let Some(level) = self.levels.last_mut() else {
                walked.is_over = true;
                break;
            };
            self.asking.ask(&mut level.parent);
            match &mut level.parent {
                ParentState::Asked(..) => {
                    walked.waits = true;
                    break;
                }
                ParentState::Unreadable(why) => {
                    walked.steps.push_back(Step::Warning(std::mem::take(why)));
                    level.parent = ParentState::None;
                }
                ParentState::Here(folder) => folder.stop_counting(),
                ParentState::None | ParentState::Unasked(_) => {}
            }
            if level.next_folder < level.names.folders.len() {
                self.next_folder(&mut walked.steps);
                found += 1;
            } else if level.next_other < level.names.others.len() {
                let batch = level.next_batch(known);
                found += batch.count().max(1);
                walked.steps.push_back(Step::Entries(Box::new(batch)));
            } else {
                walked.steps.push_back(Step::Leave);
                self.levels.pop();
                found += 1;
            }
        }
        self.ask_ahead(walked.waits);
        self.unanswered += self.asking.wanted.len();
        walked.wanted = std::mem::take(&mut self.asking.wanted);
        walked
    }

    fn ask_ahead(&mut self, waits: bool) {
        let is_time = waits || self.entered >= FOLDERS_AHEAD_MAX / 2;
        if self.unanswered > 0 || !is_time || !self.asking.may_ask_ahead() {
            return;
        }
        let mut room = FOLDERS_AHEAD_MAX;
        for level in self.levels.iter_mut().rev() {
            level.parent.ask_ahead(&mut room, &mut self.asking);
        }
        self.entered = 0;
    }

    fn next_folder(&mut self, steps: &mut VecDeque<Step>) {
        let depth = self.levels.len();
        let level = self.levels.last_mut().expect("the walk is in a folder");
        let name: Box<[u8]> = level.names.folders.get(level.next_folder).into();
        level.next_folder += 1;
        let trouble = |trouble| Step::Trouble { name: name.clone(), trouble };
        if depth >= DEPTH_MAX {
            return steps.push_back(trouble(Trouble::Failed(Operation::Descend, Errno::LOOP)));
        }
        let child = match level.folder.open_folder(&name) {
            Ok(child) => child,
            Err(errno) => return steps.push_back(trouble(level.why_not_opened(&name, errno))),
        };
        let parent = match &mut level.parent {
            ParentState::Here(folder) => folder.find_folder(&name),
            _ => ParentState::None,
        };
        if let Err(errno) = self.enter(child, &name, parent, steps) {
            steps.push_back(trouble(not_listed(errno)));
        }
    }

    fn enter(
        &mut self,
        folder: OpenFolder,
        name: &[u8],
        parent: ParentState,
        steps: &mut VecDeque<Step>,
    ) -> Result<(), Errno> {
        let attributes = Attributes::of(&folder.stat()?);
        let mut names = folder.list_names_by_kind()?;
        names.folders.sort_once();
        names.others.sort_once();
        names.others.remove_all_of(&names.folders);
        steps.push_back(Step::Enter { name: name.into(), attributes });
        self.levels.push(Level { folder: Arc::new(folder), names, next_folder: 0, next_other: 0, parent });
        self.entered += 1;
        Ok(())
    }
}

impl Level {
    /// As a look at its attributes before would have told it.
    fn why_not_opened(&self, name: &[u8], errno: Errno) -> Trouble {
        match self.folder.lstat(name) {
            Ok(stat) if stat.kind == EntryKind::Folder => not_listed(errno),
            Ok(_) | Err(Errno::NOENT) => Trouble::Vanished,
            Err(errno) => Trouble::Failed(Operation::Lstat, errno),
        }
    }

    fn next_batch(&mut self, known: &KnownTables) -> EntryBatch {
        let Self { folder, names, next_other, parent, .. } = self;
        let from = *next_other;
        *next_other = names.others.len().min(from + ENTRIES_PER_BATCH);
        let mut batch = EntryBatch::default();
        for number in from..*next_other {
            look_at(folder, names.others.get(number), parent, known, &mut batch);
        }
        batch
    }
}

/// Puts the entry where it belongs in the batch.
fn look_at(
    folder: &Arc<OpenFolder>,
    name: &[u8],
    parent: &mut ParentState,
    known: &KnownTables,
    batch: &mut EntryBatch,
) {
    let stat = match folder.lstat(name) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return batch.trouble(name, Trouble::Vanished),
        Err(errno) => return batch.trouble(name, Trouble::Failed(Operation::Lstat, errno)),
    };
    let kind = match stat.kind {
        EntryKind::Folder => return batch.trouble(name, Trouble::Vanished),
        EntryKind::Other => return batch.trouble(name, Trouble::Skipped),
        EntryKind::File => directory_entry::EntryKind::File,
        EntryKind::Symlink => directory_entry::EntryKind::Symlink,
    };
    if kind == directory_entry::EntryKind::File {
        batch.listed_bytes += stat.size;
    }
    let attributes = Attributes::of(&stat);
    if let ParentState::Here(parent) = parent {
        let Attributes { mode, uid, gid, mtime } = attributes;
        let local = LocalEntry { kind, mode, uid, gid, size: stat.size, mtime };
        let is_kept = parent.find_other(name, |stored| {
            let is_kept = is_unchanged(&local, &stored) && is_stored(&stored.object_id, known);
            if is_kept {
                batch.unchanged.push(name, attributes, &stored);
            }
            is_kept
        });
        if is_kept == Some(true) {
            return;
        }
    }
    if kind == directory_entry::EntryKind::File {
        let folder = Arc::clone(folder);
        return batch.files.push(FoundFile { folder, name: name.into(), size: stat.size, attributes });
    }
    match folder.read_link(name) {
        Ok(target) => batch.links.push(FoundLink { name: name.into(), target, attributes }),
        Err(Errno::INVAL) => batch.trouble(name, Trouble::Vanished),
        Err(errno) => batch.trouble(name, failed_or_vanished(Operation::ReadLink, errno)),
    }
}

fn not_listed(errno: Errno) -> Trouble {
    failed_or_vanished(Operation::List, errno)
}

/// Not there any more, or not of its kind any more: as src/volume/volume-error.ts reads it.
fn failed_or_vanished(operation: Operation, errno: Errno) -> Trouble {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO => Trouble::Vanished,
        errno => Trouble::Failed(operation, errno),
    }
}

/// Whether the object that the parent names is in the index: then it need not be read to be there.
fn is_stored(object_id: &str, known: &KnownTables) -> bool {
    let id = ObjectId::parse(object_id.as_bytes());
    let key: Option<Key> = id.and_then(|id| id.content_id.key().try_into().ok());
    key.and_then(|key| find_in_tables(known, &key)).is_some_and(|found| !found.deleted)
}
