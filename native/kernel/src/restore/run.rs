//! A restore on several threads, and the one who drives it.
//!
//! Threads walk, open and write; who drives the run pulls batches of what it needs (`next`), and hands in answers between
//! two pulls. Nothing here waits for an answer while there is something else to do. In memory are: the ranges that were
//! asked for (`fetched_bytes_max`, and one more), what becomes of compressed ones (`expanded_bytes_max`, and one more), a path
//! of folders with those ahead of it, and a batch of entries.

use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::syncfs;
use rustix::io::Errno;

use super::entry::{Entry, EntryKind};
use super::opening::open_all;
use super::place::{Place, PlacedTable, Range, ranges_of};
use super::tree::{Folder, Item, LargeFile, ObjectBytes, ObjectSlot, Slot};
use super::walk::{Step, Walk};
use crate::conditions::Conditions;
use crate::hashing::ContentHasher;
use crate::interrupted::Interrupted;
use crate::profile::{Queue, Stage};
use crate::random_stream::{RandomStream, SEED_BYTES};
use crate::sealing::Sealer;
use crate::volume::attributes::{Attributes, Difference, Newborn, apply};
use crate::volume::make_symlink::make_symlink;
use crate::volume::new_file::{self, NewFile, Zeros};
use crate::volume::open_folder::{OpenFolder, retrying};
use crate::volume::temporary::TemporaryName;

/// A `next` that has nothing to tell comes back after this with how far the run is.
const QUIET_MAX: Duration = Duration::from_millis(100);
/// Of differences in one run; of those beyond it no path is told.
const PATHS_MAX: u64 = 100;
/// Writing fewer bytes takes little more than a look at the clock.
const SHORT_WRITE_BYTES_MAX: usize = 64 << 10;

/// What was fetched. It is opened where it lies.
pub trait FetchedBytes: Send {
    fn bytes_mut(&mut self) -> &mut [u8];
}

impl FetchedBytes for Vec<u8> {
    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }
}

pub struct RestoreOptions {
    pub hasher: ContentHasher,
    pub sealer: Sealer,
    pub tables: Vec<PlacedTable>,
    /// An open folder.
    pub target: OwnedFd,
    /// A folder becomes the target, anything else is put into it.
    pub entry: Entry,
    pub zeros: Zeros,
    /// Of which all randomness of the run is made.
    pub seed: [u8; SEED_BYTES],
    pub conditions: Arc<Conditions>,
    /// Bytes that are asked for and not yet written, about.
    pub fetched_bytes_max: u64,
    /// Of what compressed contents among them become. With none, ranges that have such come one by one.
    pub expanded_bytes_max: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub files: u64,
    pub folders: u64,
    pub symlinks: u64,
    pub bytes: u64,
}

pub struct WantedRange {
    pub number: u32,
    /// Number of the table, and of the pack in its list.
    pub table: u32,
    pub pack: u32,
    pub offset: u64,
    pub length: u64,
}

/// An object that is more than one plain content: whoever drives the run reads it.
pub struct WantedObject {
    pub number: u32,
    pub object_id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftKind {
    /// An entry of the folder is still to be restored, whatever it is.
    Entry,
    /// What is in the folder, behind so many entries, is to be restored, and then it gets its attributes.
    Below { after: u32 },
    /// The folder still needs its attributes.
    Finish,
}

/// What the reference is to do. Its folder stays open until it is settled.
pub struct Left {
    pub number: u32,
    pub kind: LeftKind,
    pub folder_fd: i32,
    /// Of the folder, from the target down: names, each with a zero byte behind it.
    pub folder_path: Vec<u8>,
    /// What is left; of a folder its own entry.
    pub entry: Entry,
}

/// What a file system made of an entry.
pub struct DifferenceOfEntry {
    /// As that of a folder; empty for the target, and None beyond the first hundred.
    pub path: Option<Vec<u8>>,
    pub wanted: Attributes,
    pub size: Option<u64>,
    pub is_link: bool,
    pub difference: Difference,
}

/// What whoever drives the run needs to hear.
#[derive(Default)]
pub struct Batch {
    pub ranges: Vec<WantedRange>,
    pub objects: Vec<WantedObject>,
    pub left: Vec<Left>,
    pub differences: Vec<DifferenceOfEntry>,
    /// Numbers of ranges whose bytes are of no more use.
    pub released: Vec<u32>,
    pub counts: Counts,
    /// Nothing follows.
    pub is_last: bool,
}

/// Ends its threads when it is dropped.
pub struct RestoreRun {
    shared: Arc<Shared>,
    target: OwnedFd,
    threads: Vec<JoinHandle<()>>,
}

/// What threads and the walk share.
pub struct Shared {
    hasher: ContentHasher,
    sealer: Sealer,
    zeros: Zeros,
    newborn: Newborn,
    tables: RwLock<Arc<Vec<PlacedTable>>>,
    conditions: Arc<Conditions>,
    fetched_bytes_max: u64,
    expanded_bytes_max: u64,
    files: AtomicU64,
    folders: AtomicU64,
    symlinks: AtomicU64,
    bytes: AtomicU64,
    open_folders: AtomicUsize,
    left: AtomicUsize,
    differences: AtomicU64,
    is_interrupted: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// None while a thread is at it, and when it is done.
    walk: Option<Box<Walk>>,
    is_walked: bool,
    /// The walk can do nothing before something else has happened.
    walk_waits: bool,
    /// Counts what the walk may have waited for.
    happened: u64,
    /// To be asked for; objects first, for the walk waits for them.
    objects_to_ask: VecDeque<Range<Item>>,
    files_to_ask: VecDeque<Range<Item>>,
    asked: HashMap<u32, Range<Item>>,
    /// Those that are asked for or being worked at, and their bytes.
    ranges_ahead: usize,
    fetched_bytes: u64,
    expanded_bytes: u64,
    answered: VecDeque<Answer>,
    read_objects_to_ask: Vec<WantedObject>,
    read_objects: HashMap<u32, Arc<ObjectSlot>>,
    left_to_tell: Vec<LeftOver>,
    left_told: HashMap<u32, LeftOver>,
    differences: Vec<DifferenceOfEntry>,
    released: Vec<u32>,
    to_release: Vec<Arc<Folder>>,
    last_number: u32,
    told: Counts,
    /// Jobs that threads are at.
    jobs: usize,
    interrupted: Option<Interrupted>,
    ended: bool,
}

/// Number of the range, what was asked for in it, and the bytes.
type Answer = (u32, Range<Item>, Option<Box<dyn FetchedBytes>>);

enum LeftOver {
    In(Arc<Folder>, Entry),
    Itself(Box<Folder>, LeftKind),
}

enum Job {
    /// And what had happened when it was taken.
    Walk(Box<Walk>, u64),
    Open(Answer),
    Release(Vec<Arc<Folder>>),
}

impl RestoreRun {
    pub fn new(options: RestoreOptions) -> std::io::Result<Self> {
        let RestoreOptions { hasher, sealer, tables, target, entry, zeros, seed, .. } = options;
        let RestoreOptions { conditions, fetched_bytes_max, expanded_bytes_max, .. } = options;
        let threads = conditions.threads;
        let synced = target.try_clone()?;
        let open = OpenFolder::root(target);
        let (entry, lone) = if entry.kind == EntryKind::Folder { (Some(entry), None) } else { (None, Some(entry)) };
        let target = Folder { open, parent: None, entry, is_new: false, unread_after: OnceLock::new() };
        let shared = Arc::new(Shared {
            hasher,
            sealer,
            zeros,
            newborn: Newborn::default(),
            tables: RwLock::new(Arc::new(tables)),
            conditions,
            fetched_bytes_max,
            expanded_bytes_max,
            files: AtomicU64::new(0),
            folders: AtomicU64::new(0),
            symlinks: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            open_folders: AtomicUsize::new(1),
            left: AtomicUsize::new(0),
            differences: AtomicU64::new(0),
            is_interrupted: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let walk = Box::new(Walk::new(&shared, target, lone));
        shared.lock().walk = Some(walk);
        let mut seeds = RandomStream::new(&seed);
        let mut run = Self { shared, target: synced, threads: vec![] };
        for number in 0..threads {
            let shared = Arc::clone(&run.shared);
            let random = RandomStream::new(&seeds.draw());
            let thread = std::thread::Builder::new()
                .name(format!("fsb-restore-{number}"))
                .spawn(move || shared.serve(random))?;
            run.threads.push(thread);
        }
        Ok(run)
    }

    /// For who works for it on a thread of another's.
    pub fn conditions(&self) -> &Conditions {
        &self.shared.conditions
    }

    /// What there is to be told, once there is something. Not called again before it has returned.
    pub fn next(&self) -> Result<Batch, Interrupted> {
        let mut state = self.shared.lock();
        loop {
            if let Some(interrupted) = state.interrupted {
                return Err(interrupted);
            }
            let mut batch = state.tell(&self.shared);
            batch.counts = self.shared.counts();
            batch.is_last = state.is_done();
            let is_told = batch.ranges.is_empty()
                && batch.objects.is_empty()
                && batch.left.is_empty()
                && batch.differences.len() < 100
                && batch.released.is_empty();
            if !is_told || batch.is_last {
                state.told = batch.counts;
                return Ok(batch);
            }
            // Nothing is lost: these wait for the next batch.
            state.differences = batch.differences;
            let (waited, outcome) =
                self.shared.changed.wait_timeout(state, QUIET_MAX).unwrap_or_else(PoisonError::into_inner);
            state = waited;
            if outcome.timed_out() && state.told != self.shared.counts() {
                let counts = self.shared.counts();
                state.told = counts;
                let differences = std::mem::take(&mut state.differences);
                return Ok(Batch { differences, counts, ..Batch::default() });
            }
        }
    }

    /// The bytes of a range, whole; None where they are not to be had.
    pub fn supply(&self, number: u32, bytes: Option<Box<dyn FetchedBytes>>) {
        let mut state = self.shared.lock();
        if let Some(range) = state.asked.remove(&number) {
            state.answered.push_back((number, range, bytes));
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// The bytes of an object, whole; None where they are not to be had.
    pub fn supply_object(&self, number: u32, bytes: Option<ObjectBytes>) {
        let mut state = self.shared.lock();
        if let Some(slot) = state.read_objects.remove(&number) {
            slot.fill(bytes.map_or(Slot::Failed, Slot::There));
        }
        state.note_happening();
        drop(state);
        self.shared.changed.notify_all();
    }

    /// The reference has done what was left to it, or has told why it could not.
    pub fn settle(&self, number: u32) {
        let mut state = self.shared.lock();
        let folder = match state.left_told.remove(&number) {
            Some(LeftOver::In(folder, _)) => Some(folder),
            Some(LeftOver::Itself(folder, _)) => {
                self.shared.open_folders.fetch_sub(1, Ordering::Relaxed);
                folder.parent
            }
            None => None,
        };
        state.to_release.extend(folder);
        self.shared.left.fetch_sub(1, Ordering::Relaxed);
        state.note_happening();
        drop(state);
        self.shared.changed.notify_all();
    }

    /// What is looked up from now on is looked up in these.
    pub fn replace_tables(&self, tables: Vec<PlacedTable>) {
        *self.shared.tables.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tables);
    }

    /// Returns once the target's file system has written what it holds in memory.
    pub fn sync(&self) -> Result<(), Errno> {
        self.shared.conditions.profile.time(Stage::Sync, || retrying(|| syncfs(&self.target)))
    }

    /// The run ends as soon as may be; a `next` that waits returns.
    pub fn cancel(&self) {
        self.shared.interrupt(Interrupted::Cancelled);
    }

    /// Waits for what threads are at; then nothing of the run is open, and no temporary name is left.
    pub fn close(&self) {
        self.cancel();
        let mut state = self.shared.lock();
        while state.jobs > 0 {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let interrupted = state.interrupted;
        let left = std::mem::take(&mut *state);
        state.interrupted = interrupted;
        state.ended = true;
        drop(state);
        drop(left);
        self.shared.changed.notify_all();
    }
}

impl Drop for RestoreRun {
    fn drop(&mut self) {
        self.close();
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // It catches its panics.
        }
    }
}

impl State {
    /// What is known by now, leaving behind what would be too much at once.
    fn tell(&mut self, run: &Shared) -> Batch {
        let mut batch = Batch::default();
        while self.has_room(run) || !self.objects_to_ask.is_empty() {
            let Some(range) = self.objects_to_ask.pop_front().or_else(|| self.files_to_ask.pop_front()) else { break };
            let number = self.next_number();
            self.fetched_bytes += range.length();
            self.expanded_bytes += range.expanded_bytes;
            self.ranges_ahead += 1;
            run.conditions.profile.queue(Queue::RangesAhead, self.ranges_ahead);
            let (table, pack) = range.pack;
            batch.ranges.push(WantedRange { number, table, pack, offset: range.start, length: range.length() });
            self.asked.insert(number, range);
        }
        batch.objects = std::mem::take(&mut self.read_objects_to_ask);
        for left in std::mem::take(&mut self.left_to_tell) {
            let number = self.next_number();
            batch.left.push(left.told_as(number));
            self.left_told.insert(number, left);
        }
        batch.differences = std::mem::take(&mut self.differences);
        batch.released = std::mem::take(&mut self.released);
        batch
    }

    fn has_room(&self, run: &Shared) -> bool {
        self.fetched_bytes < run.fetched_bytes_max && self.expanded_bytes <= run.expanded_bytes_max
    }

    fn note_happening(&mut self) {
        self.happened += 1;
        self.walk_waits = false;
    }

    fn next_number(&mut self) -> u32 {
        self.last_number = self.last_number.wrapping_add(1);
        self.last_number
    }

    fn is_done(&self) -> bool {
        self.is_walked
            && self.jobs == 0
            && self.objects_to_ask.is_empty()
            && self.files_to_ask.is_empty()
            && self.asked.is_empty()
            && self.answered.is_empty()
            && self.left_to_tell.is_empty()
            && self.left_told.is_empty()
            && self.to_release.is_empty()
    }

    /// Something to do. The walk comes first, for all else waits for it; it does not run ahead of what can be fetched.
    fn claim(&mut self) -> Option<Job> {
        if self.interrupted.is_some() {
            return None;
        }
        let can_walk = !self.walk_waits && self.files_to_ask.is_empty();
        let job = if let Some(walk) = self.walk.take_if(|_| can_walk) {
            Some(Job::Walk(walk, self.happened))
        } else if let Some(answer) = self.answered.pop_front() {
            Some(Job::Open(answer))
        } else if !self.to_release.is_empty() {
            Some(Job::Release(std::mem::take(&mut self.to_release)))
        } else {
            None
        };
        self.jobs += usize::from(job.is_some());
        job
    }
}

impl LeftOver {
    fn told_as(&self, number: u32) -> Left {
        match self {
            Self::In(folder, entry) => Left {
                number,
                kind: LeftKind::Entry,
                folder_fd: raw(folder.open.as_fd()),
                folder_path: folder.path(),
                entry: entry.clone(),
            },
            Self::Itself(folder, kind) => Left {
                number,
                kind: *kind,
                folder_fd: raw(folder.open.as_fd()),
                folder_path: folder.path(),
                entry: folder.entry.clone().expect("a folder that gets attributes has an entry"),
            },
        }
    }
}

fn raw(fd: BorrowedFd<'_>) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(&fd)
}

impl Shared {
    pub fn tables(&self) -> Arc<Vec<PlacedTable>> {
        Arc::clone(&self.tables.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    pub fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }

    pub fn open_folders(&self) -> usize {
        self.open_folders.load(Ordering::Relaxed)
    }

    pub fn note_opened(&self) {
        self.open_folders.fetch_add(1, Ordering::Relaxed);
    }

    pub fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    pub fn ask_for_objects(&self, items: Vec<(Place, Item)>) {
        if items.is_empty() {
            return;
        }
        let ranges = ranges_of(items);
        self.lock().objects_to_ask.extend(ranges);
        self.changed.notify_all();
    }

    pub fn ask_for_read_object(&self, slot: Arc<ObjectSlot>, object_id: &str) {
        let mut state = self.lock();
        let number = state.next_number();
        state.read_objects.insert(number, slot);
        state.read_objects_to_ask.push(WantedObject { number, object_id: object_id.into() });
        drop(state);
        self.changed.notify_all();
    }

    pub fn leave_entry(&self, folder: Arc<Folder>, entry: Entry) {
        self.leave(LeftOver::In(folder, entry));
    }

    fn leave(&self, left: LeftOver) {
        self.left.fetch_add(1, Ordering::Relaxed);
        self.lock().left_to_tell.push(left);
        self.changed.notify_all();
    }

    /// Whoever held on to a folder is done with it. The last one gives it its attributes, and lets go of the one above.
    pub fn release(&self, folder: Arc<Folder>) {
        let mut next = Some(folder);
        while let Some(folder) = next {
            let Some(folder) = Arc::into_inner(folder) else { return };
            next = self.finish(folder);
        }
    }

    /// The one above, where this one is done.
    fn finish(&self, folder: Folder) -> Option<Arc<Folder>> {
        let Some(entry) = &folder.entry else { return folder.parent };
        if let Some(&after) = folder.unread_after.get() {
            self.leave(LeftOver::Itself(Box::new(folder), LeftKind::Below { after }));
            return None;
        }
        let created_mode = folder.is_new.then_some(0o700);
        let apply = || apply(&folder.open, &entry.attributes, None, created_mode, &self.newborn);
        match self.conditions.profile.time_short(Stage::Attributes, apply) {
            Ok(difference) => {
                self.folders.fetch_add(1, Ordering::Relaxed);
                self.open_folders.fetch_sub(1, Ordering::Relaxed);
                if let Some(difference) = difference {
                    self.note_difference(|| folder.path(), entry, None, difference);
                }
                folder.parent
            }
            Err(_) => {
                self.leave(LeftOver::Itself(Box::new(folder), LeftKind::Finish));
                None
            }
        }
    }

    /// Whoever held on to a large file is done with it. The last one puts it in place, or leaves it to the reference.
    pub fn release_large(&self, file: Arc<LargeFile>) {
        let Some(mut large) = Arc::into_inner(file) else { return };
        let folder = Arc::clone(&large.folder);
        let entry = large.entry.clone();
        let is_restored = match large.take_whole() {
            Some(file) => self.commit(file, &folder, &entry),
            None => false,
        };
        drop(large);
        if is_restored {
            self.release(folder);
        } else {
            self.leave_entry(folder, entry);
        }
    }

    fn commit(&self, file: NewFile, folder: &Folder, entry: &Entry) -> bool {
        let commit = || file.commit(&folder.open, &entry.name, entry.size, &entry.attributes, &self.newborn);
        match self.conditions.profile.time_short(Stage::Attributes, commit) {
            Ok(difference) => {
                self.files.fetch_add(1, Ordering::Relaxed);
                if let Some(difference) = difference {
                    self.note_difference(|| folder.path_of(&entry.name), entry, Some(entry.size), difference);
                }
                true
            }
            Err(_) => false,
        }
    }

    fn note_difference(
        &self,
        path: impl FnOnce() -> Vec<u8>,
        entry: &Entry,
        size: Option<u64>,
        difference: Difference,
    ) {
        let count = self.differences.fetch_add(1, Ordering::Relaxed);
        let path = (count < PATHS_MAX).then(path);
        let is_link = entry.kind == EntryKind::Symlink;
        let noted = DifferenceOfEntry { path, wanted: entry.attributes, size, is_link, difference };
        self.lock().differences.push(noted);
    }

    fn counts(&self) -> Counts {
        let [files, folders, symlinks, bytes] =
            [&self.files, &self.folders, &self.symlinks, &self.bytes].map(|count| count.load(Ordering::Relaxed));
        Counts { files, folders, symlinks, bytes }
    }

    /// No panic leaves the state half changed: threads do their jobs outside the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interrupt(&self, why: Interrupted) {
        self.is_interrupted.store(true, Ordering::Relaxed);
        self.lock().interrupted.get_or_insert(why);
        self.changed.notify_all();
    }

    /// A thread of the pool.
    fn serve(&self, mut random: RandomStream) {
        let _ = self.conditions.adopt(); // Whether it can be had was told when the conditions were made.
        let mut state = self.lock();
        while !state.ended {
            match state.claim() {
                Some(job) => {
                    drop(state);
                    let outcome = catch_unwind(AssertUnwindSafe(|| self.perform(job, &mut random)));
                    if outcome.is_err() {
                        self.interrupt(Interrupted::Panicked);
                    }
                    state = self.lock();
                    state.jobs -= 1;
                    self.changed.notify_all();
                }
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn perform(&self, job: Job, random: &mut RandomStream) {
        match job {
            Job::Walk(mut walk, happened) => {
                let step = walk.step(self);
                let ranges = ranges_of(walk.take_batch(step));
                let mut state = self.lock();
                let is_new = !ranges.is_empty();
                state.files_to_ask.extend(ranges);
                match step {
                    Step::Done => state.is_walked = true,
                    _ => state.walk = Some(walk),
                }
                state.walk_waits = step != Step::Full && !is_new && state.happened == happened;
            }
            Job::Open((number, range, bytes)) => {
                let (length, expanded_bytes) = (range.length(), range.expanded_bytes);
                match bytes {
                    Some(bytes) => self.open(range, bytes, random),
                    None => range.items.into_iter().for_each(|(_, item)| self.abandon(item)),
                }
                let mut state = self.lock();
                state.fetched_bytes -= length;
                state.expanded_bytes -= expanded_bytes;
                state.ranges_ahead -= 1;
                self.conditions.profile.queue(Queue::RangesAhead, state.ranges_ahead);
                state.released.push(number);
                state.note_happening();
            }
            Job::Release(folders) => {
                folders.into_iter().for_each(|folder| self.release(folder));
                self.lock().note_happening();
            }
        }
    }

    fn open(&self, range: Range<Item>, mut fetched: Box<dyn FetchedBytes>, random: &mut RandomStream) {
        let bytes = fetched.bytes_mut();
        if bytes.len() as u64 != range.length() {
            return range.items.into_iter().for_each(|(_, item)| self.abandon(item));
        }
        let places = range.items.iter().map(|(place, _)| place);
        let open = || open_all(&self.hasher, &self.sealer, bytes, range.start, places);
        let opened = self.conditions.profile.time(Stage::Open, open);
        for (number, (_, item)) in range.items.into_iter().enumerate() {
            if self.is_interrupted() {
                return;
            }
            match opened.bytes(bytes, number) {
                Some(plain) => self.restore(item, plain, random),
                None => self.abandon(item),
            }
        }
    }

    fn restore(&self, item: Item, plain: &[u8], random: &mut RandomStream) {
        match item {
            Item::Object(slot) => slot.fill(Slot::There(Box::new(plain.to_vec()))),
            Item::Whole { folder, entry } if entry.kind == EntryKind::Symlink => {
                let temporary = TemporaryName::draw(random);
                let make = || make_symlink(&folder.open, &entry.name, plain, &entry.attributes, &temporary);
                match self.conditions.profile.time_short(Stage::Write, make) {
                    Ok(difference) => {
                        self.symlinks.fetch_add(1, Ordering::Relaxed);
                        if let Some(difference) = difference {
                            self.note_difference(|| folder.path_of(&entry.name), &entry, None, difference);
                        }
                        self.release(folder);
                    }
                    Err(_) => self.leave_entry(folder, entry),
                }
            }
            Item::Whole { folder, entry } => {
                if self.write_whole(&folder, &entry, plain, random) {
                    self.release(folder);
                } else {
                    self.leave_entry(folder, entry);
                }
            }
            Item::Chunk { file, position } => {
                let made = file.file.get_or_init(|| self.create(&file.folder, &file.entry, random));
                let write = |made: &NewFile| self.time_write(plain, || made.write_at(plain, position));
                if made.as_ref().is_ok_and(|made| write(made).is_ok()) {
                    file.note_written(plain.len());
                    self.bytes.fetch_add(plain.len() as u64, Ordering::Relaxed);
                }
                self.release_large(file);
            }
        }
    }

    fn write_whole(&self, folder: &Folder, entry: &Entry, plain: &[u8], random: &mut RandomStream) -> bool {
        let write = || {
            let file = self.create(folder, entry, random).ok()?;
            if file.write_at(plain, 0).is_err() {
                file.discard(&folder.open);
                return None;
            }
            Some(file)
        };
        let Some(file) = self.time_write(plain, write) else { return false };
        self.bytes.fetch_add(plain.len() as u64, Ordering::Relaxed);
        self.commit(file, folder, entry)
    }

    fn time_write<T>(&self, plain: &[u8], write: impl FnOnce() -> T) -> T {
        let profile = &self.conditions.profile;
        if plain.len() > SHORT_WRITE_BYTES_MAX {
            profile.time(Stage::Write, write)
        } else {
            profile.time_short(Stage::Write, write)
        }
    }

    fn create(&self, folder: &Folder, entry: &Entry, random: &mut RandomStream) -> Result<NewFile, Errno> {
        let seen_by = if folder.is_new { new_file::Folder::Private } else { new_file::Folder::Shared };
        NewFile::create(&folder.open, TemporaryName::draw(random), entry.attributes.mode, seen_by, self.zeros)
    }

    /// Its content could not be had.
    fn abandon(&self, item: Item) {
        match item {
            Item::Object(slot) => slot.fill(Slot::Failed),
            Item::Whole { folder, entry } => self.leave_entry(folder, entry),
            Item::Chunk { file, .. } => self.release_large(file),
        }
    }
}
