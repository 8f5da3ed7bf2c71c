/**
 * A blob store in a folder: a repository of kopia's filesystem provider, or the dump of a bucket (`blob-layout.ts`).
 *
 * Guarantees: those of BlobStore. What `put` finished survives a loss of power: the file is synced before it gets its
 * name, and so are its folder and all folders above it up to the repository's, whoever made them.
 *
 * Assumptions: the folder belongs to an operator, who may give a path through symbolic links; where it led when it was
 * opened is where the repository stays. Within it nothing is a link: a hostile copy of a repository could otherwise have
 * files read or written anywhere. `list` passes over links, everything else refuses them as BLOB_STORE_INVALID. Somebody
 * who changes folders into links at the very time of an operation is not kept out; who can do that owns the repository.
 *
 * Source: docs/format/blobs.md; kopia repo/blob/filesystem/filesystem_storage.go and repo/blob/sharded/sharded.go.
 */

import { constants, type Dirent, type Stats } from "node:fs";
import { lstat, mkdir, open, opendir, realpath, stat, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { mapBounded } from "../../base/concurrency.ts";
import { errnoOf } from "../../base/errors.ts";
import { makeFolders } from "../../base/make-folders.ts";
import type { Pace } from "../../base/pace.ts";
import { type RandomSource, systemRandom } from "../../base/random.ts";
import {
  type BlobLayout,
  blobOfFile,
  bucketLayout,
  layoutToldBy,
  locateBlob,
  mayHold,
  shardedLayout,
} from "./blob-layout.ts";
import {
  BlobError,
  type BlobId,
  type BlobMetadata,
  type BlobStore,
  type ByteRange,
  blobExists,
  type GetOptions,
  type PutOptions,
  rangeWithin,
} from "./blob-store.ts";
import { syncFolder, writeDurableFile } from "./durable-file.ts";
import { translateFilesystemError } from "./filesystem-error.ts";
import { ReadOnlyBlobStore } from "./read-only.ts";
import {
  createdSharding,
  encodeSharding,
  legacySharding,
  parseSharding,
  type Sharding,
  shardsFileBytesMax,
  shardsFileName,
} from "./sharding.ts";

export interface FilesystemStoreOptions {
  /**
   * `create` makes the folder where it is missing, with kopia's layout of today. `open` and `read-only` want it to be
   * there: BLOB_STORE_NOT_FOUND otherwise. `read-only` writes nothing, ever.
   */
  readonly mode: "create" | "open" | "read-only";
  readonly signal: AbortSignal;
  readonly random?: RandomSource;
}

/** Files whose metadata a listing looks up at once; the thread pool has four threads, unless told otherwise. */
const lookupsAtOnce = 4;
/** Files of a folder that a listing holds: it stays small however many there are. */
const filesPerBatch = 256;
/** Bytes per system call, so that an abort is noticed between two. */
const bytesPerRead = 16 * 1024 * 1024;

export async function openFilesystemStore(path: string, options: FilesystemStoreOptions): Promise<BlobStore> {
  const { mode, signal, random = systemRandom } = options;
  signal.throwIfAborted();
  const folder = resolve(path);
  try {
    if (mode === "create") await makeRepositoryFolder(folder);
    const root = await realpath(folder);
    if (!(await stat(root)).isDirectory()) {
      throw new BlobError("BLOB_STORE_INVALID", `${folder} is not a folder`, { hint: "name the repository's folder" });
    }
    const store = new FilesystemBlobStore(folder, root, random, await chooseLayout(root, mode, signal));
    return mode === "read-only" ? new ReadOnlyBlobStore(store) : store;
  } catch (error) {
    throw translateFilesystemError(error, "open a repository", folder);
  }
}

/** A layout, and whether it is for good: recorded in `.shards`, or a bucket dump, which has no such file. */
interface ChosenLayout {
  readonly layout: BlobLayout;
  readonly isSettled: boolean;
}

/**
 * As kopia does, with one difference: a layout that had to be assumed is recorded by the first `put`, not already when
 * somebody looks for a blob. kopia records it then, so that looking whether an empty folder holds a repository settles
 * the old layout for the one that is created there next; and a folder that is only read needs to be writable.
 */
async function chooseLayout(
  root: string,
  mode: FilesystemStoreOptions["mode"],
  signal: AbortSignal,
): Promise<ChosenLayout> {
  const recorded = await readSharding(root, signal);
  if (recorded !== undefined) return { layout: shardedLayout(recorded), isSettled: true };
  const assumed = shardedLayout(mode === "create" ? createdSharding : legacySharding);
  if (!(await isFile(join(root, "kopia.repository.f")))) {
    return (await isFile(join(root, "kopia.repository")))
      ? { layout: bucketLayout, isSettled: true }
      : { layout: assumed, isSettled: false };
  }
  for await (const entry of await opendir(root)) {
    const layout = layoutToldBy({ name: entry.name, isFolder: entry.isDirectory() });
    if (layout !== undefined) return { layout, isSettled: false };
  }
  return { layout: assumed, isSettled: false };
}

class FilesystemBlobStore implements BlobStore {
  readonly displayName: string;
  readonly #root: string;
  readonly #random: RandomSource;
  #chosen: ChosenLayout;

  constructor(displayName: string, root: string, random: RandomSource, chosen: ChosenLayout) {
    this.displayName = displayName;
    this.#root = root;
    this.#random = random;
    this.#chosen = chosen;
  }

  async get(id: BlobId, { signal, range, pace, allocate }: GetOptions): Promise<Uint8Array> {
    signal.throwIfAborted();
    const bytes = await this.#translating(`read blob ${id}`, async () => {
      const path = await this.#pathOf(id, signal);
      const pick = (length: number): ByteRange => rangeWithin(id, length, range);
      return (
        (path === undefined ? undefined : await readFileIfPresent(path, pick, { signal, pace, allocate })) ??
        (await this.#absent())
      );
    });
    if (bytes !== undefined) return bytes;
    throw new BlobError("BLOB_NOT_FOUND", `there is no blob ${id} in folder ${this.displayName}`, {
      detail: { blob: id },
    });
  }

  async put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions): Promise<void> {
    const { signal } = options;
    const existing = options.existing ?? ("replace" as const);
    signal.throwIfAborted();
    await this.#translating(`write blob ${id}`, async () => {
      const { folders, file } = locateBlob(await this.#settledLayout(signal), id);
      const chain = folderChain(this.#root, folders);
      const write = async (): Promise<boolean> => {
        await makeBlobFolders(chain.slice(1));
        const durable = { folder: chain.at(-1) ?? this.#root, name: file, parts, existing };
        return await writeDurableFile(durable, { signal, random: this.#random, pace: options.pace });
      };
      // Once more when an operator who tidies up took the folder away while it was empty.
      const again = (error: unknown) => (errnoOf(error) === "ENOENT" ? write() : Promise.reject(error));
      if (!(await write().catch(again))) throw blobExists(id);
      for (const folder of chain.toReversed()) await syncFolder(folder);
    });
  }

  /** Not synced: a blob that comes back after a loss of power is garbage as it was before. */
  async delete(id: BlobId, { signal }: { signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted();
    await this.#translating(`delete blob ${id}`, async () => {
      const path = await this.#pathOf(id, signal);
      if (path === undefined || !(await unlinkIfPresent(path))) await this.#absent();
    });
  }

  async *list(prefix: string, { signal }: { signal: AbortSignal }): AsyncIterable<BlobMetadata> {
    signal.throwIfAborted();
    try {
      await stat(this.#root);
      const { layout } = await this.#currentLayout(signal);
      yield* listFolder({ layout, prefix, signal }, this.#root, "");
    } catch (error) {
      throw translateFilesystemError(error, `list blobs ${prefix}*`, this.displayName);
    }
  }

  async metadata(id: BlobId, { signal }: { signal: AbortSignal }): Promise<BlobMetadata | undefined> {
    signal.throwIfAborted();
    return await this.#translating(`look up blob ${id}`, async () => {
      const path = await this.#pathOf(id, signal);
      const stats = path === undefined ? undefined : await lstatIfPresent(path);
      if (path === undefined || stats === undefined) return await this.#absent();
      if (!stats.isFile()) throw notOfType("file", path);
      return metadataOf(id, stats);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** As long as the layout is only assumed, another process may settle it. */
  async #currentLayout(signal: AbortSignal): Promise<ChosenLayout> {
    if (!this.#chosen.isSettled) {
      const recorded = await readSharding(this.#root, signal);
      if (recorded !== undefined) this.#chosen = { layout: shardedLayout(recorded), isSettled: true };
    }
    return this.#chosen;
  }

  /**
   * The layout, after it was recorded. kopia carries on where `.shards` cannot be written; here the `put` fails, for
   * whoever opens the folder later would assume another layout and not find the blob.
   */
  async #settledLayout(signal: AbortSignal): Promise<BlobLayout> {
    const { layout, isSettled } = await this.#currentLayout(signal);
    if (isSettled) return layout;
    const parts = [encodeSharding(layout.sharding)];
    const file = { folder: this.#root, name: shardsFileName, parts, existing: "keep" } as const;
    await writeDurableFile(file, { signal, random: this.#random });
    await syncFolder(this.#root);
    return (await this.#currentLayout(signal)).layout;
  }

  /** Where the blob's file would be; undefined when one of its folders is missing. */
  async #pathOf(id: BlobId, signal: AbortSignal): Promise<string | undefined> {
    const { folders, file } = locateBlob((await this.#currentLayout(signal)).layout, id);
    const chain = folderChain(this.#root, folders);
    for (const folder of chain.slice(1)) {
      const stats = await lstatIfPresent(folder);
      if (stats === undefined) return undefined;
      if (!stats.isDirectory()) throw notOfType("folder", folder);
    }
    return join(chain.at(-1) ?? this.#root, file);
  }

  /** What is not found is missing only if the repository's folder is still there. */
  async #absent(): Promise<undefined> {
    await stat(this.#root);
  }

  async #translating<Result>(doing: string, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw translateFilesystemError(error, doing, this.displayName);
    }
  }
}

interface Listing {
  readonly layout: BlobLayout;
  /** Of the ids that are wanted. */
  readonly prefix: string;
  readonly signal: AbortSignal;
}

interface FoundFile {
  readonly id: BlobId;
  readonly path: string;
}

async function* listFolder(listing: Listing, folder: string, folderPrefix: string): AsyncGenerator<BlobMetadata> {
  const { layout, prefix, signal } = listing;
  let found: FoundFile[] = [];
  for await (const entry of entriesOf(folder)) {
    signal.throwIfAborted();
    if (entry.isDirectory()) {
      const deeper = folderPrefix + entry.name;
      if (mayHold(layout, deeper, prefix)) yield* listFolder(listing, join(folder, entry.name), deeper);
      continue;
    }
    const id = entry.isFile() ? blobOfFile(layout, folderPrefix, entry.name) : undefined;
    if (id?.startsWith(prefix)) found.push({ id, path: join(folder, entry.name) });
    if (found.length < filesPerBatch) continue;
    yield* lookUp(found, signal);
    found = [];
  }
  yield* lookUp(found, signal);
}

/** Nothing, or nothing more, of a folder that vanishes. */
async function* entriesOf(folder: string): AsyncGenerator<Dirent> {
  try {
    yield* await opendir(folder, { bufferSize: filesPerBatch });
  } catch (error) {
    if (!isAbsence(error)) throw error;
  }
}

async function* lookUp(files: readonly FoundFile[], signal: AbortSignal): AsyncGenerator<BlobMetadata> {
  const all = await mapBounded(files, lookupsAtOnce, signal, async ({ id, path }) => {
    const stats = await lstatIfPresent(path);
    return stats?.isFile() ? metadataOf(id, stats) : undefined;
  });
  for (const metadata of all) if (metadata !== undefined) yield metadata;
}

function metadataOf(id: BlobId, stats: Stats): BlobMetadata {
  return { id, length: stats.size, modifiedMs: Math.floor(stats.mtimeMs) };
}

async function readSharding(root: string, signal: AbortSignal): Promise<Sharding | undefined> {
  // One byte more than allowed is enough for the parser to refuse it.
  const pick = (length: number): ByteRange => ({ offset: 0, length: Math.min(length, shardsFileBytesMax + 1) });
  const path = join(root, shardsFileName);
  const bytes = await readFileIfPresent(path, pick, { signal });
  return bytes === undefined ? undefined : parseSharding(bytes, path);
}

interface ReadOptions {
  readonly signal: AbortSignal;
  readonly pace?: Pace | undefined;
  readonly allocate?: ((length: number) => Uint8Array) | undefined;
}

/**
 * What `pick` chooses of a file of so many bytes. The length is checked before memory is asked for. Opening does not
 * wait, as it would for a named pipe, and follows no link.
 */
async function readFileIfPresent(
  path: string,
  pick: (length: number) => ByteRange,
  { signal, pace, allocate = Buffer.allocUnsafeSlow }: ReadOptions,
): Promise<Uint8Array | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const handle = await open(path, flags).catch(undefinedIfAbsent);
  if (handle === undefined) return undefined;
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw notOfType("file", path);
    const { offset, length } = pick(stats.size);
    const bytes = allocate(length);
    for (let done = 0; done < length; ) {
      signal.throwIfAborted();
      const room = Math.min(length - done, bytesPerRead, pace?.stepBytes ?? bytesPerRead);
      await pace?.admit(room, signal);
      const { bytesRead } = await handle.read(bytes, done, room, offset + done);
      if (bytesRead === 0) throw new BlobError("BLOB_RANGE_INVALID", `file ${path} became shorter while it was read`);
      done += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}

/** The folder and those that lead into it, outermost first. */
function folderChain(root: string, folders: readonly string[]): readonly string[] {
  return [root, ...folders.map((_, index) => join(root, ...folders.slice(0, index + 1)))];
}

/** Never the repository's own folder: where it is missing, a file system is not mounted, and what is below is another. */
async function makeBlobFolders(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    try {
      await mkdir(folder, { mode: 0o700 });
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw error;
      const stats = await lstatIfPresent(folder);
      if (stats !== undefined && !stats.isDirectory()) throw notOfType("folder", folder);
    }
  }
}

async function makeRepositoryFolder(folder: string): Promise<void> {
  const made = await makeFolders(folder, 0o700);
  if (made === undefined) return;
  for (let child = folder; ; child = dirname(child)) {
    await syncFolder(dirname(child));
    if (child === made) return;
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await lstatIfPresent(path))?.isFile() ?? false;
}

async function lstatIfPresent(path: string): Promise<Stats | undefined> {
  return await lstat(path).catch(undefinedIfAbsent);
}

async function unlinkIfPresent(path: string): Promise<boolean> {
  return (await unlink(path).then(() => true, undefinedIfAbsent)) ?? false;
}

function undefinedIfAbsent(error: unknown): undefined {
  if (!isAbsence(error)) throw error;
}

function isAbsence(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "");
}

function notOfType(type: "file" | "folder", path: string): BlobError {
  return new BlobError("BLOB_STORE_INVALID", `${path} is not a ${type}`, {
    detail: { path },
    hint: `in a repository nothing is a symbolic link or special; put a real ${type} there`,
  });
}
