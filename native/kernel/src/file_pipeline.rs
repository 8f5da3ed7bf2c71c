//! Files of a folder into a packer, on several threads and in the order of the files.
//!
//! Threads of a small pool open, read, split and hash ahead of the caller; the caller, in `next`, takes what is ready in
//! the files' order, looks it up, seals and packs it. So the packs do not depend on the number of threads. Where nothing
//! is ready the caller does the pool's work, and waits only when there is none.
//!
//! Ahead of the caller there are at most about 128 files, of which 4 are large; 8 MiB of whole files, and 6 MiB more for
//! each thread that reads some; and 6 chunks of at most 8 MiB. A large file is looked at for changes only when its last
//! chunk has been packed.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::io::Errno;

use crate::events::{Chunk, EventBatch, Operation};
use crate::file_reading::{Failure, LargeFile, OpenedFile, READINGS_MAX, Reading, WholeFile, open_file};
use crate::format::Format;
use crate::hashing::Hash;
use crate::packer::Packer;

const EVENTS_PER_BATCH: usize = 256;
/// A thread takes this many files at once, or fewer that seem to have this many bytes together.
const FILES_PER_JOB: usize = 8;
const BYTES_PER_JOB: u64 = 4 << 20;
const FILES_AHEAD_MAX: usize = 128;
const LARGE_FILES_AHEAD_MAX: usize = 4;
const WHOLE_BYTES_AHEAD_MAX: usize = 8 << 20;
const CHUNKS_AHEAD_MAX: usize = 6;
/// As many as the vector lanes of one hash take.
const CHUNKS_PER_HASH: usize = 4;
const THREADS_MAX: usize = 16;

/// The run was cancelled, or ended because a thread of it panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupted {
    Cancelled,
    Panicked,
}

/// Threads that serve one run after the other. They wait while there is none, and end when this is dropped.
pub struct FilePipeline {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    format: Arc<Format>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    run: Option<Run>,
    /// Jobs that threads are at. They belong to the run.
    jobs: usize,
    interrupted: Option<Interrupted>,
    ended: bool,
    /// Chunk buffers to be used again.
    spare: Vec<Vec<u8>>,
}

/// A file of the open folder.
pub struct FileToStore {
    /// One name and no path.
    pub name: Vec<u8>,
    /// Bytes when it was listed: a hint.
    pub size: u64,
}

struct Run {
    folder: Arc<OwnedFd>,
    files: Arc<[FileToStore]>,
    /// Number of the file of the first slot.
    head: usize,
    /// Files that were begun and are not packed whole.
    slots: VecDeque<Slot>,
    whole_bytes: usize,
    chunks: usize,
    large_files: usize,
}

enum Slot {
    Begun,
    Whole(Hash, WholeFile),
    Failed(Failure),
    Large(Box<LargeSlot>),
}

struct LargeSlot {
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
    Open { folder: Arc<OwnedFd>, files: Arc<[FileToStore]>, first: usize, count: usize },
    Read { number: usize, file: Arc<LargeFile>, reading: Reading, buffer: Vec<u8> },
    Hash(Vec<UnhashedChunk>),
}

/// File, number of the chunk in it, and its bytes.
type UnhashedChunk = (usize, usize, Vec<u8>);

/// What the caller packs next.
enum Ready {
    Whole(Hash, WholeFile),
    Failed(Failure),
    Chunk(Hash, Vec<u8>),
    /// All chunks of the large file are packed.
    Packed(Arc<LargeFile>),
    LargeFailed(Errno),
    AllDone,
    NotYet,
}

impl FilePipeline {
    /// `threads` counts the caller of `next`, who does the same work instead of waiting.
    pub fn new(format: Arc<Format>, threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { format, state: Mutex::default(), changed: Condvar::new() });
        let mut pipeline = Self { shared, threads: vec![] };
        for number in 1..threads.min(THREADS_MAX) {
            let shared = Arc::clone(&pipeline.shared);
            let thread =
                std::thread::Builder::new().name(format!("fsb-read-{number}")).spawn(move || shared.serve())?;
            pipeline.threads.push(thread);
        }
        Ok(pipeline)
    }

    /// Begins to read these files. There is no other run at the time.
    pub fn start(&self, folder: OwnedFd, files: Vec<FileToStore>) {
        let mut state = self.shared.lock();
        assert!(state.run.is_none() && state.jobs == 0, "one run at a time");
        state.interrupted = None;
        state.run = Some(Run {
            folder: Arc::new(folder),
            files: files.into(),
            head: 0,
            slots: VecDeque::new(),
            whole_bytes: 0,
            chunks: 0,
            large_files: 0,
        });
        drop(state);
        self.shared.changed.notify_all();
    }

    /// The next events. A pack or a piece of a large file ends a batch; the run is over with the one that `is_last`.
    pub fn next(&self, packer: &mut Packer, now_seconds: u32) -> Result<EventBatch, Interrupted> {
        let mut batch = EventBatch::default();
        while batch.count < EVENTS_PER_BATCH {
            let (number, ready) = self.shared.take()?;
            let file = number as u32;
            match ready {
                Ready::AllDone => {
                    self.shared.lock().run = None;
                    batch.is_last = true;
                    break;
                }
                Ready::NotYet => continue,
                Ready::Failed(Failure { operation, errno }) => batch.failed(file, operation, errno),
                Ready::LargeFailed(errno) => batch.failed(file, Operation::Read, errno.raw_os_error()),
                Ready::Whole(hash, WholeFile { bytes, changed, modified_at }) => {
                    let pack = packer.store(0, &hash, &bytes, now_seconds);
                    let is_pack = pack.is_some();
                    pack.into_iter().for_each(|pack| batch.pack(pack));
                    let chunk = Chunk { hash, length: bytes.len() as u32 };
                    batch.file(file, &[chunk], bytes.len() as u64, changed, modified_at);
                    if is_pack {
                        break;
                    }
                }
                Ready::Chunk(hash, bytes) => {
                    packer.store(0, &hash, &bytes, now_seconds).into_iter().for_each(|pack| batch.pack(pack));
                    batch.chunk(file, Chunk { hash, length: bytes.len() as u32 });
                    self.shared.give_back(bytes);
                    break;
                }
                Ready::Packed(large) => self.shared.finish_large(large, file, &mut batch),
            }
        }
        Ok(batch)
    }

    /// The run ends as soon as may be; a `next` that waits returns.
    pub fn cancel(&self) {
        let mut state = self.shared.lock();
        state.interrupted.get_or_insert(Interrupted::Cancelled);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Ends a run that has no last batch yet. Waits for what threads are at; then no descriptor of it is open.
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
    }
}

impl Drop for FilePipeline {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        state.interrupted.get_or_insert(Interrupted::Cancelled);
        drop(state);
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // It catches its panics.
        }
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

    /// A thread of the pool.
    fn serve(&self) {
        let mut state = self.lock();
        while !state.ended {
            match state.claim() {
                Some(job) => {
                    drop(state);
                    self.work(job);
                    state = self.lock();
                }
                None => state = self.wait(state),
            }
        }
    }

    /// What comes next in the files' order; does the pool's work meanwhile.
    fn take(&self) -> Result<(usize, Ready), Interrupted> {
        let mut state = self.lock();
        loop {
            if let Some(interrupted) = state.interrupted {
                return Err(interrupted);
            }
            let Some(run) = &mut state.run else { return Err(Interrupted::Cancelled) };
            match run.take() {
                (number, Ready::NotYet) => match state.claim() {
                    Some(job) => {
                        drop(state);
                        self.work(job);
                        // Another thread may have finished the first meanwhile.
                        return Ok((number, Ready::NotYet));
                    }
                    None => state = self.wait(state),
                },
                taken => {
                    drop(state);
                    self.changed.notify_all();
                    return Ok(taken);
                }
            }
        }
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut state = self.lock();
        state.spare.push(buffer);
        if let Some(run) = &mut state.run {
            run.chunks -= 1;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Tells the file, or has it read again.
    fn finish_large(&self, large: Arc<LargeFile>, number: u32, batch: &mut EventBatch) {
        let mut state = self.lock();
        let Some(run) = &mut state.run else { return };
        let Some(Slot::Large(slot)) = run.slots.front_mut() else { unreachable!("it was at the front") };
        let bytes_read = slot.packed_bytes;
        let is_last_reading = slot.reading_number >= READINGS_MAX;
        let modified_at = large.modified_at();
        let outcome = large.has_changed(bytes_read).and_then(|changed| {
            if !changed || is_last_reading {
                return Ok(Some(changed));
            }
            drop(large);
            let file = Arc::get_mut(&mut slot.file).expect("no thread reads a file that is read");
            file.restart().map(|()| None)
        });
        match outcome {
            Ok(None) => {
                slot.begin_again();
                batch.restarted(number);
            }
            Ok(Some(changed)) => {
                run.pop_large();
                batch.file(number, &[], bytes_read, changed, modified_at);
            }
            Err(errno) => {
                run.pop_large();
                batch.failed(number, Operation::Read, errno.raw_os_error());
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    fn work(&self, job: Job) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.perform(job)));
        let mut state = self.lock();
        match outcome {
            Ok(done) => state.note(done),
            Err(_) => state.interrupted = Some(Interrupted::Panicked),
        }
        state.jobs -= 1;
        drop(state);
        self.changed.notify_all();
    }

    fn perform(&self, job: Job) -> Done {
        match job {
            Job::Open { folder, files, first, count } => {
                let opened: Vec<_> =
                    files[first..first + count].iter().map(|file| open_file(folder.as_fd(), &file.name)).collect();
                let whole: Vec<&[u8]> = opened
                    .iter()
                    .filter_map(
                        |file| if let Ok(OpenedFile::Whole(whole)) = file { Some(&whole.bytes[..]) } else { None },
                    )
                    .collect();
                let mut hashes = self.format.hasher.hash_each(&whole).into_iter();
                let slots = opened.into_iter().map(|file| match file {
                    Ok(OpenedFile::Whole(whole)) => Slot::Whole(hashes.next().expect("a hash for each"), whole),
                    Ok(OpenedFile::Large(large)) => Slot::Large(Box::new(LargeSlot::new(large))),
                    Err(failure) => Slot::Failed(failure),
                });
                Done::Opened { first, slots: slots.collect() }
            }
            Job::Read { number, file, mut reading, mut buffer } => {
                let is_first = reading.position() == 0;
                let outcome = reading.next_chunk(&file, &mut buffer);
                Done::Read { number, reading, buffer, outcome, is_first }
            }
            Job::Hash(chunks) => {
                let bytes: Vec<&[u8]> = chunks.iter().map(|(_, _, bytes)| &bytes[..]).collect();
                let hashes = self.format.hasher.hash_each(&bytes);
                Done::Hashed(chunks.into_iter().zip(hashes).collect())
            }
        }
    }
}

/// What a job came to.
enum Done {
    Opened { first: usize, slots: Vec<Slot> },
    Read { number: usize, reading: Reading, buffer: Vec<u8>, outcome: Result<bool, Errno>, is_first: bool },
    Hashed(Vec<(UnhashedChunk, Hash)>),
}

impl State {
    /// Something to do, if limits allow. Reading comes before hashing as long as there is little to hash, for all else
    /// waits for it.
    fn claim(&mut self) -> Option<Job> {
        if self.interrupted.is_some() {
            return None;
        }
        let run = self.run.as_mut()?;
        let job = if run.count_unhashed() >= CHUNKS_PER_HASH {
            run.claim_hash()
        } else {
            run.claim_read(&mut self.spare).or_else(|| run.claim_hash()).or_else(|| run.claim_open())
        };
        self.jobs += usize::from(job.is_some());
        job
    }

    fn note(&mut self, done: Done) {
        let Some(run) = &mut self.run else { return };
        match done {
            Done::Opened { first, slots } => {
                for (i, slot) in slots.into_iter().enumerate() {
                    match &slot {
                        Slot::Whole(_, whole) => run.whole_bytes += whole.bytes.len(),
                        Slot::Large(_) => run.large_files += 1,
                        Slot::Failed(_) | Slot::Begun => {}
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
    fn slot(&mut self, number: usize) -> &mut Slot {
        &mut self.slots[number - self.head]
    }

    fn large(&mut self, number: usize) -> &mut LargeSlot {
        match self.slot(number) {
            Slot::Large(slot) => slot,
            _ => unreachable!("a large file stays one until it is packed"),
        }
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
        let (head, chunks) = (self.head, self.chunks);
        let (number, slot) = self.large_slots().find(|(_, slot)| !slot.is_read)?;
        if chunks >= CHUNKS_AHEAD_MAX && !(number == head && slot.chunks.is_empty()) {
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
            && self.whole_bytes < WHOLE_BYTES_AHEAD_MAX
            && self.large_files < LARGE_FILES_AHEAD_MAX;
        let mut bytes = 0;
        let count = self.files[first..]
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
        Some(Job::Open { folder: Arc::clone(&self.folder), files: Arc::clone(&self.files), first, count })
    }

    fn take(&mut self) -> (usize, Ready) {
        let number = self.head;
        if number == self.files.len() {
            return (number, Ready::AllDone);
        }
        let ready = match self.slots.front_mut() {
            None | Some(Slot::Begun) => Ready::NotYet,
            Some(Slot::Large(slot)) => slot.take(),
            Some(Slot::Whole(..) | Slot::Failed(_)) => match self.pop() {
                Slot::Whole(hash, whole) => {
                    self.whole_bytes -= whole.bytes.len();
                    Ready::Whole(hash, whole)
                }
                Slot::Failed(failure) => Ready::Failed(failure),
                Slot::Begun | Slot::Large(_) => unreachable!("it is one of the two"),
            },
        };
        if matches!(ready, Ready::LargeFailed(_)) {
            self.pop_large();
        }
        (number, ready)
    }

    fn pop(&mut self) -> Slot {
        self.head += 1;
        self.slots.pop_front().expect("it was at the front")
    }

    fn pop_large(&mut self) {
        self.large_files -= 1;
        self.pop();
    }
}

impl LargeSlot {
    fn new(file: LargeFile) -> Self {
        Self {
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

    fn begin_again(&mut self) {
        self.reading_number += 1;
        self.reading = Some(Reading::default());
        self.is_read = false;
        self.packed_bytes = 0;
        self.first_chunk = 0;
    }

    fn take(&mut self) -> Ready {
        match self.chunks.front() {
            Some(ChunkSlot::Hashed(..)) => {
                let Some(ChunkSlot::Hashed(hash, bytes)) = self.chunks.pop_front() else {
                    unreachable!("it was at the front")
                };
                self.first_chunk += 1;
                self.packed_bytes += bytes.len() as u64;
                Ready::Chunk(hash, bytes)
            }
            Some(_) => Ready::NotYet,
            None if !self.is_read => Ready::NotYet,
            None => match self.failure {
                Some(errno) => Ready::LargeFailed(errno),
                None => Ready::Packed(Arc::clone(&self.file)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::PathBuf;

    use super::*;
    use crate::buzhash::DYNAMIC_4M;
    use crate::hashing::ContentHasher;
    use crate::packer::FullPack;
    use crate::sealing::Sealer;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, files: &[(&str, Vec<u8>)]) -> Self {
            let path = std::env::temp_dir().join(format!("fsb-kernel-{}-{name}", std::process::id()));
            fs::create_dir(&path).unwrap();
            for (name, bytes) in files {
                fs::write(path.join(name), bytes).unwrap();
            }
            Self(path)
        }

        fn open(&self) -> OwnedFd {
            File::open(&self.0).unwrap().into()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0); // What is left lies among temporary files.
        }
    }

    fn format() -> Arc<Format> {
        let (hasher, sealer) = (ContentHasher::new(b"hash"), Sealer::new(b"seal"));
        Arc::new(Format { hasher, sealer, pack_bytes_max: 5 << 20, pack_header: vec![] })
    }

    fn bytes(length: usize, seed: u32) -> Vec<u8> {
        let mut x = seed | 1;
        (0..length)
            .map(|_| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (x >> 24) as u8
            })
            .collect()
    }

    fn files(names: &[&str]) -> Vec<FileToStore> {
        names.iter().map(|name| FileToStore { name: name.as_bytes().to_vec(), size: 0 }).collect()
    }

    /// All events but those of packs, and the packs.
    fn store_all(threads: usize, folder: &Folder, names: &[&str]) -> (Vec<u8>, Vec<FullPack>) {
        let format = format();
        let pipeline = FilePipeline::new(Arc::clone(&format), threads).unwrap();
        let mut packer = Packer::new(format, vec![], &[5; 32]);
        pipeline.start(folder.open(), files(names));
        let (mut events, mut packs) = (vec![], vec![]);
        loop {
            let batch = pipeline.next(&mut packer, 1).unwrap();
            events.extend(batch.bytes);
            packs.extend(batch.packs);
            if batch.is_last {
                packs.extend(packer.finish_packs());
                return (events, packs);
            }
        }
    }

    #[test]
    fn events_and_packs_do_not_depend_on_the_number_of_threads() {
        let sizes = [0, 1, DYNAMIC_4M.minimum - 1, DYNAMIC_4M.minimum, 300, 20 << 20, 9 << 20, 7, 3 << 20];
        let names: Vec<String> = (0..sizes.len()).map(|number| number.to_string()).collect();
        let all: Vec<_> = names.iter().zip(sizes).map(|(name, size)| (&name[..], bytes(size, size as u32))).collect();
        let folder = Folder::new("threads", &all);
        let order: Vec<&str> = names.iter().map(|name| &name[..]).chain(["missing"]).collect();
        let (events, packs) = store_all(1, &folder, &order);
        assert!(packs.len() > 4);
        for threads in [2, 3, 8] {
            let (same_events, same_packs) = store_all(threads, &folder, &order);
            assert!(events == same_events);
            assert!(packs.iter().map(|pack| &pack.bytes).eq(same_packs.iter().map(|pack| &pack.bytes)));
        }
    }

    #[test]
    fn a_run_that_is_closed_leaves_room_for_the_next() {
        let folder = Folder::new("closed", &[("large", bytes(30 << 20, 1)), ("small", bytes(10, 2))]);
        let format = format();
        let pipeline = FilePipeline::new(Arc::clone(&format), 3).unwrap();
        let mut packer = Packer::new(format, vec![], &[5; 32]);
        for _ in 0..5 {
            pipeline.start(folder.open(), files(&["large", "small"]));
            assert!(!pipeline.next(&mut packer, 1).unwrap().is_last);
            pipeline.close();
            assert_eq!(pipeline.next(&mut packer, 1).err(), Some(Interrupted::Cancelled));
        }
        pipeline.start(folder.open(), files(&["small"]));
        assert!(pipeline.next(&mut packer, 1).unwrap().is_last);
    }

    #[test]
    fn a_name_is_no_path_and_a_link_is_not_followed() {
        let folder = Folder::new("names", &[("file", bytes(10, 1))]);
        std::os::unix::fs::symlink("file", folder.0.join("link")).unwrap();
        let (events, packs) = store_all(2, &folder, &["./file", "..", "link", ""]);
        let outcomes: Vec<_> = events.as_chunks::<32>().0.iter().map(|event| (event[0], event[8])).collect();
        let [inval, link, missing] = [Errno::INVAL, Errno::LOOP, Errno::NOENT].map(|errno| errno.raw_os_error() as u8);
        assert_eq!(outcomes, [(3, inval), (3, inval), (3, link), (3, missing)]);
        assert!(packs.is_empty());
    }
}
