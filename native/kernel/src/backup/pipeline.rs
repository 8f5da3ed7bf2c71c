//! Walks and reads ahead of the packer, on several threads, and gives out what comes of it in the order of the walk.
//!
//! Threads of a small pool go on with the walk, one at a time, and open, read, split and hash the files that it finds,
//! whatever folder they lie in: many folders of few files keep all threads busy. The caller of `take` gets what is ready, in
//! order. Where nothing is ready it does the pool's work, and waits only when there is none. So the order does not depend
//! on the number of threads.
//!
//! Ahead of the caller there are at most some thousand entries, of which 128 files are read, 4 of them large; and of their
//! bytes what `ReadAhead` lets. A large file is looked at for changes only when its last chunk has been packed.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::io::Errno;

use super::file_reading::{Failure, LargeFile, OpenedFile, READINGS_MAX, Reading, WholeFile, read_opened};
use super::parent_folder::{Answer, WantedFolder};
use super::walker::{Attributes, EntryBatch, FoundFile, Step, Walked, Walker};
use crate::conditions::Conditions;
use crate::content_table::KnownTables;
use crate::format::Format;
use crate::hashing::Hash;
use crate::interrupted::Interrupted;
use crate::packer::Packer;
use crate::profile::{Queue, Stage};
use crate::read_ahead::ReadAhead;
use crate::snapshot::go_time::Time;

/// A thread takes this many files at once, or fewer that seem to have this many bytes together.
const FILES_PER_JOB: usize = 16;
const BYTES_PER_JOB: u64 = 4 << 20;
const FILES_AHEAD_MAX: usize = 128;
const LARGE_FILES_AHEAD_MAX: usize = 4;
/// Half of what the vector lanes of one hash take: eight would hold 32 MiB more of a large file.
const CHUNKS_PER_HASH: usize = 4;
/// Of a chunk's buffer that is used again so much stays resident: a chunk has 5 MiB on average, and 8 at most.
const SPARE_BYTES: usize = 5 << 20;
/// The walk goes on before anything else where fewer files than this wait to be read, and rests where there are more of
/// these, or of entries and folders.
const FOUND_FILES_MIN: usize = 64;
const FOUND_FILES_MAX: usize = 512;
const FOUND_ENTRIES_MAX: usize = 4096;
const STEPS_MAX: usize = 1024;
/// So much is given out at once.
const TAKEN_MAX: usize = 64;
const TAKEN_BYTES_MAX: usize = 1 << 20;

/// What comes next in the order of the walk. What is said of a file follows its batch.
pub enum Ready {
    Step(Step),
    /// So many files of it follow, one by one.
    Entries(Box<EntryBatch>, usize),
    Whole(ReadFile, Hash, WholeFile),
    NotRead(ReadFile, Failure),
    Chunk(Attributes, Hash, Vec<u8>),
    /// All chunks of the large file are packed.
    Packed(Arc<LargeFile>),
    LargeFailed(ReadFile, Errno),
}

/// A file whose folder is not needed any more.
pub struct ReadFile {
    pub name: Box<[u8]>,
    pub attributes: Attributes,
}

/// Why there is nothing to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Taken,
    /// The walk would have to go on, and may not.
    AtRest,
    /// Someone has to read folders of the parent snapshot.
    Wants,
    /// As before, and nothing else can be done meanwhile.
    Waits,
    Over,
}

/// One run, and the threads that serve it.
pub struct Pipeline {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    format: Arc<Format>,
    conditions: Arc<Conditions>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    run: Option<Run>,
    /// Jobs that threads are at.
    jobs: usize,
    interrupted: Option<Interrupted>,
    ended: bool,
    /// Chunk buffers to be used again.
    spare: Vec<Vec<u8>>,
}

struct Run {
    known: KnownTables,
    /// None while a thread walks.
    walker: Option<Walker>,
    /// Threads may walk before the caller has taken what was found.
    runs_ahead: bool,
    steps: VecDeque<FoundStep>,
    /// Entries in `steps`.
    entries: usize,
    answers: HashMap<u32, Answer>,
    wanted: Vec<WantedFolder>,
    walk_waits: bool,
    walk_is_over: bool,

    /// Files of the batch that was taken last, which are not taken yet.
    due_files: usize,
    /// Not begun yet; they follow those of the slots.
    found: VecDeque<FoundFile>,
    /// Number of the file of the first slot.
    head: usize,
    /// Files that were begun and are not taken whole.
    slots: VecDeque<Slot>,
    whole_bytes: usize,
    chunks: usize,
    large_files: usize,
    ahead: ReadAhead,
}

enum FoundStep {
    Entries(Box<EntryBatch>, usize),
    Other(Step),
}

enum Slot {
    Begun,
    Whole(ReadFile, Hash, WholeFile),
    Failed(ReadFile, Failure),
    Large(Box<LargeSlot>),
}

struct LargeSlot {
    read: ReadFile,
    file: Arc<LargeFile>,
    reading_number: u32,
    /// None while a thread reads.
    reading: Option<Reading>,
    is_read: bool,
    failure: Option<Errno>,
    chunks: VecDeque<ChunkSlot>,
    /// Number of the first of `chunks` in this reading.
    first_chunk: usize,
    packed_bytes: u64,
}

enum ChunkSlot {
    Read(Vec<u8>),
    Hashing,
    Hashed(Hash, Vec<u8>),
}

enum Job {
    Walk { walker: Walker, known: KnownTables, answers: HashMap<u32, Answer>, one_by_one: bool },
    Open { first: usize, files: Vec<FoundFile> },
    Read { number: usize, file: Arc<LargeFile>, reading: Reading, buffer: Vec<u8> },
    Hash(Vec<UnhashedChunk>),
}

/// File, number of the chunk in it, and its bytes.
type UnhashedChunk = (usize, usize, Vec<u8>);

impl Pipeline {
    /// The threads are those of the packer's conditions, with the caller of `take`, who does the same work instead of
    /// waiting.
    pub fn start(packer: &Packer, ahead: ReadAhead, walker: Walker) -> std::io::Result<Self> {
        let (format, conditions) = (Arc::clone(packer.format()), Arc::clone(packer.conditions()));
        let threads = conditions.threads;
        let run = Run::new(walker, Arc::clone(packer.known()), ahead);
        let state = State { run: Some(run), jobs: 0, interrupted: None, ended: false, spare: vec![] };
        let shared = Arc::new(Shared { format, conditions, state: Mutex::new(state), changed: Condvar::new() });
        let mut pipeline = Self { shared, threads: Mutex::default() };
        for number in 1..threads {
            let shared = Arc::clone(&pipeline.shared);
            let thread =
                std::thread::Builder::new().name(format!("fsb-read-{number}")).spawn(move || shared.serve())?;
            pipeline.threads.get_mut().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(pipeline)
    }

    /// Puts what is ready behind what is in `taken`. Unless it `may_walk`, the caller does not go on with the walk, nor
    /// does anyone before `run_ahead`.
    pub fn take(&self, taken: &mut VecDeque<Ready>, may_walk: bool) -> Result<Outcome, Interrupted> {
        self.shared.take(taken, may_walk)
    }

    /// From now on threads walk ahead of the caller.
    pub fn run_ahead(&self) {
        self.shared.change(|state| {
            if let Some(run) = &mut state.run {
                run.runs_ahead = true;
            }
        });
    }

    /// In which objects of the parent snapshot are looked for from now on.
    pub fn replace_known(&self, known: &KnownTables) -> Result<(), Interrupted> {
        let mut state = self.shared.lock();
        let run = state.running()?;
        if !Arc::ptr_eq(&run.known, known) {
            run.known = Arc::clone(known);
        }
        Ok(())
    }

    pub fn take_wanted(&self) -> Vec<WantedFolder> {
        self.shared.lock().run.as_mut().map_or(vec![], |run| std::mem::take(&mut run.wanted))
    }

    pub fn answer(&self, answers: impl IntoIterator<Item = (u32, Answer)>) {
        self.shared.change(|state| {
            if let Some(run) = &mut state.run {
                run.answers.extend(answers);
            }
        });
    }

    /// A chunk that was packed.
    pub fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        buffer.shrink_to(SPARE_BYTES);
        self.shared.change(|state| {
            state.spare.push(buffer);
            if let Some(run) = &mut state.run {
                run.chunks -= 1;
            }
        });
    }

    /// What a large file came to when all its chunks are packed; None where it is read again.
    pub fn finish_large(&self, large: Arc<LargeFile>) -> Option<(ReadFile, Result<LargeOutcome, Errno>)> {
        let (bytes, is_last_reading) = {
            let mut state = self.shared.lock();
            let slot = state.run.as_mut()?.front_large();
            (slot.packed_bytes, slot.reading_number >= READINGS_MAX)
        };
        let modified_at = large.modified_at();
        // Not under the lock: the file system may take its time.
        let outcome = large.has_changed(bytes);
        let begins_again = outcome == Ok(true) && !is_last_reading;
        let restarted = if begins_again { large.restarted().map(Some) } else { Ok(None) };
        drop(large);
        let mut state = self.shared.lock();
        let run = state.run.as_mut()?;
        let finished = match (outcome, restarted) {
            (Ok(_), Ok(Some(file))) => {
                run.front_large().begin_again(file);
                None
            }
            (Ok(changed), Ok(None)) => Some((run.pop_large(), Ok(LargeOutcome { bytes, changed, modified_at }))),
            (Err(errno), _) | (_, Err(errno)) => Some((run.pop_large(), Err(errno))),
        };
        drop(state);
        self.shared.changed.notify_all();
        finished
    }

    /// The run ends as soon as may be; a `take` that waits returns.
    pub fn cancel(&self) {
        self.shared.change(|state| {
            state.interrupted.get_or_insert(Interrupted::Cancelled);
        });
    }

    /// Ends the run and its threads. Waits for what they are at; then no descriptor of it is open.
    pub fn close(&self) {
        self.cancel();
        let mut state = self.shared.lock();
        while state.jobs > 0 {
            state = self.shared.wait(state);
        }
        let run = state.run.take();
        state.spare = vec![];
        drop(state);
        drop(run);
        self.end_threads();
    }

    fn end_threads(&self) {
        self.shared.change(|state| {
            state.ended = true;
            state.interrupted.get_or_insert(Interrupted::Cancelled);
        });
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join(); // It catches its panics.
        }
    }
}

pub struct LargeOutcome {
    pub bytes: u64,
    pub changed: bool,
    pub modified_at: Time,
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.end_threads();
    }
}

impl Shared {
    /// No panic leaves the state half changed: threads do their jobs outside the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// A thread of the pool.
    fn serve(&self) {
        let _ = self.conditions.adopt(); // Whether it can be had was told when the conditions were made.
        let mut state = self.lock();
        while !state.ended {
            match state.claim(false) {
                Some(job) => {
                    drop(state);
                    self.work(job);
                    state = self.lock();
                }
                None => state = self.wait(state),
            }
        }
    }

    fn take(&self, taken: &mut VecDeque<Ready>, may_walk: bool) -> Result<Outcome, Interrupted> {
        let mut state = self.lock();
        loop {
            let run = state.running()?;
            if run.take(taken) {
                let ahead = run.slots.len() + run.chunks;
                drop(state);
                self.conditions.profile.queue(Queue::ReadsAhead, ahead);
                self.changed.notify_all();
                return Ok(Outcome::Taken);
            }
            if run.is_over() {
                return Ok(Outcome::Over);
            }
            if !run.wanted.is_empty() {
                return Ok(Outcome::Wants);
            }
            if let Some(job) = state.claim(may_walk) {
                drop(state);
                self.work(job);
                state = self.lock();
            } else if state.jobs > 0 {
                state = self.wait(state);
            } else {
                let waits = state.run.as_ref().is_some_and(|run| run.walk_waits);
                return Ok(if waits { Outcome::Waits } else { Outcome::AtRest });
            }
        }
    }

    fn work(&self, job: Job) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.perform(job)));
        self.change(|state| {
            match outcome {
                Ok(done) => state.note(done),
                Err(_) => state.interrupted = Some(Interrupted::Panicked),
            }
            state.jobs -= 1;
        });
    }

    fn perform(&self, job: Job) -> Done {
        match job {
            Job::Walk { mut walker, known, mut answers, one_by_one } => {
                let walk = || walker.walk(&known, &mut answers, one_by_one);
                let walked = self.conditions.profile.time(Stage::Walk, walk);
                Done::Walked(walker, walked)
            }
            Job::Open { first, files } => Done::Opened { first, slots: self.open(files) },
            Job::Read { number, file, mut reading, mut buffer } => {
                let is_first = reading.position() == 0;
                let outcome = reading.next_chunk(&file, &mut buffer, &self.conditions);
                Done::Read { number, reading, buffer, outcome, is_first }
            }
            Job::Hash(chunks) => {
                let bytes: Vec<&[u8]> = chunks.iter().map(|(_, _, bytes)| &bytes[..]).collect();
                let hashes = self.conditions.profile.time(Stage::Hash, || self.format.hasher.hash_each(&bytes));
                Done::Hashed(chunks.into_iter().zip(hashes).collect())
            }
        }
    }

    fn open(&self, files: Vec<FoundFile>) -> Vec<Slot> {
        let Conditions { profile, read_limit, .. } = &*self.conditions;
        let read = |FoundFile { folder, name, attributes, .. }| {
            let opened = folder.open_file(&name).map_err(Failure::not_opened);
            let opened = opened.and_then(|file| read_opened(file, folder.calls(), read_limit));
            (opened, ReadFile { name, attributes })
        };
        let opened: Vec<_> = profile.time(Stage::Read, || files.into_iter().map(read).collect());
        let whole: Vec<&[u8]> = opened
            .iter()
            .filter_map(|(file, _)| if let Ok(OpenedFile::Whole(whole)) = file { Some(&whole.bytes[..]) } else { None })
            .collect();
        let mut hashes = profile.time(Stage::Hash, || self.format.hasher.hash_each(&whole)).into_iter();
        let slots = opened.into_iter().map(|(file, read)| match file {
            Ok(OpenedFile::Whole(whole)) => Slot::Whole(read, hashes.next().expect("a hash for each"), whole),
            Ok(OpenedFile::Large(large)) => Slot::Large(Box::new(LargeSlot::new(read, large))),
            Err(failure) => Slot::Failed(read, failure),
        });
        slots.collect()
    }
}

/// What a job came to.
enum Done {
    Walked(Walker, Walked),
    Opened { first: usize, slots: Vec<Slot> },
    Read { number: usize, reading: Reading, buffer: Vec<u8>, outcome: Result<bool, Errno>, is_first: bool },
    Hashed(Vec<(UnhashedChunk, Hash)>),
}

impl State {
    fn running(&mut self) -> Result<&mut Run, Interrupted> {
        match self.interrupted {
            Some(interrupted) => Err(interrupted),
            None => self.run.as_mut().ok_or(Interrupted::Cancelled),
        }
    }

    /// Something to do, if limits allow. The walk comes first where little is left to read; reading comes before hashing as
    /// long as there is little to hash, for all else waits for it. With `may_walk` the walk goes on though it does not run
    /// ahead.
    fn claim(&mut self, may_walk: bool) -> Option<Job> {
        if self.interrupted.is_some() {
            return None;
        }
        let run = self.run.as_mut()?;
        let walk_comes_first = run.runs_ahead && run.found.len() < FOUND_FILES_MIN;
        let mut job = if walk_comes_first { run.claim_walk(may_walk) } else { None };
        if job.is_none() && run.count_unhashed() >= CHUNKS_PER_HASH {
            job = run.claim_hash();
        }
        let job = job
            .or_else(|| run.claim_read(&mut self.spare))
            .or_else(|| run.claim_hash())
            .or_else(|| run.claim_open())
            .or_else(|| run.claim_walk(may_walk));
        self.jobs += usize::from(job.is_some());
        job
    }

    fn note(&mut self, done: Done) {
        let Some(run) = &mut self.run else { return };
        match done {
            Done::Walked(walker, walked) => run.note_walked(walker, walked),
            Done::Opened { first, slots } => {
                for (i, slot) in slots.into_iter().enumerate() {
                    match &slot {
                        Slot::Whole(_, _, whole) => run.whole_bytes += whole.bytes.len(),
                        Slot::Large(_) => run.large_files += 1,
                        Slot::Failed(..) | Slot::Begun => {}
                    }
                    *run.slot(first + i) = slot;
                }
            }
            Done::Read { number, reading, mut buffer, outcome, is_first } => {
                let slot = run.large(number);
                slot.reading = Some(reading);
                slot.is_read = *outcome.as_ref().unwrap_or(&true);
                slot.failure = outcome.err();
                if slot.failure.is_none() && (is_first || !buffer.is_empty()) {
                    slot.chunks.push_back(ChunkSlot::Read(buffer));
                } else {
                    run.chunks -= 1;
                    buffer.clear();
                    self.spare.push(buffer);
                }
            }
            Done::Hashed(chunks) => {
                for ((number, chunk, bytes), hash) in chunks {
                    let slot = run.large(number);
                    let at = chunk - slot.first_chunk;
                    slot.chunks[at] = ChunkSlot::Hashed(hash, bytes);
                }
            }
        }
    }
}

impl Run {
    fn new(walker: Walker, known: KnownTables, ahead: ReadAhead) -> Self {
        Self {
            known,
            walker: Some(walker),
            runs_ahead: false,
            steps: VecDeque::new(),
            entries: 0,
            answers: HashMap::new(),
            wanted: vec![],
            walk_waits: false,
            walk_is_over: false,
            due_files: 0,
            found: VecDeque::new(),
            head: 0,
            slots: VecDeque::new(),
            whole_bytes: 0,
            chunks: 0,
            large_files: 0,
            ahead,
        }
    }

    fn is_over(&self) -> bool {
        self.walk_is_over && self.steps.is_empty() && self.due_files == 0
    }

    fn note_walked(&mut self, walker: Walker, walked: Walked) {
        let Walked { steps, wanted, waits, is_over } = walked;
        self.walker = Some(walker);
        self.wanted.extend(wanted);
        self.walk_waits = waits;
        self.walk_is_over = is_over;
        for step in steps {
            self.steps.push_back(match step {
                Step::Entries(mut batch) => {
                    self.entries += batch.count();
                    let files = batch.files.len();
                    self.found.extend(batch.files.drain(..));
                    FoundStep::Entries(batch, files)
                }
                other => FoundStep::Other(other),
            });
        }
    }

    fn claim_walk(&mut self, may_walk: bool) -> Option<Job> {
        let has_something = !self.walk_is_over && (!self.walk_waits || !self.answers.is_empty());
        let has_room =
            self.found.len() < FOUND_FILES_MAX && self.entries < FOUND_ENTRIES_MAX && self.steps.len() < STEPS_MAX;
        if !has_something || !has_room || !(self.runs_ahead || may_walk) {
            return None;
        }
        let walker = self.walker.take()?;
        let (known, answers) = (Arc::clone(&self.known), std::mem::take(&mut self.answers));
        Some(Job::Walk { walker, known, answers, one_by_one: !self.runs_ahead })
    }

    fn slot(&mut self, number: usize) -> &mut Slot {
        &mut self.slots[number - self.head]
    }

    fn large(&mut self, number: usize) -> &mut LargeSlot {
        match self.slot(number) {
            Slot::Large(slot) => slot,
            _ => unreachable!("a large file stays one until it is packed"),
        }
    }

    fn front_large(&mut self) -> &mut LargeSlot {
        let head = self.head;
        self.large(head)
    }

    fn large_slots(&mut self) -> impl Iterator<Item = (usize, &mut LargeSlot)> {
        let head = self.head;
        self.slots.iter_mut().enumerate().filter_map(move |(i, slot)| match slot {
            Slot::Large(slot) => Some((head + i, &mut **slot)),
            _ => None,
        })
    }

    fn count_unhashed(&mut self) -> usize {
        if self.large_files == 0 {
            return 0;
        }
        self.large_slots()
            .map(|(_, slot)| slot.chunks.iter().filter(|chunk| matches!(chunk, ChunkSlot::Read(_))).count())
            .sum()
    }

    /// One large file is read at a time, the first that is not read to its end. The very first always has a buffer.
    fn claim_read(&mut self, spare: &mut Vec<Vec<u8>>) -> Option<Job> {
        if self.large_files == 0 {
            return None;
        }
        let (head, has_room) = (self.head, self.chunks < self.ahead.chunks);
        let (number, slot) = self.large_slots().find(|(_, slot)| !slot.is_read)?;
        if !(has_room || number == head && slot.chunks.is_empty()) {
            return None;
        }
        let reading = slot.reading.take()?;
        let file = Arc::clone(&slot.file);
        self.chunks += 1;
        Some(Job::Read { number, file, reading, buffer: spare.pop().unwrap_or_default() })
    }

    fn claim_hash(&mut self) -> Option<Job> {
        if self.large_files == 0 {
            return None;
        }
        let mut claimed = vec![];
        for (number, slot) in self.large_slots() {
            let first = slot.first_chunk;
            for (i, chunk) in slot.chunks.iter_mut().enumerate() {
                if claimed.len() == CHUNKS_PER_HASH {
                    break;
                }
                if let ChunkSlot::Read(bytes) = chunk {
                    claimed.push((number, first + i, std::mem::take(bytes)));
                    *chunk = ChunkSlot::Hashing;
                }
            }
        }
        (!claimed.is_empty()).then_some(Job::Hash(claimed))
    }

    fn claim_open(&mut self) -> Option<Job> {
        let first = self.head + self.slots.len();
        let ahead = self.slots.len();
        let has_room = ahead < FILES_AHEAD_MAX
            && self.whole_bytes < self.ahead.whole_bytes
            && self.large_files < LARGE_FILES_AHEAD_MAX;
        let mut bytes = 0;
        let count = self
            .found
            .iter()
            .take(FILES_PER_JOB)
            .take_while(|file| {
                let is_room = bytes < BYTES_PER_JOB;
                bytes = bytes.saturating_add(file.size);
                is_room
            })
            .count();
        if count == 0 || !(has_room || ahead == 0) {
            return None;
        }
        self.slots.extend((0..count).map(|_| Slot::Begun));
        Some(Job::Open { first, files: self.found.drain(..count).collect() })
    }

    /// Whether anything was ready.
    fn take(&mut self, taken: &mut VecDeque<Ready>) -> bool {
        let mut bytes = 0;
        let before = taken.len();
        while taken.len() - before < TAKEN_MAX && bytes < TAKEN_BYTES_MAX {
            if self.due_files == 0 {
                match self.steps.pop_front() {
                    None => break,
                    Some(FoundStep::Other(step)) => taken.push_back(Ready::Step(step)),
                    Some(FoundStep::Entries(batch, files)) => {
                        self.entries -= batch.count() + files;
                        self.due_files = files;
                        taken.push_back(Ready::Entries(batch, files));
                    }
                }
                continue;
            }
            match self.slots.front_mut() {
                None | Some(Slot::Begun) => break,
                Some(Slot::Large(slot)) => {
                    // What comes behind it depends on what the caller makes of it.
                    let Some(ready) = slot.take() else { break };
                    taken.push_back(match ready {
                        LargeReady::Chunk(hash, bytes) => Ready::Chunk(slot.read.attributes, hash, bytes),
                        LargeReady::Packed => Ready::Packed(Arc::clone(&slot.file)),
                        LargeReady::Failed(errno) => Ready::LargeFailed(self.pop_large(), errno),
                    });
                    break;
                }
                Some(Slot::Whole(..) | Slot::Failed(..)) => match self.pop() {
                    Slot::Whole(read, hash, whole) => {
                        self.whole_bytes -= whole.bytes.len();
                        bytes += whole.bytes.len();
                        taken.push_back(Ready::Whole(read, hash, whole));
                    }
                    Slot::Failed(read, failure) => taken.push_back(Ready::NotRead(read, failure)),
                    Slot::Begun | Slot::Large(_) => unreachable!("it is one of the two"),
                },
            }
        }
        taken.len() > before
    }

    /// The first file is done with.
    fn pop(&mut self) -> Slot {
        self.head += 1;
        self.due_files -= 1;
        self.slots.pop_front().expect("it was at the front")
    }

    fn pop_large(&mut self) -> ReadFile {
        self.large_files -= 1;
        match self.pop() {
            Slot::Large(slot) => slot.read,
            _ => unreachable!("a large file stays one until it is packed"),
        }
    }
}

impl LargeSlot {
    fn new(read: ReadFile, file: LargeFile) -> Self {
        Self {
            read,
            file: Arc::new(file),
            reading_number: 1,
            reading: Some(Reading::default()),
            is_read: false,
            failure: None,
            chunks: VecDeque::new(),
            first_chunk: 0,
            packed_bytes: 0,
        }
    }

    fn begin_again(&mut self, file: LargeFile) {
        self.file = Arc::new(file);
        self.reading_number += 1;
        self.reading = Some(Reading::default());
        self.is_read = false;
        self.packed_bytes = 0;
        self.first_chunk = 0;
    }

    fn take(&mut self) -> Option<LargeReady> {
        match self.chunks.front() {
            Some(ChunkSlot::Hashed(..)) => {
                let Some(ChunkSlot::Hashed(hash, bytes)) = self.chunks.pop_front() else {
                    unreachable!("it was at the front")
                };
                self.first_chunk += 1;
                self.packed_bytes += bytes.len() as u64;
                Some(LargeReady::Chunk(hash, bytes))
            }
            Some(_) => None,
            None if !self.is_read => None,
            None => Some(self.failure.map_or(LargeReady::Packed, LargeReady::Failed)),
        }
    }
}

enum LargeReady {
    Chunk(Hash, Vec<u8>),
    Packed,
    Failed(Errno),
}
