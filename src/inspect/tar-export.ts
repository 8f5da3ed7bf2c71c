/**
 * A stored file, link or tree as a tar archive.
 *
 * Memory: the folders on the way down and read ahead, and what is read of one file at once. Nothing of an archive that ended
 * with an error is worth keeping: a file in it may be cut short.
 */

import { emptyBytes } from "../base/bytes.ts";
import { parseObjectId } from "../repository/object/object-id.ts";
import type { Repository } from "../repository/repository.ts";
import { type DirectoryEntry, isSafeName } from "../snapshot/directory-entry.ts";
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

/** What Linux takes for the target of a link. */
const linkBytesMax = 4096;
const pieceBytes = 256 * 1024;

/**
 * A folder is `./`, and what is in it lies below; anything else has its own name.
 * Errors: FOLDER_INVALID, for an entry that no archive should have too; ObjectError, ContentError, BlobError.
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
  { signal, onEntry }: ExportOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const top = root.kind === "folder" ? { ...root, name: ".", nameBytes: Buffer.from(".") } : root;
  for await (const found of walkTree(repository, top, { signal, path: top.name })) {
    const { entry } = found;
    const path = archivePath(found);
    if (entry.kind === "error") throw new SnapshotError("FOLDER_INVALID", `${quoted(found.path)} is of unknown type`);
    const { kind, mode, uid, gid, mtimeNs } = entry;
    const isLink = kind === "symlink";
    const target = isLink
      ? await repository.objects.readWhole(parseObjectId(entry.objectId), linkBytesMax, signal)
      : emptyBytes;
    const size = kind === "file" ? entry.size : 0;
    yield tarHeader({ kind, path, mode, uid, gid, size, mtimeNs, target });
    if (kind === "file") yield* dataOf(repository, found, signal);
    counts[kind === "file" ? "files" : isLink ? "symlinks" : "folders"]++;
    counts.bytes += size;
    onEntry(counts);
  }
  yield Buffer.alloc(2 * tarBlockBytes);
}

/** A name that leads elsewhere would be written there by whoever unpacks the archive. */
function archivePath(found: TreeEntry): Uint8Array {
  const { entry, above, path } = found;
  if (above === undefined ? entry.kind !== "folder" && !isSafeName(entry.nameBytes) : !isSafeName(entry.nameBytes)) {
    throw new SnapshotError("FOLDER_INVALID", `${quoted(path)} cannot be a name in an archive`);
  }
  return above === undefined ? entry.nameBytes : bytesOfPath(found);
}

/** As many bytes as the header says, and zeros to the end of the block. */
async function* dataOf(
  repository: Repository,
  { entry, path }: TreeEntry,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let length = 0;
  for await (const piece of repository.objects.read(parseObjectId(entry.objectId), signal)) {
    length += piece.byteLength;
    if (length > entry.size) break;
    yield piece;
  }
  if (length !== entry.size) {
    const has = length > entry.size ? "more" : "fewer";
    throw new SnapshotError("FOLDER_INVALID", `${quoted(path)} has ${has} bytes than the ${entry.size} its entry says`);
  }
  yield tarPadding(length);
}
