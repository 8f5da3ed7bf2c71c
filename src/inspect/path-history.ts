/** What lay at one path in the snapshots of a source: when it appeared, changed and vanished. */

import type { Repository } from "../repository/repository.ts";
import type { DirectoryEntry } from "../snapshot/directory-entry.ts";
import type { SnapshotManifest } from "../snapshot/snapshot-manifest.ts";
import { findChild } from "../snapshot/snapshots.ts";
import { type Aspect, changedAspects } from "./tree-difference.ts";

/** What all snapshots from the first to the last have there. */
export interface PathVersion {
  readonly change: "appeared" | "changed" | "vanished";
  /** What changed, where it did. */
  readonly what: readonly Aspect[];
  /** Undefined while there is nothing. */
  readonly entry: DirectoryEntry | undefined;
  readonly first: SnapshotManifest;
  readonly last: SnapshotManifest;
  /** How many there are of them. */
  readonly count: number;
}

/**
 * Of snapshots of one source, oldest first. Those before it first appeared are no version.
 * Errors: FOLDER_INVALID, ObjectError, ContentError, BlobError.
 */
export async function* pathHistory(
  repository: Repository,
  snapshots: readonly SnapshotManifest[],
  path: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<PathVersion, void, undefined> {
  const lookUp = new PathLookUp(repository, path, signal);
  let version: PathVersion | undefined;
  for (const snapshot of snapshots) {
    signal.throwIfAborted();
    const entry = await lookUp.find(snapshot.rootEntry);
    const began = beginning(version?.entry, entry);
    if (began === undefined) {
      if (version !== undefined) version = { ...version, last: snapshot, count: version.count + 1 };
      continue;
    }
    if (version !== undefined) yield version;
    version = { ...began, entry, first: snapshot, last: snapshot, count: 1 };
  }
  if (version !== undefined) yield version;
}

/** Undefined where it is as it was. */
function beginning(
  before: DirectoryEntry | undefined,
  after: DirectoryEntry | undefined,
): Pick<PathVersion, "change" | "what"> | undefined {
  if (before === undefined) return after === undefined ? undefined : { change: "appeared", what: [] };
  if (after === undefined) return { change: "vanished", what: [] };
  const what = changedAspects(before, after, before.objectId === after.objectId);
  return what.length > 0 || before.kind !== after.kind ? { change: "changed", what } : undefined;
}

/** Remembers what it found last in each folder on the way, which the next snapshot mostly has too. */
class PathLookUp {
  readonly #repository: Repository;
  readonly #path: readonly string[];
  readonly #signal: AbortSignal;
  readonly #last: { readonly folder: string; readonly entry: DirectoryEntry | undefined }[] = [];

  constructor(repository: Repository, path: readonly string[], signal: AbortSignal) {
    this.#repository = repository;
    this.#path = path;
    this.#signal = signal;
  }

  async find(root: DirectoryEntry): Promise<DirectoryEntry | undefined> {
    let entry: DirectoryEntry | undefined = root;
    for (const [depth, name] of this.#path.entries()) {
      if (entry?.kind !== "folder") return undefined;
      const folder: string = entry.objectId;
      if (this.#last[depth]?.folder !== folder) {
        const found: DirectoryEntry | undefined = await findChild(this.#repository, entry, name, this.#signal);
        this.#last[depth] = { folder, entry: found };
      }
      entry = this.#last[depth]?.entry;
    }
    return entry;
  }
}
