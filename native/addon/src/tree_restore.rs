//! The restore of a tree, as Node sees it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use fsb_kernel::content_table::{KnownTable, TableBytes};
use fsb_kernel::random_stream::SEED_BYTES;
use fsb_kernel::restore::{self, ContentForm, Entry, EntryKind, FetchedBytes, LeftKind, PlacedTable, RestoreRun};
use fsb_kernel::sealing::Sealer;
use fsb_kernel::volume::Errno;
use fsb_kernel::volume::attributes::{Attributes, Difference};
use fsb_kernel::volume::new_file::Zeros;
use napi::bindgen_prelude::{AsyncTask, Error, Object, Result, Uint8Array, Uint32Array};
use napi::{Env, JsDeferred};
use napi_derive::napi;

use super::work::{Work, caught};
use super::{Conditions, hasher, misused, not_started, own_descriptor};

#[napi(object)]
pub struct PlacedTableBytes {
    pub key_bytes: u32,
    /// Never written to after it is handed over.
    pub bytes: Uint8Array,
    /// Of each form its compression id and its encryption key id.
    pub forms: Uint32Array,
}

#[napi(object)]
pub struct TreeEntry {
    pub name: Uint8Array,
    /// 0 file, 1 folder, 2 symbolic link, 3 anything else.
    pub kind: u32,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size: f64,
    pub mtime_seconds: f64,
    pub mtime_nanoseconds: u32,
    pub object_id: String,
}

impl From<TreeEntry> for Entry {
    fn from(entry: TreeEntry) -> Self {
        let TreeEntry { name, kind, mode, uid, gid, size, mtime_seconds, mtime_nanoseconds, object_id } = entry;
        let kind = match kind {
            0 => EntryKind::File,
            1 => EntryKind::Folder,
            2 => EntryKind::Symlink,
            _ => EntryKind::Unknown,
        };
        let attributes = Attributes { mode, uid, gid, mtime_seconds: mtime_seconds as i64, mtime_nanoseconds };
        Self { name: name.to_vec().into(), kind, attributes, size: size as u64, object_id: object_id.into() }
    }
}

impl From<Entry> for TreeEntry {
    fn from(entry: Entry) -> Self {
        let Entry { name, kind, attributes, size, object_id } = entry;
        let Attributes { mode, uid, gid, mtime_seconds, mtime_nanoseconds } = attributes;
        let kind = match kind {
            EntryKind::File => 0,
            EntryKind::Folder => 1,
            EntryKind::Symlink => 2,
            EntryKind::Unknown => 3,
        };
        Self {
            name: name.into_vec().into(),
            kind,
            mode,
            uid,
            gid,
            size: size as f64,
            mtime_seconds: mtime_seconds as f64,
            mtime_nanoseconds,
            object_id: object_id.into(),
        }
    }
}

#[napi(object)]
pub struct TreeRestoreOptions {
    pub hash_secret: Uint8Array,
    pub content_secret: Uint8Array,
    pub tables: Vec<PlacedTableBytes>,
    pub target_fd: i32,
    pub entry: TreeEntry,
    pub leaves_holes: bool,
    /// 32 bytes, of which all randomness of the run is made.
    pub seed: Uint8Array,
    pub fetched_bytes_max: f64,
    pub expanded_bytes_max: f64,
}

#[napi(object)]
pub struct WantedRange {
    pub number: u32,
    pub table: u32,
    pub pack: u32,
    pub offset: f64,
    pub length: f64,
}

#[napi(object)]
pub struct WantedObject {
    pub number: u32,
    pub object_id: String,
}

#[napi(object)]
pub struct LeftEntry {
    pub number: u32,
    /// 0 entry, 1 below, 2 finish: see `LeftKind`.
    pub kind: u32,
    /// Entries of the folder that are restored, or left by themselves.
    pub after: u32,
    pub folder_fd: i32,
    /// Names, each with a zero byte behind it.
    pub folder_path: Uint8Array,
    pub entry: TreeEntry,
}

#[napi(object)]
pub struct EntryDifference {
    /// As that of a folder; not there where enough were told.
    pub path: Option<Uint8Array>,
    pub is_link: bool,
    pub wanted: FoundAttributes,
    pub found: FoundAttributes,
    /// Errnos, 0 where it was not refused.
    pub refused_owner: i32,
    pub refused_mode: i32,
    pub refused_mtime: i32,
}

#[napi(object)]
pub struct FoundAttributes {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Not there where it does not count.
    pub size: Option<f64>,
    pub mtime_seconds: f64,
    pub mtime_nanoseconds: u32,
}

#[napi(object)]
pub struct RestoreBatch {
    pub ranges: Vec<WantedRange>,
    pub objects: Vec<WantedObject>,
    pub left: Vec<LeftEntry>,
    pub differences: Vec<EntryDifference>,
    pub released: Vec<u32>,
    pub files: f64,
    pub folders: f64,
    pub symlinks: f64,
    pub bytes: f64,
    pub is_last: bool,
}

impl From<restore::Batch> for RestoreBatch {
    fn from(batch: restore::Batch) -> Self {
        let restore::Batch { ranges, objects, left, differences, released, counts, is_last } = batch;
        Self {
            ranges: ranges.into_iter().map(WantedRange::from).collect(),
            objects: objects
                .into_iter()
                .map(|restore::WantedObject { number, object_id }| WantedObject { number, object_id })
                .collect(),
            left: left.into_iter().map(LeftEntry::from).collect(),
            differences: differences.into_iter().map(EntryDifference::from).collect(),
            released,
            files: counts.files as f64,
            folders: counts.folders as f64,
            symlinks: counts.symlinks as f64,
            bytes: counts.bytes as f64,
            is_last,
        }
    }
}

impl From<restore::WantedRange> for WantedRange {
    fn from(range: restore::WantedRange) -> Self {
        let restore::WantedRange { number, table, pack, offset, length } = range;
        Self { number, table, pack, offset: offset as f64, length: length as f64 }
    }
}

impl From<restore::Left> for LeftEntry {
    fn from(left: restore::Left) -> Self {
        let restore::Left { number, kind, folder_fd, folder_path, entry } = left;
        let (kind, after) = match kind {
            LeftKind::Entry => (0, 0),
            LeftKind::Below { after } => (1, after),
            LeftKind::Finish => (2, 0),
        };
        Self { number, kind, after, folder_fd, folder_path: folder_path.into(), entry: entry.into() }
    }
}

impl From<restore::DifferenceOfEntry> for EntryDifference {
    fn from(noted: restore::DifferenceOfEntry) -> Self {
        let restore::DifferenceOfEntry { path, wanted, size, is_link, difference: Difference { found, refusals } } =
            noted;
        let errno = |refusal: Option<Errno>| refusal.map_or(0, Errno::raw_os_error);
        Self {
            path: path.map(Uint8Array::from),
            is_link,
            wanted: FoundAttributes {
                mode: wanted.mode,
                uid: wanted.uid,
                gid: wanted.gid,
                size: size.map(|size| size as f64),
                mtime_seconds: wanted.mtime_seconds as f64,
                mtime_nanoseconds: wanted.mtime_nanoseconds,
            },
            found: FoundAttributes {
                mode: found.mode,
                uid: found.uid,
                gid: found.gid,
                size: Some(found.size as f64),
                mtime_seconds: found.mtime_seconds as f64,
                mtime_nanoseconds: found.mtime_nanoseconds,
            },
            refused_owner: errno(refusals.owner),
            refused_mode: errno(refusals.mode),
            refused_mtime: errno(refusals.mtime),
        }
    }
}

/// Fetched bytes of which JavaScript keeps its hands until it is told that they were released.
struct Lent(Uint8Array);

impl FetchedBytes for Lent {
    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `supply` says that nobody reads or writes the bytes from then on until they are released; and the array
        // is held here, so they stay where they are.
        #[allow(unsafe_code)]
        unsafe {
            self.0.as_mut()
        }
    }
}

/// A stored tree on its way into an open folder.
#[napi]
pub struct TreeRestore {
    run: Arc<RestoreRun>,
    /// To the thread that waits for batches. Node's pool has four threads, and a restore mostly waits for what they read.
    asked: Sender<Answer>,
}

type Answer = JsDeferred<RestoreBatch, Box<dyn FnOnce(Env) -> Result<RestoreBatch> + Send>>;

fn adopt(run: &RestoreRun) {
    let _ = run.conditions().adopt(); // Whether it can be had was told when the conditions were made.
}

/// Until nobody can ask any more.
fn answer_each(run: &RestoreRun, asked: Receiver<Answer>) {
    adopt(run);
    for answer in asked {
        match caught(|| run.next()) {
            Ok(Ok(batch)) => answer.resolve(Box::new(|_| Ok(batch.into()))),
            Ok(Err(interrupted)) => answer.reject(Error::from_reason(interrupted.to_string())),
            Err(error) => answer.reject(error),
        }
    }
}

#[napi]
impl TreeRestore {
    #[napi(constructor, catch_unwind)]
    pub fn new(conditions: &Conditions, options: TreeRestoreOptions) -> Result<Self> {
        let seed: [u8; SEED_BYTES] = options.seed[..].try_into().map_err(|_| misused("a seed has 32 bytes"))?;
        let run = RestoreRun::new(restore::RestoreOptions {
            hasher: hasher(&options.hash_secret)?,
            sealer: Sealer::new(&options.content_secret),
            tables: placed_tables(options.tables),
            target: own_descriptor(options.target_fd)?,
            entry: options.entry.into(),
            zeros: if options.leaves_holes { Zeros::Holes } else { Zeros::Written },
            seed,
            conditions: Arc::clone(&conditions.shared),
            fetched_bytes_max: options.fetched_bytes_max as u64,
            expanded_bytes_max: options.expanded_bytes_max as u64,
        });
        let run = Arc::new(run.map_err(not_started)?);
        let (asked, asks) = channel();
        let answering = Arc::clone(&run);
        std::thread::Builder::new()
            .name("fsb-restore-tell".into())
            .spawn(move || answer_each(&answering, asks))
            .map_err(not_started)?;
        Ok(Self { run, asked })
    }

    /// Not called again before the answer is there, nor after the batch that is the last.
    #[napi(catch_unwind)]
    pub fn next<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (answer, promise) = env.create_deferred()?;
        self.asked.send(answer).map_err(|_| Error::from_reason("the thread that answers has ended"))?;
        Ok(promise)
    }

    /// The bytes of a range, whole; not there where they are not to be had. They are made plain where they lie, so nobody
    /// reads or writes them before a batch tells that they were released, or the run is closed.
    #[napi(catch_unwind)]
    pub fn supply(&self, number: u32, bytes: Option<Uint8Array>) {
        self.run.supply(number, bytes.map(|bytes| Box::new(Lent(bytes)) as Box<dyn FetchedBytes>));
    }

    /// The bytes of an object, whole, which stay as they are; not there where they are not to be had.
    #[napi(catch_unwind)]
    pub fn supply_object(&self, number: u32, bytes: Option<Uint8Array>) {
        self.run.supply_object(number, bytes.map(|bytes| Box::new(bytes) as Box<dyn TableBytes>));
    }

    #[napi(catch_unwind)]
    pub fn settle(&self, number: u32) {
        self.run.settle(number);
    }

    #[napi(catch_unwind)]
    pub fn replace_tables(&self, tables: Vec<PlacedTableBytes>) {
        self.run.replace_tables(placed_tables(tables));
    }

    /// `syncfs` of the target; the errno, or 0.
    #[napi(catch_unwind)]
    pub fn sync(&self) -> AsyncTask<Work<i32, i32>> {
        let run = Arc::clone(&self.run);
        let sync = move || {
            adopt(&run);
            Ok(run.sync().err().map_or(0, Errno::raw_os_error))
        };
        Work::start(sync, |errno| errno)
    }

    /// A `next` that is under way fails soon.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.run.cancel();
    }

    /// When the answer is there, no descriptor of the run is open, and no temporary name is left.
    #[napi(catch_unwind)]
    pub fn close(&self) -> AsyncTask<Work<(), ()>> {
        let run = Arc::clone(&self.run);
        let close = move || {
            adopt(&run);
            run.close();
            Ok(())
        };
        Work::start(close, |()| ())
    }
}

fn placed_tables(tables: Vec<PlacedTableBytes>) -> Vec<PlacedTable> {
    let placed = |PlacedTableBytes { key_bytes, bytes, forms }| PlacedTable {
        table: KnownTable::new(key_bytes as usize, bytes),
        forms: (*forms)
            .as_chunks::<2>()
            .0
            .iter()
            .map(|&[compression_id, encryption_key_id]| ContentForm { compression_id, encryption_key_id })
            .collect(),
    };
    tables.into_iter().map(placed).collect()
}
