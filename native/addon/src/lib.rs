//! What Node sees of the kernel: the functions of `src/kernel/kernel.ts`, as `src/kernel/native/addon.ts` declares them,
//! in the same order. It converts, calls, and converts; no panic crosses the edge.

use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fsb_kernel::compression;
use fsb_kernel::content_table::KnownTable;
use fsb_kernel::contents::{self, SealedContent};
use fsb_kernel::error::KernelError;
use fsb_kernel::events::EventBatch;
use fsb_kernel::file_pipeline::{FilePipeline, FileToStore, Interrupted};
use fsb_kernel::format::Format;
use fsb_kernel::hashing::{ContentHasher, HASH_BYTES, SECRET_BYTES_MAX};
use fsb_kernel::packer::{self, FullPack, PackKind};
use fsb_kernel::random_stream::SEED_BYTES;
use fsb_kernel::sealing::{NONCE_BYTES, Sealer};
use napi::bindgen_prelude::{AsyncTask, Either, Error, Result, Status, Uint8Array};
use napi::{Env, Task};
use napi_derive::napi;

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
    /// How many threads read, split and hash.
    pub threads: u32,
}

#[napi(object)]
pub struct Pack {
    /// Whether its contents have a prefix.
    pub is_prefixed: bool,
    pub bytes: Uint8Array,
    pub contents: Uint8Array,
}

impl From<FullPack> for Pack {
    fn from(pack: FullPack) -> Self {
        let FullPack { kind, bytes, contents } = pack;
        Self { is_prefixed: kind == PackKind::Prefixed, bytes: bytes.into(), contents: contents.into() }
    }
}

#[napi(object)]
pub struct Batch {
    /// See native/kernel/src/events.rs.
    pub events: Uint8Array,
    pub packs: Vec<Pack>,
    pub is_last: bool,
}

impl From<EventBatch> for Batch {
    fn from(batch: EventBatch) -> Self {
        let EventBatch { bytes, packs, is_last, .. } = batch;
        Self { events: bytes.into(), packs: packs.into_iter().map(Pack::from).collect(), is_last }
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
    /// Made when there are files to read.
    pipeline: Mutex<Option<Arc<FilePipeline>>>,
    format: Arc<Format>,
    threads: usize,
}

#[napi]
impl Packer {
    #[napi(constructor, catch_unwind)]
    pub fn new(options: PackerOptions) -> Result<Self> {
        let format = Arc::new(Format {
            hasher: hasher(&options.hash_secret)?,
            sealer: Sealer::new(&options.content_secret),
            pack_bytes_max: options.pack_bytes_max as usize,
            pack_header: options.pack_header.to_vec(),
        });
        let seed: [u8; SEED_BYTES] = options.seed[..].try_into().map_err(|_| misused("a seed has 32 bytes"))?;
        let packer = packer::Packer::new(Arc::clone(&format), tables(options.known), &seed);
        Ok(Self {
            shared: Arc::new(PackerShared {
                packer: Mutex::new(packer),
                pipeline: Mutex::default(),
                format,
                threads: options.threads as usize,
            }),
        })
    }

    /// `names` each end with a zero byte; `sizes` are hints.
    #[napi(catch_unwind)]
    pub fn store_files(&self, folder_fd: i32, names: &[u8], sizes: &[f64]) -> Result<FileRun> {
        let files: Vec<_> = names
            .split_inclusive(|&byte| byte == 0)
            .zip(sizes)
            .map(|(name, &size)| FileToStore { name: name[..name.len() - 1].to_vec(), size: size as u64 })
            .collect();
        if files.len() != sizes.len() || names.last().is_some_and(|&last| last != 0) {
            return Err(misused("each file has a name and a size"));
        }
        if folder_fd < 0 {
            return Err(misused("the folder is an open descriptor"));
        }
        // SAFETY: the caller keeps the descriptor open during this call, which makes one of its own of it; were it not
        // open, that would fail.
        #[allow(unsafe_code)]
        let folder = unsafe { BorrowedFd::borrow_raw(folder_fd) };
        let folder = folder.try_clone_to_owned().map_err(|error| Error::from_reason(error.to_string()))?;
        let pipeline = self.shared.pipeline()?;
        pipeline.start(folder, files);
        Ok(FileRun { shared: Arc::clone(&self.shared), pipeline })
    }

    /// A `file` event for each item, in order, and before it the packs that it filled.
    #[napi(catch_unwind)]
    pub fn store_bytes(&self, prefixes: &[u8], items: Vec<&[u8]>, now_seconds: u32) -> Batch {
        let mut batch = EventBatch::default();
        let mut packer = self.shared.packer();
        for (number, (&prefix, bytes)) in prefixes.iter().zip(items).enumerate() {
            packer.store_bytes(number as u32, prefix, bytes, now_seconds, &mut batch);
        }
        batch.into()
    }

    /// Of `bytes` only the first chunk, as an item of its own.
    #[napi(catch_unwind)]
    pub fn store_first(&self, prefix: u8, bytes: &[u8], now_seconds: u32) -> Batch {
        let mut batch = EventBatch::default();
        let mut packer = self.shared.packer();
        let chunk = packer.store_first(prefix, bytes, now_seconds, &mut batch);
        batch.chunks_of_bytes(0, &[chunk]);
        batch.into()
    }

    #[napi(catch_unwind)]
    pub fn finish_packs(&self) -> Vec<Pack> {
        self.shared.packer().finish_packs().into_iter().map(Pack::from).collect()
    }

    #[napi(catch_unwind)]
    pub fn replace_known(&self, known: Vec<TableBytes>) {
        self.shared.packer().replace_known(tables(known));
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

    fn pipeline(&self) -> Result<Arc<FilePipeline>> {
        let mut made = self.pipeline.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = &*made {
            return Ok(Arc::clone(pipeline));
        }
        let pipeline = FilePipeline::new(Arc::clone(&self.format), self.threads)
            .map_err(|error| Error::from_reason(format!("could not start a thread: {error}")))?;
        Ok(Arc::clone(made.insert(Arc::new(pipeline))))
    }
}

/// Files of one folder on their way into packs.
#[napi]
pub struct FileRun {
    shared: Arc<PackerShared>,
    pipeline: Arc<FilePipeline>,
}

#[napi]
impl FileRun {
    /// Not called again before the answer is there, nor after the batch that is the last.
    #[napi(catch_unwind)]
    pub fn next(&self, now_seconds: u32) -> AsyncTask<NextBatch> {
        let (shared, pipeline) = (Arc::clone(&self.shared), Arc::clone(&self.pipeline));
        AsyncTask::new(NextBatch { shared, pipeline, now_seconds })
    }

    /// A `next` that is under way fails soon.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.pipeline.cancel();
    }

    /// For a run of which the last batch was not taken: when the answer is there, no descriptor of it is open.
    #[napi(catch_unwind)]
    pub fn close(&self) -> AsyncTask<CloseRun> {
        AsyncTask::new(CloseRun { pipeline: Arc::clone(&self.pipeline) })
    }
}

pub struct NextBatch {
    shared: Arc<PackerShared>,
    pipeline: Arc<FilePipeline>,
    now_seconds: u32,
}

impl Task for NextBatch {
    type Output = EventBatch;
    type JsValue = Batch;

    fn compute(&mut self) -> Result<EventBatch> {
        caught(|| self.pipeline.next(&mut self.shared.packer(), self.now_seconds))?.map_err(|interrupted| {
            Error::from_reason(match interrupted {
                Interrupted::Cancelled => "the run was cancelled",
                Interrupted::Panicked => "a thread of the native kernel panicked",
            })
        })
    }

    fn resolve(&mut self, _: Env, batch: EventBatch) -> Result<Batch> {
        Ok(batch.into())
    }
}

pub struct CloseRun {
    pipeline: Arc<FilePipeline>,
}

impl Task for CloseRun {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> Result<()> {
        caught(|| self.pipeline.close())
    }

    fn resolve(&mut self, _: Env, (): ()) -> Result<()> {
        Ok(())
    }
}

/// A thread of Node's pool knows no one who would catch a panic.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Error::from_reason("the native kernel panicked"))
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
