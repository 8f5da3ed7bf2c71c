//! One backup of a tree: what the pipeline gives out becomes contents and folder objects, in batches that the caller pulls.
//!
//! The first batches are small and nothing is done ahead of them, so that of a small volume each step is told, in an order
//! that does not depend on threads; of a large one few batches cross the boundary.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::file_reading::Failure;
use super::folder_stack::{Fatal, FolderStack, Partial, Report, StoredFile, Totals};
use super::object_writer::ObjectWriter;
use super::parent_folder::{Answer, WantedFolder};
use super::pipeline::{LargeOutcome, Outcome, Pipeline, Ready};
use super::walker::{Attributes, EntryBatch, Operation, Step, Trouble, Walker};
use crate::chunk::Chunk;
use crate::interrupted::Interrupted;
use crate::packer::{FullPack, Packer};
use crate::read_ahead::ReadAhead;
use crate::volume::open_folder::OpenFolder;
use rustix::io::Errno;

/// So many batches are told before anything runs ahead.
const SMALL_BATCHES: usize = 16;
/// A batch ends when it has told of so many entries and folders.
const TOLD_MAX: usize = 4096;
/// After the small ones also with so many batches of entries, or when it has taken so long.
const ENTRY_BATCHES_MAX: usize = 512;
const BATCH_TIME: Duration = Duration::from_millis(200);

#[derive(Default)]
pub struct TreeBatch {
    pub packs: Vec<FullPack>,
    pub wanted: Vec<WantedFolder>,
    pub reports: Vec<Report>,
    pub totals: Totals,
    /// Nothing goes on before some of what was wanted is answered.
    pub waits: bool,
    pub end: Option<End>,
}

pub enum End {
    /// The root's entry, encoded.
    Stored(Vec<u8>),
    Fatal(Fatal),
}

pub struct Checkpoint {
    pub packs: Vec<FullPack>,
    /// None before the root was entered and after it was left.
    pub root: Option<Result<Vec<u8>, Fatal>>,
}

pub struct TreeRun {
    pipeline: Pipeline,
    teller: Mutex<Teller>,
}

#[derive(Default)]
struct Teller {
    stack: FolderStack,
    taken: VecDeque<Ready>,
    batches: usize,
    /// Of the batch of entries that is being taken.
    files_left: usize,
    large: Option<LargeInProgress>,
    end: Option<End>,
}

/// Chunks of a large file that are packed.
struct LargeInProgress {
    attributes: Attributes,
    chunks: Vec<Chunk>,
    bytes: u64,
}

/// What a batch has told.
#[derive(Default)]
struct Told {
    entry_batches: usize,
    /// Entries and folders.
    count: usize,
    /// It holds what memory is to be given back for.
    is_full: bool,
}

impl TreeRun {
    /// `parent` is the object id of the root of the parent snapshot.
    pub fn start(
        root: OpenFolder,
        name: &[u8],
        parent: Option<&str>,
        packer: &Packer,
        ahead: ReadAhead,
    ) -> std::io::Result<Self> {
        let walker = Walker::new(root, name, parent);
        Ok(Self { pipeline: Pipeline::start(packer, ahead, walker)?, teller: Mutex::default() })
    }

    /// Not called again before it has returned, nor after the batch with the end.
    pub fn next(&self, packer: &mut Packer, now_seconds: u32) -> Result<TreeBatch, Interrupted> {
        let mut teller = self.teller();
        let began = Instant::now();
        let mut batch = TreeBatch::default();
        let mut told = Told::default();
        // What was taken before an interruption is not told any more.
        self.pipeline.replace_known(packer.known())?;
        let is_small = teller.batches < SMALL_BATCHES;
        let entry_batches_max = if is_small { 1 } else { ENTRY_BATCHES_MAX };
        while teller.end.is_none() {
            if told.is_full
                || told.entry_batches >= entry_batches_max
                || told.count >= TOLD_MAX
                || (!is_small && told.count > 0 && began.elapsed() >= BATCH_TIME)
            {
                break;
            }
            let Some(ready) = teller.taken.pop_front() else {
                match self.pipeline.take(&mut teller.taken, told.entry_batches == 0)? {
                    Outcome::Taken => continue,
                    Outcome::AtRest | Outcome::Wants => break,
                    Outcome::Waits => {
                        batch.waits = true;
                        break;
                    }
                    Outcome::Over => unreachable!("the root is left last, and that is the end"),
                }
            };
            let mut writer = ObjectWriter { packer, now_seconds, packs: &mut batch.packs };
            if let Err(fatal) = teller.tell(ready, &self.pipeline, &mut writer, &mut told) {
                teller.end = Some(End::Fatal(fatal));
            }
            told.is_full |= !batch.packs.is_empty();
        }
        batch.wanted = self.pipeline.take_wanted();
        batch.waits &= batch.wanted.is_empty();
        batch.reports = std::mem::take(&mut teller.stack.reports);
        batch.totals = teller.totals();
        batch.end = teller.end.take();
        teller.batches += 1;
        if teller.batches == SMALL_BATCHES {
            self.pipeline.run_ahead();
        }
        Ok(batch)
    }

    pub fn answer(&self, answers: impl IntoIterator<Item = (u32, Answer)>) {
        self.pipeline.answer(answers);
    }

    /// Writes the folders that the run is in as they are, as if they ended here; nothing in them changes. A large file that
    /// is half read stands in its folder under `partial_name`. Not while `next` runs.
    pub fn write_checkpoint(&self, packer: &mut Packer, partial_name: &str, now_seconds: u32) -> Checkpoint {
        let mut teller = self.teller();
        let mut packs = vec![];
        if !teller.stack.is_in_a_folder() {
            return Checkpoint { packs, root: None };
        }
        let Teller { stack, large, .. } = &mut *teller;
        let partial = large.as_ref().map(|LargeInProgress { attributes, chunks, .. }| Partial {
            attributes: *attributes,
            chunks,
            name: partial_name,
        });
        let mut writer = ObjectWriter { packer, now_seconds, packs: &mut packs };
        let root = Some(stack.write_checkpoint(partial, &mut writer));
        Checkpoint { packs, root }
    }

    /// A `next` that is under way fails soon.
    pub fn cancel(&self) {
        self.pipeline.cancel();
    }

    /// When it returns, no descriptor of the run is open.
    pub fn close(&self) {
        self.pipeline.close();
        *self.teller() = Teller::default();
    }

    fn teller(&self) -> MutexGuard<'_, Teller> {
        self.teller.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Teller {
    fn totals(&self) -> Totals {
        let mut totals = self.stack.totals;
        totals.bytes_done += self.large.as_ref().map_or(0, |large| large.bytes);
        totals
    }

    fn tell(
        &mut self,
        ready: Ready,
        pipeline: &Pipeline,
        writer: &mut ObjectWriter<'_>,
        told: &mut Told,
    ) -> Result<(), Fatal> {
        match ready {
            Ready::Step(step) => {
                told.count += 1;
                self.tell_step(step, writer)
            }
            Ready::Entries(batch, files) => self.tell_entries(&batch, files, writer, told),
            Ready::Whole(file, hash, whole) => {
                writer.store(0, &hash, &whole.bytes);
                let chunk = Chunk { hash, length: whole.bytes.len() as u32 };
                let object_id = writer.object_of_chunks(0, &[chunk]);
                let attributes = Attributes { mtime: whole.modified_at.clamped(), ..file.attributes };
                let bytes = whole.bytes.len() as u64;
                let changed = whole.changed;
                self.stack.add_file(StoredFile { name: &file.name, attributes, object_id, bytes, changed })?;
                self.file_is_told(told);
                Ok(())
            }
            Ready::NotRead(file, failure) => {
                let trouble = match failure {
                    Failure { operation: Operation::Open, errno } if is_gone(errno) => Trouble::Vanished,
                    Failure { operation, errno } => Trouble::Failed(operation, errno),
                };
                self.stack.trouble(&file.name, trouble);
                self.file_is_told(told);
                Ok(())
            }
            Ready::Chunk(attributes, hash, bytes) => {
                writer.store(0, &hash, &bytes);
                let length = bytes.len() as u32;
                let empty = || LargeInProgress { attributes, chunks: vec![], bytes: 0 };
                let large = self.large.get_or_insert_with(empty);
                large.chunks.push(Chunk { hash, length });
                large.bytes += u64::from(length);
                pipeline.give_back(bytes);
                told.is_full = true;
                Ok(())
            }
            Ready::Packed(file) => {
                let Some((file, outcome)) = pipeline.finish_large(file) else {
                    self.large = None; // Its chunks come again.
                    return Ok(());
                };
                let chunks = self.large.take().map_or(vec![], |large| large.chunks);
                match outcome {
                    Ok(LargeOutcome { bytes, changed, modified_at }) => {
                        let object_id = writer.object_of_chunks(0, &chunks);
                        let attributes = Attributes { mtime: modified_at.clamped(), ..file.attributes };
                        self.stack.add_file(StoredFile { name: &file.name, attributes, object_id, bytes, changed })?;
                    }
                    Err(errno) => {
                        self.stack.trouble(&file.name, Trouble::Failed(Operation::Read, errno));
                    }
                }
                self.file_is_told(told);
                Ok(())
            }
            Ready::LargeFailed(file, errno) => {
                self.large = None;
                self.stack.trouble(&file.name, Trouble::Failed(Operation::Read, errno));
                self.file_is_told(told);
                Ok(())
            }
        }
    }

    fn tell_step(&mut self, step: Step, writer: &mut ObjectWriter<'_>) -> Result<(), Fatal> {
        match step {
            Step::Enter { name, attributes } => self.stack.enter(name, attributes),
            Step::Trouble { name, trouble } => self.stack.trouble(&name, trouble),
            Step::Warning(warning) => self.stack.reports.push(Report::Warning(warning)),
            Step::RootNotListed(errno) => return Err(Fatal::RootNotListed(errno)),
            Step::Leave => self.end = self.stack.leave(writer)?.map(End::Stored),
            Step::Entries(_) => unreachable!("the pipeline takes the files out of a batch"),
        }
        Ok(())
    }

    fn tell_entries(
        &mut self,
        batch: &EntryBatch,
        files: usize,
        writer: &mut ObjectWriter<'_>,
        told: &mut Told,
    ) -> Result<(), Fatal> {
        self.stack.totals.bytes_listed += batch.listed_bytes;
        for (name, trouble) in &batch.troubles {
            self.stack.trouble(name, *trouble);
        }
        self.stack.add_unchanged(&batch.unchanged)?;
        for link in &batch.links {
            let object_id = writer.write(0, &link.target);
            self.stack.add_link(link, object_id)?;
        }
        told.count += batch.count();
        self.files_left = files;
        told.entry_batches += usize::from(files == 0);
        Ok(())
    }

    fn file_is_told(&mut self, told: &mut Told) {
        told.count += 1;
        self.files_left -= 1;
        told.entry_batches += usize::from(self.files_left == 0);
    }
}

/// Of opening: not what it was when it was listed, but not there, a link, or no regular file.
fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::LOOP | Errno::INVAL | Errno::NXIO)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use super::*;
    use crate::conditions::Conditions;
    use crate::content_table::{KEY_BYTES, KnownTable};
    use crate::format::Format;
    use crate::hashing::ContentHasher;
    use crate::sealing::Sealer;
    use crate::temporary_folder::TemporaryFolder;
    use crate::volume::open_folder::SystemCalls;

    impl TemporaryFolder {
        fn write(&self, path: &str, bytes: &[u8]) {
            let path = self.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    fn open(path: &Path) -> OpenFolder {
        OpenFolder::root(File::open(path).unwrap().into())
    }

    fn open_by_oldest_calls(path: &Path) -> OpenFolder {
        OpenFolder::root_by(SystemCalls::oldest(), File::open(path).unwrap().into())
    }

    fn packer(known: Vec<KnownTable>, threads: usize) -> Packer {
        let (hasher, sealer) = (ContentHasher::new(b"hash"), Sealer::new(b"seal"));
        let format = Format { hasher, sealer, pack_bytes_max: 1 << 20, pack_header: vec![] };
        Packer::new(Arc::new(format), Arc::new(Conditions::new(threads)), known, &[5; 32])
    }

    fn start(root: OpenFolder, parent: Option<&str>, packer: &Packer) -> TreeRun {
        TreeRun::start(root, b"root", parent, packer, ReadAhead::within(40 << 20)).unwrap()
    }

    /// What a whole run told.
    #[derive(Default)]
    struct Whole {
        packs: Vec<Vec<u8>>,
        contents: Vec<Vec<u8>>,
        reports: Vec<String>,
        root: String,
        totals: Totals,
        batches: usize,
    }

    fn run_whole(root: OpenFolder, threads: usize, mut between: impl FnMut(usize)) -> Whole {
        let mut packer = packer(vec![], threads);
        let run = start(root, None, &packer);
        let mut whole = Whole::default();
        loop {
            let batch = run.next(&mut packer, 1).unwrap();
            whole.batches += 1;
            let last = if batch.end.is_some() { packer.finish_packs() } else { vec![] };
            for pack in batch.packs.into_iter().chain(last) {
                whole.packs.push(pack.bytes.to_vec());
                whole.contents.push(pack.contents);
            }
            whole.reports.extend(batch.reports.iter().map(|report| format!("{report:?}")));
            match batch.end {
                None => between(whole.batches),
                Some(End::Stored(root)) => {
                    whole.root = String::from_utf8(root).unwrap();
                    whole.totals = batch.totals;
                    run.close();
                    return whole;
                }
                Some(End::Fatal(fatal)) => panic!("{fatal:?}"),
            }
        }
    }

    fn many_files(volume: &TemporaryFolder) {
        for folder in 0..60 {
            for file in 0..20 {
                volume.write(&format!("a{}/b{folder}/f{file}", folder % 7), format!("{folder} {file}").as_bytes());
            }
            symlink(format!("to {folder}"), volume.path(&format!("a{}/b{folder}/link", folder % 7))).unwrap();
        }
        let noise: Vec<u8> = (0..11_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
        volume.write("a3/large", &noise);
        volume.write("a5/b5/large too", &noise[..5_000_000]);
        volume.write("zero", b"");
    }

    #[test]
    fn packs_and_root_depend_neither_on_threads_nor_on_the_calls_of_the_system() {
        let volume = TemporaryFolder::new("tree-run-threads");
        many_files(&volume);
        let first = run_whole(open(&volume.0), 1, |_| ());
        assert_eq!((first.totals.files_stored, first.totals.files_done, first.totals.folders), (1203, 1263, 68));
        assert!(first.packs.len() > 3 && first.batches > SMALL_BATCHES, "{} batches", first.batches);
        for threads in [1, 2, 3, 8] {
            for root in [open(&volume.0), open_by_oldest_calls(&volume.0)] {
                let same = run_whole(root, threads, |_| ());
                assert_eq!((&same.root, same.totals), (&first.root, first.totals));
                assert!(same.packs == first.packs && same.contents == first.contents);
            }
        }
    }

    #[test]
    fn what_changes_between_the_first_batches_is_left_out_and_told() {
        let volume = TemporaryFolder::new("tree-run-changes");
        for name in ["a/first", "b/gone", "c/gone", "d/kept", "gone", "to a folder", "to a link", "z"] {
            volume.write(name, name.as_bytes());
        }
        let whole = run_whole(open(&volume.0), 3, |batch| {
            if batch > 1 {
                return;
            }
            for name in ["b", "c"] {
                fs::remove_dir_all(volume.path(name)).unwrap();
            }
            symlink("/", volume.path("c")).unwrap();
            for name in ["gone", "to a folder", "to a link"] {
                fs::remove_file(volume.path(name)).unwrap();
            }
            fs::create_dir(volume.path("to a folder")).unwrap();
            symlink("z", volume.path("to a link")).unwrap();
        });
        let vanished = ["b", "c", "gone", "to a folder"].map(|name| format!("Vanished({name:?})"));
        assert_eq!(whole.reports, vanished);
        assert_eq!((whole.totals.vanished, whole.totals.files_done), (4, 4));
    }

    #[test]
    fn a_run_that_is_cancelled_anywhere_leaves_no_descriptor_open() {
        let volume = TemporaryFolder::new("tree-run-cancelled");
        many_files(&volume);
        let open_here = || -> Vec<PathBuf> {
            let links =
                fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
            links.filter(|target| target.starts_with(&volume.0)).collect()
        };
        for batches in [0, 1, 5, 17, 20, 22] {
            let mut packer = packer(vec![], 3);
            let run = start(open(&volume.0), None, &packer);
            for _ in 0..batches {
                run.next(&mut packer, 1).unwrap();
            }
            run.cancel();
            assert_eq!(run.next(&mut packer, 1).err(), Some(Interrupted::Cancelled));
            run.close();
            assert_eq!(open_here(), [] as [PathBuf; 0]);
        }
    }

    #[test]
    fn a_root_that_cannot_be_listed_ends_the_run() {
        let volume = TemporaryFolder::new("tree-run-root");
        volume.write("file", b"");
        let file = File::open(volume.path("file")).unwrap();
        let mut packer = packer(vec![], 1);
        let run = start(OpenFolder::root_by(SystemCalls::oldest(), file.into()), None, &packer);
        let batch = run.next(&mut packer, 1).unwrap();
        assert!(matches!(batch.end, Some(End::Fatal(Fatal::RootNotListed(Errno::NOTDIR)))));
    }

    #[test]
    fn with_a_parent_only_what_is_stored_and_as_it_was_is_not_read() {
        let volume = TemporaryFolder::new("tree-run-parent");
        for name in ["a/kept", "a/changed", "b/c/kept", "kept", "lost"] {
            volume.write(name, name.as_bytes());
        }
        // The parent: the folders of a first run, out of its packs.
        let mut first = packer(vec![], 2);
        let run = start(open(&volume.0), None, &first);
        let root = loop {
            if let Some(End::Stored(root)) = run.next(&mut first, 1).unwrap().end {
                break root;
            }
        };
        let mut objects = std::collections::HashMap::new();
        let mut tables = vec![];
        let lost = ContentHasher::new(b"hash").hash(b"lost");
        for pack in first.finish_packs() {
            let (records, _) = pack.contents.as_chunks::<37>();
            for record in records {
                let number = |at: usize| u32::from_be_bytes(*record[at..].first_chunk().unwrap()) as usize;
                let mut plain = vec![];
                let sealed = &pack.bytes[number(21)..][..number(25)];
                Sealer::new(b"seal").open_onto(&mut plain, sealed, &record[1..17]).unwrap();
                objects.insert(crate::object_id::ContentId::new(record[0], &record[1..17]).to_string(), plain);
            }
            let known: Vec<u8> = records.iter().filter(|record| record[1..17] != lost).flatten().copied().collect();
            tables.push(known);
        }
        let parent = crate::snapshot::directory_entry::decode_directory_entry(&root).unwrap().object_id.into_owned();

        fs::write(volume.path("a/changed"), "otherwise").unwrap();
        let known = tables.into_iter().map(|bytes| KnownTable::new(KEY_BYTES, bytes)).collect();
        let mut second = packer(known, 2);
        let run = start(open(&volume.0), Some(&parent), &second);
        // Whatever is asked for beside the first is put off: it is asked for again.
        let mut warnings = vec![];
        loop {
            let batch = run.next(&mut second, 1).unwrap();
            warnings.extend(batch.reports);
            run.answer(batch.wanted.into_iter().enumerate().map(|(place, wanted)| {
                let bytes = objects[&*wanted.object_id].clone();
                (wanted.number, if place == 0 { Answer::Bytes(bytes) } else { Answer::Later })
            }));
            if let Some(End::Stored(_)) = batch.end {
                assert_eq!((batch.totals.files_unchanged, batch.totals.files_stored), (3, 2));
                assert_eq!(batch.totals.bytes_read, ("otherwise".len() + "lost".len()) as u64);
                break;
            }
        }
        assert_eq!(warnings, []);

        let run = start(open(&volume.0), Some(&parent), &second);
        loop {
            let batch = run.next(&mut second, 1).unwrap();
            warnings.extend(batch.reports);
            run.answer(batch.wanted.into_iter().map(|wanted| (wanted.number, Answer::Unreadable("lost".into()))));
            if let Some(End::Stored(_)) = batch.end {
                assert_eq!((batch.totals.files_unchanged, batch.totals.files_stored), (0, 5));
                break;
            }
        }
        assert_eq!(warnings, [Report::Warning("lost".into())]);
    }

    #[test]
    fn many_folders_without_entries_are_told_in_batches_too() {
        let volume = TemporaryFolder::new("tree-run-empty");
        for number in 0..TOLD_MAX {
            fs::create_dir(volume.path(&format!("{number}"))).unwrap();
        }
        let whole = run_whole(open(&volume.0), 2, |_| ());
        assert_eq!(whole.totals.folders, TOLD_MAX as u64 + 1);
        assert!(whole.batches >= 3, "{} batches", whole.batches);
    }
}
