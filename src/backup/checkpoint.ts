/**
 * Checkpoints: while a long backup runs, what it has stored so far is made reachable from a snapshot that says of itself
 * it is not complete, so that maintenance does not take it for garbage.
 *
 * The open folders, from the deepest up, are written as they are; a large file that is half read stands in its folder
 * under a name that no later run takes for the file.
 *
 * Source: docs/format/concurrency.md; kopia snapshot/snapshotfs/checkpoint_registry.go.
 */

import { randomUUID } from "node:crypto";
import { toUtf8 } from "../base/bytes.ts";
import type { Chunk } from "../kernel/kernel.ts";
import type { RepositoryWriter } from "../repository/repository-writer.ts";
import type { DirectoryEntry } from "../snapshot/directory-entry.ts";
import type { FolderEncoder } from "../snapshot/folder-object.ts";
import { folderBytesMax } from "../snapshot/snapshots.ts";
import type { SummaryBuilder } from "../snapshot/summary.ts";
import { displayNameOf } from "../volume/entry-name.ts";
import { BackupError } from "./backup-error.ts";

/** A folder that the walk is in. */
export interface FolderInProgress {
  readonly nameBytes: Uint8Array;
  readonly attributes: Pick<DirectoryEntry, "mode" | "mtimeNs" | "uid" | "gid">;
  readonly encoder: FolderEncoder;
  readonly summary: SummaryBuilder;
  /** A large file of which some chunks are stored. */
  partial: { readonly entry: Omit<DirectoryEntry, "objectId" | "size">; readonly chunks: readonly Chunk[] } | undefined;
}

/** Writes the folders as they are, root first in `path`; gives the root's entry. Nothing in them changes. */
export async function writeCheckpointTree(
  writer: RepositoryWriter,
  path: readonly FolderInProgress[],
  signal: AbortSignal,
): Promise<DirectoryEntry> {
  let below: DirectoryEntry | undefined;
  for (const folder of path.toReversed()) {
    const encoder = folder.encoder.copy();
    const summary = folder.summary.copy();
    const half = folder.partial && (await entryOfPart(writer, folder.partial, signal));
    for (const entry of [below, half]) {
      if (entry === undefined) continue;
      encoder.add(entry);
      summary.add(entry);
    }
    below = await writeFolder(writer, { ...folder, encoder, summary }, "checkpoint", signal);
  }
  return below as DirectoryEntry;
}

/** Stores the folder's object and gives the entry for the folder above. BACKUP_FOLDER_TOO_LARGE: no restore could read it. */
export async function writeFolder(
  writer: RepositoryWriter,
  folder: Pick<FolderInProgress, "nameBytes" | "attributes" | "encoder" | "summary">,
  incomplete: string | undefined,
  signal: AbortSignal,
): Promise<DirectoryEntry> {
  const { nameBytes, attributes, encoder } = folder;
  const { mtimeNs } = attributes;
  const summary = folder.summary.build({ mtimeNs, ...(incomplete === undefined ? {} : { incomplete }) });
  const objectId = await writer.writeObject("k", bounded(encoder.encode(summary), folder), signal);
  return { name: "", nameBytes, kind: "folder", size: 0, ...attributes, objectId, summary };
}

function* bounded(
  pieces: Iterable<Uint8Array>,
  { nameBytes, encoder }: Pick<FolderInProgress, "nameBytes" | "encoder">,
): Generator<Uint8Array, void, undefined> {
  let length = 0;
  for (const piece of pieces) {
    length += piece.byteLength;
    if (length > folderBytesMax) {
      throw folderTooLarge(nameBytes, encoder.count);
    }
    yield piece;
  }
}

export function folderTooLarge(nameBytes: Uint8Array, entries: number): BackupError {
  const name = JSON.stringify(displayNameOf(nameBytes));
  return new BackupError("BACKUP_FOLDER_TOO_LARGE", `folder ${name} has too many entries: ${entries}`, {
    detail: { entries },
    hint: "spread what is in it over several folders, about a million entries each",
  });
}

/** That no later run takes for a file's own. */
export function partialName(): string {
  return `.checkpointed.${randomUUID()}`;
}

async function entryOfPart(
  writer: RepositoryWriter,
  { entry, chunks }: NonNullable<FolderInProgress["partial"]>,
  signal: AbortSignal,
): Promise<DirectoryEntry | undefined> {
  if (chunks.length === 0) return undefined;
  const name = partialName();
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return { ...entry, name, nameBytes: toUtf8(name), size, objectId: await writer.objectOfChunks(chunks, signal) };
}
