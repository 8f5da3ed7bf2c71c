/**
 * A stored file, link or tree as a tar archive.
 *
 * Small files are read many at a time, as the packs have them, and larger ones piece by piece. Memory: a batch, the folders on
 * the way down and read ahead, and what is read of one file at once. Nothing of an archive that ended with an error is worth
 * keeping: a file in it may be cut short.
 */

import { emptyBytes } from "../base/bytes.ts";
import { CodedError } from "../base/errors.ts";
import type { ContentId } from "../repository/content/content-id.ts";
import { isDamage } from "../repository/damage.ts";
import { parseObjectId } from "../repository/object/object-id.ts";
import type { Repository } from "../repository/repository.ts";
import { type DirectoryEntry, isSafeName, linkBytesMax } from "../snapshot/directory-entry.ts";
import { quoted, SnapshotError } from "../snapshot/snapshot-error.ts";
import { bytesOfPath, type TreeEntry, walkTree } from "./stored-tree.ts";
import { tarBlockBytes, tarHeader, tarPadding } from "./tar-header.ts";

export interface ExportOptions {
  readonly signal: AbortSignal;
  readonly onEntry: (counts: ExportCounts) => void;
}

export interface ExportCounts {
  files: number;
  folders: number;
  symlinks: number;
  /** Of files. */
  bytes: number;
}

/** Longer ones are worth a read of their own. */
const smallBytesMax = 256 * 1024;
/** A batch ends at either; in memory twice, as it is fetched and as it was opened. */
const batchEntriesMax = 1000;
const batchBytesMax = 16 << 20;
const pieceBytes = 256 * 1024;

/**
 * A folder is `./`, and what is in it lies below; anything else has its own name.
 * Errors: SNAPSHOT_ENTRY_UNREADABLE, with what is wrong with the entry as its cause, which may be that no archive should have
 * it; BlobError of a store that cannot be had.
 */
export async function* tarOf(
  repository: Repository,
  root: DirectoryEntry,
  options: ExportOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const counts: ExportCounts = { files: 0, folders: 0, symlinks: 0, bytes: 0 };
  let waiting: Uint8Array[] = [];
  let length = 0;
  for await (const part of partsOf(repository, root, counts, options)) {
    waiting.push(part);
    length += part.byteLength;
    if (length < pieceBytes) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    length = 0;
  }
  yield Buffer.concat(waiting);
}

async function* partsOf(
  repository: Repository,
  root: DirectoryEntry,
  counts: ExportCounts,
  options: ExportOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const top = root.kind === "folder" ? { ...root, name: ".", nameBytes: Buffer.from(".") } : root;
  const archive = new Archive(repository, counts, options);
  let batch: TreeEntry[] = [];
  let bytes = 0;
  const onUnreadable = (path: string, cause: CodedError): void => {
    throw unreadable(path, cause);
  };
  for await (const found of walkTree(repository, top, { signal: options.signal, path: top.name, onUnreadable })) {
    batch.push(found);
    bytes += Math.min(found.entry.size, smallBytesMax);
    if (batch.length < batchEntriesMax && bytes < batchBytesMax) continue;
    yield* archive.add(batch);
    batch = [];
    bytes = 0;
  }
  yield* archive.add(batch);
  yield Buffer.alloc(2 * tarBlockBytes);
}

class Archive {
  readonly #repository: Repository;
  readonly #counts: ExportCounts;
  readonly #options: ExportOptions;

  constructor(repository: Repository, counts: ExportCounts, options: ExportOptions) {
    this.#repository = repository;
    this.#counts = counts;
    this.#options = options;
  }

  async *add(batch: readonly TreeEntry[]): AsyncGenerator<Uint8Array, void, undefined> {
    const small = await this.#readSmall(batch);
    for (const [i, found] of batch.entries()) {
      try {
        yield* this.#entry(found, small[i]);
      } catch (cause) {
        if (!isDamage(cause)) throw cause;
        throw unreadable(found.path, cause);
      }
    }
  }

  /** By position. What is not there, or where one is damaged all, is read by itself, and fails by its name. */
  async #readSmall(batch: readonly TreeEntry[]): Promise<readonly (Uint8Array | undefined)[]> {
    const wanted = batch.flatMap(({ entry }, position) => {
      const id = this.#smallContentOf(entry);
      return id === undefined ? [] : [{ position, id }];
    });
    const read: (Uint8Array | undefined)[] = [];
    const ids = wanted.map(({ id }) => id);
    try {
      await this.#repository.contents.readEach(ids, this.#options.signal, async (at, bytes) => {
        read[(wanted[at] as (typeof wanted)[number]).position] = bytes;
      });
      return read;
    } catch (error) {
      if (!isDamage(error)) throw error;
      return [];
    }
  }

  #smallContentOf({ kind, objectId, size }: DirectoryEntry): ContentId | undefined {
    if (kind !== "file" || size > smallBytesMax) return undefined;
    try {
      const id = this.#repository.objects.directContentOf(parseObjectId(objectId));
      return id !== undefined && this.#repository.contents.lengthOf(id) === size ? id : undefined;
    } catch (error) {
      if (error instanceof CodedError) return undefined; // It is read by itself, and this told then.
      throw error;
    }
  }

  async *#entry(found: TreeEntry, small: Uint8Array | undefined): AsyncGenerator<Uint8Array, void, undefined> {
    const { entry } = found;
    const { kind, mode, uid, gid, mtimeNs } = entry;
    const path = archivePath(found);
    if (kind === "error") throw new SnapshotError("FOLDER_INVALID", "it is of an unknown type");
    const target = kind === "symlink" ? await this.#targetOf(entry) : emptyBytes;
    const size = kind === "file" ? entry.size : 0;
    yield tarHeader({ kind, path, mode, uid, gid, size, mtimeNs, target });
    if (kind === "file" && small !== undefined) yield* [small, tarPadding(size)];
    else if (kind === "file") yield* this.#dataOf(entry);
    this.#counts[kind === "file" ? "files" : kind === "symlink" ? "symlinks" : "folders"]++;
    this.#counts.bytes += size;
    this.#options.onEntry(this.#counts);
  }

  async #targetOf({ objectId }: DirectoryEntry): Promise<Uint8Array> {
    return await this.#repository.objects.readWhole(parseObjectId(objectId), linkBytesMax, this.#options.signal);
  }

  /** As many bytes as the header says, and zeros to the end of the block. */
  async *#dataOf({ objectId, size }: DirectoryEntry): AsyncGenerator<Uint8Array, void, undefined> {
    let length = 0;
    for await (const piece of this.#repository.objects.read(parseObjectId(objectId), this.#options.signal)) {
      length += piece.byteLength;
      if (length > size) break;
      yield piece;
    }
    if (length !== size) {
      const has = length > size ? "more" : "fewer";
      throw new SnapshotError("FOLDER_INVALID", `it has ${has} bytes than the ${size} its entry says`);
    }
    yield tarPadding(length);
  }
}

function unreadable(path: string, cause: CodedError): SnapshotError {
  return new SnapshotError("SNAPSHOT_ENTRY_UNREADABLE", `could not export ${quoted(path)}`, { cause });
}

/** A name that leads elsewhere would be written there by whoever unpacks the archive. */
function archivePath(found: TreeEntry): Uint8Array {
  const { entry, above } = found;
  const isTop = above === undefined && entry.kind === "folder";
  if (!isTop && !isSafeName(entry.nameBytes))
    throw new SnapshotError("FOLDER_INVALID", "it has no name for an archive");
  return above === undefined ? entry.nameBytes : bytesOfPath(found);
}
