//! What Node sees of the kernel: the functions of `src/kernel/kernel.ts`, as `src/kernel/native/addon.ts` declares them,
//! in the same order. It converts, calls, and converts; no panic crosses the edge.

mod tree_restore;
mod work;

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fsb_kernel::backup::folder_stack;
use fsb_kernel::backup::parent_folder::Answer;
use fsb_kernel::backup::tree_run;
use fsb_kernel::c_heap;
use fsb_kernel::chunk::push_chunks;
use fsb_kernel::compression;
use fsb_kernel::conditions;
use fsb_kernel::conditions::IoPriority;
use fsb_kernel::content_table::KnownTable;
use fsb_kernel::contents::{self, SealedContent};
use fsb_kernel::error::KernelError;
use fsb_kernel::format::Format;
use fsb_kernel::hashing::{ContentHasher, HASH_BYTES, SECRET_BYTES_MAX};
use fsb_kernel::index_blob::{self, DecodedIndex};
use fsb_kernel::packer::{self, FullPack, PackKind};
use fsb_kernel::random_stream::SEED_BYTES;
use fsb_kernel::read_ahead::ReadAhead;
use fsb_kernel::read_limit::ReadLimit;
use fsb_kernel::scrypt;
use fsb_kernel::sealing::{NONCE_BYTES, Sealer};
use fsb_kernel::table_merge::{self, MergeSource};
use fsb_kernel::volume::errno_name::errno_name;
use fsb_kernel::volume::open_folder::OpenFolder;
use napi::bindgen_prelude::{AsyncTask, Either, Error, Float64Array, Result, Status, Uint8Array, Uint32Array};
use napi_derive::napi;

use work::Work;

/// A KernelError as a value; TypeScript makes the error of it.
#[napi(object)]
pub struct Failure {
    pub code: String,
    pub message: String,
    pub item: Option<u32>,
}

impl From<KernelError> for Failure {
    fn from(error: KernelError) -> Self {
        let KernelError { code, message, item } = error;
        Self { code: code.name().into(), message, item: item.map(|item| item as u32) }
    }
}

type Opened = Either<Uint8Array, Failure>;

fn opened(result: std::result::Result<Vec<u8>, KernelError>) -> Opened {
    match result {
        Ok(plain) => Either::A(plain.into()),
        Err(error) => Either::B(error.into()),
    }
}

/// scrypt without the PBKDF2 before and after it.
#[napi(catch_unwind)]
pub fn scrypt_mix(block: &[u8]) -> Result<AsyncTask<Work<Vec<u8>, Uint8Array>>> {
    let block = block.try_into().map_err(|_| misused("a block has 1024 bytes"))?;
    let mix = move || match scrypt::mix(&block) {
        Ok(mixed) => Ok(mixed.to_vec()),
        Err(error) => Err(Error::from_reason(format!("64 MiB of memory: {error}"))),
    };
    Ok(Work::start(mix, Uint8Array::from))
}

#[napi(catch_unwind)]
pub fn hash(hash_secret: &[u8], bytes: &[u8]) -> Result<Uint8Array> {
    Ok(hasher(hash_secret)?.hash(bytes).to_vec().into())
}

#[napi(catch_unwind)]
pub fn seal(content_secret: &[u8], plain: &[u8], iv: &[u8], nonce: &[u8]) -> Result<Uint8Array> {
    let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| misused("a nonce has 12 bytes"))?;
    let mut sealed = vec![];
    Sealer::new(content_secret).seal_onto(&mut sealed, plain, iv, nonce);
    Ok(sealed.into())
}

#[napi(catch_unwind)]
pub fn open(content_secret: &[u8], sealed: &[u8], iv: &[u8]) -> Opened {
    let mut plain = vec![];
    opened(Sealer::new(content_secret).open_onto(&mut plain, sealed, iv).map(|()| plain))
}

/// Of each item there are four `numbers`: offset, length, compression id, original length.
#[napi(catch_unwind)]
pub fn open_contents(
    hash_secret: &[u8],
    content_secret: &[u8],
    fetched: &[u8],
    numbers: &[f64],
    hashes: &[u8],
) -> Result<Opened> {
    let (numbers, _) = numbers.as_chunks::<4>();
    let (hashes, _) = hashes.as_chunks::<HASH_BYTES>();
    if numbers.len() != hashes.len() {
        return Err(misused("each item has four numbers and a hash"));
    }
    // Numbers that are out of range become the nearest that is not, which lies outside of what was fetched.
    let items: Vec<_> = numbers
        .iter()
        .zip(hashes)
        .map(|(&[offset, length, compression_id, original_length], &hash)| SealedContent {
            offset: offset as usize,
            length: length as usize,
            hash,
            compression_id: compression_id as u32,
            original_length: original_length as usize,
        })
        .collect();
    Ok(opened(contents::open_contents(&hasher(hash_secret)?, &Sealer::new(content_secret), fetched, &items)))
}

#[napi(catch_unwind)]
pub fn expand(stored: &[u8], bytes_max: f64) -> Opened {
    opened(compression::expand(stored, bytes_max as usize))
}

#[napi(object)]
pub struct Index {
    /// Of a ContentTable.
    pub records: Uint8Array,
    pub packs: Vec<String>,
    /// Of each form: compression id, format version, encryption key id.
    pub forms: Vec<u32>,
}

impl From<DecodedIndex> for Index {
    fn from(index: DecodedIndex) -> Self {
        let DecodedIndex { records, packs, forms } = index;
        let numbers =
            |form: index_blob::Form| [form.compression_id, form.format_version.into(), form.encryption_key_id.into()];
        Self { records: records.into(), packs, forms: forms.into_iter().flat_map(numbers).collect() }
    }
}

#[napi(catch_unwind)]
pub fn open_index(
    content_secret: &[u8],
    sealed: Uint8Array,
    iv: &[u8],
) -> AsyncTask<Work<OpenedIndex, Either<Index, Failure>>> {
    let (sealer, iv) = (Sealer::new(content_secret), iv.to_vec());
    let open = move || {
        let mut plain = vec![];
        sealer.open_onto(&mut plain, &sealed, &iv)?;
        index_blob::decode(plain)
    };
    Work::start(
        move || Ok(open()),
        |opened| match opened {
            Ok(index) => Either::A(index.into()),
            Err(error) => Either::B(error.into()),
        },
    )
}

type OpenedIndex = std::result::Result<DecodedIndex, KernelError>;

#[napi(object)]
pub struct TableToMerge {
    pub records: Uint8Array,
    /// The numbers that its packs and forms have in the merged table.
    pub packs: Uint32Array,
    pub forms: Uint8Array,
}

/// `pack_names` one behind the other, and where each ends.
#[napi(catch_unwind)]
pub fn merge_tables(
    tables: Vec<TableToMerge>,
    pack_names: Uint8Array,
    name_ends: Uint32Array,
) -> AsyncTask<Work<Vec<u8>, Uint8Array>> {
    let merge = move || {
        let sources: Vec<_> =
            tables.iter().map(|TableToMerge { records, packs, forms }| MergeSource { records, packs, forms }).collect();
        let starts = [0].iter().chain(name_ends.iter());
        let names: Vec<_> =
            starts.zip(name_ends.iter()).map(|(&start, &end)| &pack_names[start as usize..end as usize]).collect();
        Ok(table_merge::merge(&sources, &names))
    };
    Work::start(merge, Uint8Array::from)
}

#[napi(object)]
pub struct ConditionsOptions {
    pub threads: u32,
    pub read_bytes_per_second: Option<f64>,
    /// 0 to 7 for best effort, 8 for idle.
    pub io_priority: Option<u32>,
    pub niceness: Option<u32>,
}

/// What holds for all work of a process; made once.
#[napi]
pub struct Conditions {
    shared: Arc<conditions::Conditions>,
}

#[napi]
impl Conditions {
    #[napi(constructor, catch_unwind)]
    pub fn new(options: ConditionsOptions) -> Self {
        c_heap::map_large_blocks();
        let io_priority = options
            .io_priority
            .map(|level| if level > 7 { IoPriority::Idle } else { IoPriority::BestEffort(level as u8) });
        Self {
            shared: Arc::new(conditions::Conditions {
                read_limit: ReadLimit::new(options.read_bytes_per_second.map(|rate| rate as u64)),
                io_priority,
                niceness: options.niceness.map(|niceness| niceness.min(19) as u8),
                ..conditions::Conditions::new(options.threads as usize)
            }),
        }
    }

    /// Gives the calling thread, and those that it starts later, their priorities: the errno where that is refused, else 0.
    #[napi(catch_unwind)]
    pub fn adopt(&self) -> i32 {
        self.shared.adopt().err().map_or(0, |errno| errno.raw_os_error())
    }

    /// See `Profile::read` in native/kernel/src/profile.rs.
    #[napi(catch_unwind)]
    pub fn read_profile(&self) -> Float64Array {
        self.shared.profile.read().into()
    }
}

#[napi(object)]
pub struct TableBytes {
    pub key_bytes: u32,
    /// Never written to after it is handed over.
    pub bytes: Uint8Array,
}

#[napi(object)]
pub struct PackerOptions {
    pub hash_secret: Uint8Array,
    pub content_secret: Uint8Array,
    pub pack_bytes_max: u32,
    pub pack_header: Uint8Array,
    pub known: Vec<TableBytes>,
    /// 32 bytes, of which all randomness of this packer is made.
    pub seed: Uint8Array,
    /// How many bytes of files are read ahead of packing.
    pub read_ahead_bytes: f64,
}

#[napi(object)]
pub struct Pack {
    /// Whether its contents have a prefix.
    pub is_prefixed: bool,
    /// Detached, its memory serves the next pack.
    pub bytes: Uint8Array,
    pub contents: Uint8Array,
}

impl From<FullPack> for Pack {
    fn from(pack: FullPack) -> Self {
        let FullPack { kind, mut bytes, contents } = pack;
        let (data, length) = (bytes.as_mut_ptr(), bytes.len());
        // SAFETY: the bytes stay where they are until `bytes` is dropped, which is when JavaScript has collected or
        // detached the buffer, and nothing else reaches them until then.
        #[allow(unsafe_code)]
        let bytes = unsafe { Uint8Array::with_external_data(data, length, move |_, _| drop(bytes)) };
        Self { is_prefixed: kind == PackKind::Prefixed, bytes, contents: contents.into() }
    }
}

#[napi(object)]
pub struct Stored {
    /// Of each item; see native/kernel/src/chunk.rs.
    pub chunks: Uint8Array,
    pub packs: Vec<Pack>,
}

impl Stored {
    fn of(chunks: Vec<u8>, packs: Vec<FullPack>) -> Self {
        Self { chunks: chunks.into(), packs: packs.into_iter().map(Pack::from).collect() }
    }
}

#[napi(object)]
pub struct Counters {
    pub known_contents: f64,
    pub known_bytes: f64,
    pub new_contents: f64,
    pub new_bytes: f64,
    pub sealed_bytes: f64,
}

#[napi]
pub struct Packer {
    shared: Arc<PackerShared>,
}

struct PackerShared {
    packer: Mutex<packer::Packer>,
    conditions: Arc<conditions::Conditions>,
    ahead: ReadAhead,
}

#[napi]
impl Packer {
    #[napi(constructor, catch_unwind)]
    pub fn new(conditions: &Conditions, options: PackerOptions) -> Result<Self> {
        let conditions = Arc::clone(&conditions.shared);
        let format = Arc::new(Format {
            hasher: hasher(&options.hash_secret)?,
            sealer: Sealer::new(&options.content_secret),
            pack_bytes_max: options.pack_bytes_max as usize,
            pack_header: options.pack_header.to_vec(),
        });
        let seed: [u8; SEED_BYTES] = options.seed[..].try_into().map_err(|_| misused("a seed has 32 bytes"))?;
        let packer = packer::Packer::new(format, Arc::clone(&conditions), tables(options.known), &seed);
        Ok(Self {
            shared: Arc::new(PackerShared {
                packer: Mutex::new(packer),
                conditions,
                ahead: ReadAhead::within(options.read_ahead_bytes as usize),
            }),
        })
    }

    /// The folder, and all that is in it. `parent` is the object id of the parent snapshot's root.
    #[napi(catch_unwind)]
    pub fn store_tree(&self, folder_fd: i32, name: &[u8], parent: Option<String>) -> Result<TreeRun> {
        let root = OpenFolder::root(own_descriptor(folder_fd)?);
        let run = tree_run::TreeRun::start(root, name, parent.as_deref(), &self.shared.packer(), self.shared.ahead)
            .map_err(not_started)?;
        Ok(TreeRun { shared: Arc::clone(&self.shared), run: Arc::new(run) })
    }

    #[napi(catch_unwind)]
    pub fn store_bytes(&self, prefixes: &[u8], items: Vec<&[u8]>, now_seconds: u32) -> Stored {
        let (mut chunks, mut packs) = (vec![], vec![]);
        let mut packer = self.shared.packer();
        for (&prefix, bytes) in prefixes.iter().zip(items) {
            push_chunks(&mut chunks, &packer.store_bytes(prefix, bytes, now_seconds, &mut packs));
        }
        Stored::of(chunks, packs)
    }

    /// Of `bytes` only the first chunk, as an item of its own.
    #[napi(catch_unwind)]
    pub fn store_first(&self, prefix: u8, bytes: &[u8], now_seconds: u32) -> Stored {
        let (mut chunks, mut packs) = (vec![], vec![]);
        let chunk = self.shared.packer().store_first(prefix, bytes, now_seconds, &mut packs);
        push_chunks(&mut chunks, &[chunk]);
        Stored::of(chunks, packs)
    }

    #[napi(catch_unwind)]
    pub fn finish_packs(&self) -> Vec<Pack> {
        self.shared.packer().finish_packs().into_iter().map(Pack::from).collect()
    }

    #[napi(catch_unwind)]
    pub fn replace_known(&self, known: Vec<TableBytes>) {
        self.shared.packer().replace_known(tables(known));
    }

    /// Not while a run is under way.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.shared.packer().close();
    }

    #[napi(getter, catch_unwind)]
    pub fn counters(&self) -> Counters {
        let counters = self.shared.packer().counters();
        Counters {
            known_contents: counters.known_contents as f64,
            known_bytes: counters.known_bytes as f64,
            new_contents: counters.new_contents as f64,
            new_bytes: counters.new_bytes as f64,
            sealed_bytes: counters.sealed_bytes as f64,
        }
    }
}

impl PackerShared {
    /// What panicked inside it has been told; it is used no more then.
    fn packer(&self) -> MutexGuard<'_, packer::Packer> {
        self.packer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A backup of a tree.
#[napi]
pub struct TreeRun {
    shared: Arc<PackerShared>,
    run: Arc<tree_run::TreeRun>,
}

/// A folder of the parent snapshot that someone has to read.
#[napi(object)]
pub struct WantedFolder {
    pub number: u32,
    pub object_id: String,
}

/// What is told of a single entry, or of the run.
#[napi(object)]
pub struct Report {
    /// `failed`, `vanished`, `changed`, `skipped`, `warning`.
    pub kind: String,
    /// A path for people; or the warning.
    pub text: String,
    pub operation: Option<String>,
    pub errno: Option<String>,
}

#[napi(object)]
pub struct TreeTotals {
    pub bytes_done: f64,
    pub bytes_listed: f64,
    pub files_done: f64,
    pub bytes_read: f64,
    pub folders: f64,
    pub files_stored: f64,
    pub files_unchanged: f64,
    pub bytes_unchanged: f64,
    pub failed: f64,
    pub vanished: f64,
    pub changed: f64,
    pub skipped: f64,
}

/// Why there is no root entry.
#[napi(object)]
pub struct TreeFailure {
    /// `root not listed`, `folder too large`, `not writable`.
    pub kind: String,
    pub errno: Option<String>,
    pub name: Option<Uint8Array>,
    pub entries: Option<f64>,
    pub message: Option<String>,
}

#[napi(object)]
pub struct TreeBatch {
    pub packs: Vec<Pack>,
    pub wanted: Vec<WantedFolder>,
    pub reports: Vec<Report>,
    pub totals: TreeTotals,
    pub waits: bool,
    /// The last batch has the root's entry, as JSON, or a failure.
    pub root_entry: Option<Uint8Array>,
    pub failure: Option<TreeFailure>,
}

#[napi(object)]
pub struct TreeCheckpoint {
    pub packs: Vec<Pack>,
    pub root_entry: Option<Uint8Array>,
    pub failure: Option<TreeFailure>,
}

#[napi]
impl TreeRun {
    /// Not called again before the answer is there, nor after the batch with the end.
    #[napi(catch_unwind)]
    pub fn next(&self, now_seconds: u32) -> AsyncTask<Work<tree_run::TreeBatch, TreeBatch>> {
        let (shared, run) = (Arc::clone(&self.shared), Arc::clone(&self.run));
        let next = move || {
            let _ = shared.conditions.adopt(); // Whether it can be had was told when the conditions were made.
            let next = run.next(&mut shared.packer(), now_seconds);
            next.map_err(|interrupted| Error::from_reason(interrupted.to_string()))
        };
        Work::start(next, TreeBatch::from)
    }

    /// Of each number that was wanted: the bytes, or why they cannot be read, or neither, to be asked again.
    #[napi(catch_unwind)]
    pub fn answer(&self, numbers: &[u32], bytes: Vec<Option<&[u8]>>, problems: Vec<Option<String>>) {
        self.run.answer(numbers.iter().zip(bytes).zip(problems).map(|((&number, bytes), problem)| {
            let answer = match (bytes, problem) {
                (Some(bytes), _) => Answer::Bytes(bytes.to_vec()),
                (None, Some(problem)) => Answer::Unreadable(problem),
                (None, None) => Answer::Later,
            };
            (number, answer)
        }));
    }

    /// Not while a `next` is under way.
    #[napi(catch_unwind)]
    pub fn checkpoint(
        &self,
        partial_name: String,
        now_seconds: u32,
    ) -> AsyncTask<Work<tree_run::Checkpoint, TreeCheckpoint>> {
        let (shared, run) = (Arc::clone(&self.shared), Arc::clone(&self.run));
        let write = move || Ok(run.write_checkpoint(&mut shared.packer(), &partial_name, now_seconds));
        Work::start(write, TreeCheckpoint::from)
    }

    /// A `next` that is under way fails soon.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.run.cancel();
    }

    /// When the answer is there, no descriptor of the run is open.
    #[napi(catch_unwind)]
    pub fn close(&self) -> AsyncTask<Work<(), ()>> {
        let run = Arc::clone(&self.run);
        let close = move || {
            run.close();
            Ok(())
        };
        Work::start(close, |()| ())
    }
}

impl From<tree_run::TreeBatch> for TreeBatch {
    fn from(batch: tree_run::TreeBatch) -> Self {
        let tree_run::TreeBatch { packs, wanted, reports, totals, waits, end } = batch;
        let (root_entry, failure) = match end {
            None => (None, None),
            Some(tree_run::End::Stored(entry)) => (Some(entry.into()), None),
            Some(tree_run::End::Fatal(fatal)) => (None, Some(fatal.into())),
        };
        Self {
            packs: packs.into_iter().map(Pack::from).collect(),
            wanted: wanted
                .into_iter()
                .map(|wanted| WantedFolder { number: wanted.number, object_id: wanted.object_id.into() })
                .collect(),
            reports: reports.into_iter().map(Report::from).collect(),
            totals: totals.into(),
            waits,
            root_entry,
            failure,
        }
    }
}

impl From<folder_stack::Report> for Report {
    fn from(report: folder_stack::Report) -> Self {
        let plain = |kind: &str, text| Self { kind: kind.into(), text, operation: None, errno: None };
        match report {
            folder_stack::Report::Failed { path, operation, errno } => Self {
                operation: Some(operation.name().into()),
                errno: Some(errno.into_owned()),
                ..plain("failed", path)
            },
            folder_stack::Report::Vanished(path) => plain("vanished", path),
            folder_stack::Report::Changed(path) => plain("changed", path),
            folder_stack::Report::Skipped(path) => plain("skipped", path),
            folder_stack::Report::Warning(warning) => plain("warning", warning),
        }
    }
}

impl From<folder_stack::Totals> for TreeTotals {
    fn from(totals: folder_stack::Totals) -> Self {
        Self {
            bytes_done: totals.bytes_done as f64,
            bytes_listed: totals.bytes_listed as f64,
            files_done: totals.files_done as f64,
            bytes_read: totals.bytes_read as f64,
            folders: totals.folders as f64,
            files_stored: totals.files_stored as f64,
            files_unchanged: totals.files_unchanged as f64,
            bytes_unchanged: totals.bytes_unchanged as f64,
            failed: totals.failed as f64,
            vanished: totals.vanished as f64,
            changed: totals.changed as f64,
            skipped: totals.skipped as f64,
        }
    }
}

impl From<folder_stack::Fatal> for TreeFailure {
    fn from(fatal: folder_stack::Fatal) -> Self {
        let plain = |kind: &str| Self { kind: kind.into(), errno: None, name: None, entries: None, message: None };
        match fatal {
            folder_stack::Fatal::RootNotListed(errno) => {
                Self { errno: Some(errno_name(errno).into_owned()), ..plain("root not listed") }
            }
            folder_stack::Fatal::FolderTooLarge { name, entries } => {
                Self { name: Some(name.into()), entries: Some(entries as f64), ..plain("folder too large") }
            }
            folder_stack::Fatal::NotWritable(error) => {
                Self { message: Some(error.to_string()), ..plain("not writable") }
            }
        }
    }
}

impl From<tree_run::Checkpoint> for TreeCheckpoint {
    fn from(checkpoint: tree_run::Checkpoint) -> Self {
        let tree_run::Checkpoint { packs, root } = checkpoint;
        let packs = packs.into_iter().map(Pack::from).collect();
        let (root_entry, failure) = match root {
            None => (None, None),
            Some(Ok(entry)) => (Some(entry.into()), None),
            Some(Err(fatal)) => (None, Some(fatal.into())),
        };
        Self { packs, root_entry, failure }
    }
}

/// A descriptor beside one of JavaScript's.
fn own_descriptor(fd: i32) -> Result<OwnedFd> {
    if fd < 0 {
        return Err(misused("the folder is an open descriptor"));
    }
    // SAFETY: the caller keeps the descriptor open during this call, which makes one of its own of it; were it not open,
    // that would fail.
    #[allow(unsafe_code)]
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    borrowed.try_clone_to_owned().map_err(|error| Error::from_reason(error.to_string()))
}

fn not_started(error: std::io::Error) -> Error {
    Error::from_reason(format!("could not start a thread: {error}"))
}

fn hasher(secret: &[u8]) -> Result<ContentHasher> {
    if secret.len() > SECRET_BYTES_MAX {
        return Err(misused("a hash secret has at most 64 bytes"));
    }
    Ok(ContentHasher::new(secret))
}

fn tables(known: Vec<TableBytes>) -> Vec<KnownTable> {
    known.into_iter().map(|table| KnownTable::new(table.key_bytes as usize, table.bytes)).collect()
}

fn misused(how: &str) -> Error {
    Error::new(Status::InvalidArg, how)
}
