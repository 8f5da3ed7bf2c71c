/**
 * Where blobs lie in a folder. Reading, writing and listing follow one description, so that they cannot disagree.
 *
 * There are two: a repository of kopia's filesystem provider (folders by `.shards`, file names end in `.f`), and a
 * *bucket dump*, a folder into which somebody copied the objects of a bucket: one file an object, named by its id.
 *
 * Source: docs/format/blobs.md; kopia repo/blob/sharded/sharded.go.
 */

import { type BlobId, isBlobId } from "./blob-store.ts";
import { createdSharding, flatSharding, legacySharding, type Sharding, shardBlobId } from "./sharding.ts";

export interface BlobLayout {
  readonly sharding: Sharding;
  /** What a blob's file name ends in: ".f" or nothing. */
  readonly suffix: ".f" | "";
  /** Whether blobs may lie in folders. */
  readonly hasFolders: boolean;
}

export function shardedLayout(sharding: Sharding): BlobLayout {
  return { sharding, suffix: ".f", hasFolders: true };
}

export const bucketLayout: BlobLayout = { sharding: flatSharding, suffix: "", hasFolders: false };

/** The blob's folders below the repository's, outermost first, and the name of its file. */
export function locateBlob(
  layout: BlobLayout,
  id: BlobId,
): { readonly folders: readonly string[]; readonly file: string } {
  const { folders, rest } = shardBlobId(layout.sharding, id);
  return { folders, file: rest + layout.suffix };
}

/**
 * The blob whose file this is, or undefined for a file that is none: `.shards`, temporary files, what others left here.
 * `folderPrefix` is the names of the folders it lies in, joined. As in kopia the folders need not be those of the
 * layout: a blob that `get` cannot find is better listed than overlooked.
 */
export function blobOfFile(layout: BlobLayout, folderPrefix: string, fileName: string): BlobId | undefined {
  if (!fileName.endsWith(layout.suffix)) return undefined;
  const text = folderPrefix + fileName.slice(0, fileName.length - layout.suffix.length);
  return isBlobId(text) ? text : undefined;
}

/** Whether a folder can hold a blob whose id starts with `idPrefix`; `folderPrefix` as above, with its own name. */
export function mayHold(layout: BlobLayout, folderPrefix: string, idPrefix: string): boolean {
  if (!layout.hasFolders || !isBlobId(folderPrefix)) return false;
  return folderPrefix.startsWith(idPrefix) || idPrefix.startsWith(folderPrefix);
}

/**
 * What one entry of a repository's folder tells about its layout when `.shards` is missing: copying a folder by a
 * pattern like `*` leaves it behind. A pack or index beside the format blob is there only without shards, and a folder
 * of one letter only with kopia's own; where nothing tells, the folder is as old as `legacySharding`.
 */
export function layoutToldBy(entry: { readonly name: string; readonly isFolder: boolean }): BlobLayout | undefined {
  const { maxNonShardedLength } = legacySharding;
  if (entry.isFolder) return /^[pqx]$/.test(entry.name) ? shardedLayout(createdSharding) : undefined;
  const isLongBlob = /^[pqx].*\.f$/.test(entry.name) && entry.name.length - ".f".length > maxNonShardedLength;
  return isLongBlob ? shardedLayout(flatSharding) : undefined;
}
