//! The walk over the stored tree, depth first in stored order. It makes folders, reads the objects of those that come next
//! ahead of it, and gathers what is to be fetched for the files and links between.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use super::entry::{Entry, EntryKind};
use super::place::{Place, PlacedTable, place_of};
use super::run::Shared;
use super::tree::{Folder, Item, LargeFile, ObjectBytes, ObjectSlot, Slot};
use crate::content_table::Key;
use crate::indirect_list::iterate_indirect_list;
use crate::object_id::ObjectId;
use crate::profile::Stage;
use crate::snapshot::folder_object::{EntryCursor, decode_folder};
use crate::volume::make_folder::{MadeFolder, make_folder};
use crate::volume::make_symlink::TARGET_BYTES_MAX;
use crate::volume::open_folder::one_component;
use crate::volume::temporary::remove_left_temporaries;

/// A batch ends at any of these: 4000 entries are about 1 MiB; its contents are never held at once.
const BATCH_ITEMS_MAX: usize = 4000;
const BATCH_BYTES_MAX: u64 = 64 << 20;
/// One that is smaller waits for an object with the walk.
const BATCH_ITEMS_MIN: usize = 1000;
const BATCH_BYTES_MIN: u64 = 8 << 20;
/// Descriptors beyond those of the path that the walk is at.
const OPEN_FOLDERS_MAX: usize = 512;
const DEPTH_MAX: usize = 2048;
/// Folders whose objects are read together.
const OBJECTS_AHEAD_MAX: usize = 1024;
const OBJECT_BYTES_AHEAD_MAX: u64 = 8 << 20;
/// Folders of the path in whose further entries the walk looks ahead.
const FRAMES_AHEAD_MAX: usize = 16;
/// Large files whose lists are waited for; the lists of 64 files of 16 GiB are 20 MiB.
const LISTED_FILES_MAX: usize = 64;
const LEFT_MAX: usize = 1000;

pub struct Walk {
    start: Option<Start>,
    /// From the target down.
    frames: Vec<Frame>,
    listed: VecDeque<ListedFile>,
    batch: Vec<(Place, Item)>,
    batch_bytes: u64,
}

enum Start {
    Folder(Arc<Folder>, Arc<ObjectSlot>),
    Lone(Arc<Folder>, Entry),
}

/// A folder whose entries are being gone through.
struct Frame {
    folder: Arc<Folder>,
    object: ObjectBytes,
    entries: EntryCursor,
    decoded: u32,
    /// Decoded already, in their order.
    ahead: VecDeque<Ahead>,
}

struct Ahead {
    entry: Entry,
    /// Of a folder, once it was asked for.
    object: Option<Arc<ObjectSlot>>,
}

/// A large file whose chunks are not all in a batch yet.
struct ListedFile {
    file: Arc<LargeFile>,
    list: Arc<ObjectSlot>,
    chunks: Option<std::vec::IntoIter<(Place, u64)>>,
}

/// Why a step ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The batch is full.
    Full,
    /// For an object that was asked for. What is in the batch can wait with it, unless it is much.
    WaitsForObject,
    /// For something that is asked for or left to be done.
    WaitsForRoom,
    Done,
}

impl Walk {
    /// `target` has the entry of a folder to restore; otherwise `lone` is put into it.
    pub fn new(run: &Shared, target: Folder, lone: Option<Entry>) -> Self {
        let target = Arc::new(target);
        let start = match (lone, &target.entry) {
            (Some(lone), _) => Some(Start::Lone(target, lone)),
            (None, Some(entry)) => {
                let slot = Arc::new(ObjectSlot::default());
                let mut items = vec![];
                ask_for(run, &run.tables(), entry, &slot, &mut items);
                run.ask_for_objects(items);
                Some(Start::Folder(target, slot))
            }
            (None, None) => None,
        };
        Self { start, frames: vec![], listed: VecDeque::new(), batch: vec![], batch_bytes: 0 }
    }

    /// What is to be fetched after this step.
    pub fn take_batch(&mut self, step: Step) -> Vec<(Place, Item)> {
        if step == Step::WaitsForObject && self.batch.len() < BATCH_ITEMS_MIN && self.batch_bytes < BATCH_BYTES_MIN {
            return vec![];
        }
        self.batch_bytes = 0;
        std::mem::take(&mut self.batch)
    }

    /// Goes on until something ends the step.
    pub fn step(&mut self, run: &Shared) -> Step {
        let tables = run.tables();
        loop {
            if self.batch.len() >= BATCH_ITEMS_MAX || self.batch_bytes >= BATCH_BYTES_MAX {
                return Step::Full;
            }
            if run.is_interrupted()
                || run.open_folders() > self.frames.len() + OPEN_FOLDERS_MAX
                || run.left() > LEFT_MAX
            {
                return Step::WaitsForRoom;
            }
            let took_chunks = self.take_chunks(run, &tables);
            if took_chunks {
                continue;
            }
            if self.listed.len() >= LISTED_FILES_MAX {
                return Step::WaitsForObject;
            }
            match self.start.take() {
                Some(Start::Lone(target, entry)) => {
                    self.take(run, &tables, target, entry);
                    continue;
                }
                Some(Start::Folder(target, slot)) if slot.is_waiting() => {
                    self.start = Some(Start::Folder(target, slot));
                    return Step::WaitsForObject;
                }
                Some(Start::Folder(target, slot)) => {
                    self.enter(run, target, slot.take());
                    continue;
                }
                None => {}
            }
            let depth = self.frames.len();
            let Some(frame) = self.frames.last_mut() else {
                return if self.listed.is_empty() { Step::Done } else { Step::WaitsForObject };
            };
            let Some(ahead) = frame.next() else {
                let Frame { folder, .. } = self.frames.pop().expect("it was looked at");
                run.release(folder);
                continue;
            };
            let folder = Arc::clone(&frame.folder);
            if ahead.entry.kind != EntryKind::Folder {
                self.take(run, &tables, folder, ahead.entry);
                continue;
            }
            if !is_possible(&ahead.entry, depth) {
                run.leave_entry(folder, ahead.entry);
                continue;
            }
            match ahead.object {
                None => {
                    frame.ahead.push_front(ahead);
                    self.look_ahead(run, &tables);
                }
                Some(slot) if slot.is_waiting() => {
                    frame.ahead.push_front(Ahead { object: Some(slot), ..ahead });
                    return Step::WaitsForObject;
                }
                Some(slot) => self.descend(run, folder, ahead.entry, slot.take()),
            }
        }
    }

    /// A file or a link.
    fn take(&mut self, run: &Shared, tables: &[PlacedTable], folder: Arc<Folder>, entry: Entry) {
        if !is_possible(&entry, self.frames.len()) {
            return run.leave_entry(folder, entry);
        }
        let kind = kind_of_entry(&entry);
        match (entry.kind, kind) {
            (EntryKind::File, ObjectKind::Content(key)) => match place_of(tables, &key) {
                Some(place) if u64::from(place.original_length) == entry.size => {
                    self.push(place, Item::Whole { folder, entry });
                }
                _ => run.leave_entry(folder, entry),
            },
            (EntryKind::Symlink, ObjectKind::Content(key)) => match place_of(tables, &key) {
                Some(place) if place.original_length as usize <= TARGET_BYTES_MAX => {
                    self.push(place, Item::Whole { folder, entry });
                }
                _ => run.leave_entry(folder, entry),
            },
            (EntryKind::File, ObjectKind::List(key)) => match place_of(tables, &key) {
                Some(place) => {
                    let list = Arc::new(ObjectSlot::default());
                    run.ask_for_objects(vec![(place, Item::Object(Arc::clone(&list)))]);
                    let file = Arc::new(LargeFile::new(folder, entry));
                    self.listed.push_back(ListedFile { file, list, chunks: None });
                }
                None => run.leave_entry(folder, entry),
            },
            _ => run.leave_entry(folder, entry),
        }
    }

    fn push(&mut self, place: Place, item: Item) {
        self.batch_bytes += u64::from(place.packed_length);
        self.batch.push((place, item));
    }

    /// Of the first large file whose list is there; false where none is to be had now.
    fn take_chunks(&mut self, run: &Shared, tables: &[PlacedTable]) -> bool {
        let Some(first) = self.listed.front_mut() else { return false };
        let chunks = match &mut first.chunks {
            Some(chunks) => chunks,
            None if first.list.is_waiting() => return false,
            chunks => match first.list.take().and_then(|list| chunks_of((*list).as_ref(), &first.file, tables)) {
                Some(found) => chunks.insert(found.into_iter()),
                None => {
                    let ListedFile { file, .. } = self.listed.pop_front().expect("it was looked at");
                    run.release_large(file);
                    return true;
                }
            },
        };
        while self.batch.len() < BATCH_ITEMS_MAX && self.batch_bytes < BATCH_BYTES_MAX {
            let Some((place, position)) = chunks.next() else {
                let ListedFile { file, .. } = self.listed.pop_front().expect("it was looked at");
                run.release_large(file);
                return true;
            };
            self.batch_bytes += u64::from(place.packed_length);
            self.batch.push((place, Item::Chunk { file: Arc::clone(&first.file), position }));
        }
        true
    }

    fn descend(&mut self, run: &Shared, parent: Arc<Folder>, entry: Entry, object: Option<ObjectBytes>) {
        let make = || make_folder(&parent.open, &entry.name);
        match run.conditions().profile.time_short(Stage::Write, make) {
            Ok(MadeFolder { folder: open, is_new }) => {
                run.note_opened();
                let (parent, entry) = (Some(parent), Some(entry));
                let folder = Folder { open, parent, entry, is_new, unread_after: OnceLock::new() };
                self.enter(run, Arc::new(folder), object);
            }
            Err(_) => run.leave_entry(parent, entry),
        }
    }

    fn enter(&mut self, run: &Shared, folder: Arc<Folder>, object: Option<ObjectBytes>) {
        let is_clean = folder.is_new || remove_left_temporaries(&folder.open).is_ok();
        let entries = object.and_then(|object| {
            let entries = decode_folder((*object).as_ref()).ok()?.entries;
            Some((object, entries))
        });
        match entries {
            Some((object, entries)) if is_clean => {
                self.frames.push(Frame { folder, object, entries, decoded: 0, ahead: VecDeque::new() });
            }
            _ => {
                let _ = folder.unread_after.set(0);
                run.release(folder);
            }
        }
    }

    /// Asks for the objects of the folders that come next: of this one, and behind them of those above it.
    fn look_ahead(&mut self, run: &Shared, tables: &[PlacedTable]) {
        let mut items = vec![];
        let mut bytes = 0;
        for frame in self.frames.iter_mut().rev().take(FRAMES_AHEAD_MAX) {
            frame.decode_folders_ahead();
            for Ahead { entry, object } in &mut frame.ahead {
                if items.len() >= OBJECTS_AHEAD_MAX || bytes >= OBJECT_BYTES_AHEAD_MAX {
                    return run.ask_for_objects(items);
                }
                if object.is_none() && entry.kind == EntryKind::Folder {
                    bytes += ask_for(run, tables, entry, object.insert(Arc::default()), &mut items);
                }
            }
        }
        run.ask_for_objects(items);
    }
}

impl Frame {
    fn next(&mut self) -> Option<Ahead> {
        self.ahead.pop_front().or_else(|| self.decode_next())
    }

    fn decode_next(&mut self) -> Option<Ahead> {
        match self.entries.next((*self.object).as_ref())? {
            Ok(entry) => {
                self.decoded += 1;
                Some(Ahead { entry: entry.into(), object: None })
            }
            Err(_) => {
                let _ = self.folder.unread_after.set(self.decoded);
                None
            }
        }
    }

    /// Folders come first in a folder; behind the first file there are none, unless somebody made it up.
    fn decode_folders_ahead(&mut self) {
        while self.ahead.len() < OBJECTS_AHEAD_MAX
            && self.ahead.back().is_none_or(|last| last.entry.kind == EntryKind::Folder)
        {
            let Some(next) = self.decode_next() else { return };
            self.ahead.push_back(next);
        }
    }
}

/// `depth` counts the folders that it is in.
fn is_possible(entry: &Entry, depth: usize) -> bool {
    depth <= DEPTH_MAX && entry.kind != EntryKind::Unknown && one_component(&entry.name).is_ok()
}

/// Asks for a folder's object, by `items` where it is one plain content; gives the bytes that it will have.
fn ask_for(
    run: &Shared,
    tables: &[PlacedTable],
    entry: &Entry,
    slot: &Arc<ObjectSlot>,
    items: &mut Vec<(Place, Item)>,
) -> u64 {
    match kind_of_entry(entry) {
        ObjectKind::Content(key) => match place_of(tables, &key) {
            Some(place) => {
                items.push((place, Item::Object(Arc::clone(slot))));
                return place.original_length.into();
            }
            None => slot.fill(Slot::Failed),
        },
        ObjectKind::List(_) | ObjectKind::Other => run.ask_for_read_object(Arc::clone(slot), &entry.object_id),
    }
    0
}

/// Where the chunks of the list lie, and where in the file each begins; none where it is not of the straight kind or does
/// not make up the file.
fn chunks_of(list: &[u8], file: &LargeFile, tables: &[PlacedTable]) -> Option<Vec<(Place, u64)>> {
    let mut end = 0;
    let mut chunks = vec![];
    for entry in iterate_indirect_list(list) {
        let entry = entry.ok()?;
        let ObjectKind::Content(key) = kind_of(entry.object_id) else { return None };
        let place = place_of(tables, &key).filter(|place| u64::from(place.original_length) == entry.length)?;
        chunks.push((place, entry.start));
        end = entry.start + entry.length;
    }
    (end == file.entry.size).then_some(chunks)
}

enum ObjectKind {
    /// One plain content.
    Content(Key),
    /// A list that is one plain content.
    List(Key),
    /// Deeper lists, compressed objects, and ids of another length.
    Other,
}

fn kind_of(ObjectId { indirections, is_compressed, content_id }: ObjectId) -> ObjectKind {
    match (indirections, is_compressed, content_id.key().try_into()) {
        (0, false, Ok(key)) => ObjectKind::Content(key),
        (1, _, Ok(key)) => ObjectKind::List(key),
        _ => ObjectKind::Other,
    }
}

/// Also of an id that is none.
fn kind_of_entry(entry: &Entry) -> ObjectKind {
    ObjectId::parse(entry.object_id.as_bytes()).map_or(ObjectKind::Other, kind_of)
}
