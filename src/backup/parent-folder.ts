/**
 * A folder of the parent snapshot, asked for its entries by name. Both sides are sorted alike, so one pass over the
 * stored bytes answers all, and an entry is decoded when it is come to. A parent that cannot be read is no parent.
 */

import { compareBytes } from "../base/bytes.ts";
import { CodedError } from "../base/errors.ts";
import type { Repository } from "../repository/repository.ts";
import type { DirectoryEntry } from "../snapshot/directory-entry.ts";
import { readFolder } from "../snapshot/snapshots.ts";

export class ParentFolder {
  readonly #entries: Iterator<DirectoryEntry>;
  #next: DirectoryEntry | undefined;

  constructor(entries: Iterable<DirectoryEntry>) {
    this.#entries = entries[Symbol.iterator]();
    this.#next = this.#pull();
  }

  /** Names must be asked for in the order of a folder object: folders first, then the rest, each by bytes. */
  find(isFolder: boolean, name: Uint8Array): DirectoryEntry | undefined {
    while (
      this.#next !== undefined &&
      comparePlace(this.#next.kind === "folder", this.#next.nameBytes, isFolder, name) < 0
    ) {
      this.#next = this.#pull();
    }
    const entry = this.#next;
    return entry !== undefined && comparePlace(entry.kind === "folder", entry.nameBytes, isFolder, name) === 0
      ? entry
      : undefined;
  }

  #pull(): DirectoryEntry | undefined {
    try {
      return this.#entries.next().value as DirectoryEntry | undefined;
    } catch (error) {
      if (error instanceof CodedError) return undefined; // The rest of it cannot be read: those files are read anew.
      throw error;
    }
  }
}

/** The place of an entry in its folder object. */
export function comparePlace(aIsFolder: boolean, aName: Uint8Array, bIsFolder: boolean, bName: Uint8Array): number {
  return aIsFolder === bIsFolder ? compareBytes(aName, bName) : aIsFolder ? -1 : 1;
}

export async function openParentFolder(
  repository: Repository,
  objectId: string | undefined,
  signal: AbortSignal,
  warn: (message: string) => void,
): Promise<ParentFolder | undefined> {
  if (objectId === undefined) return undefined;
  try {
    return new ParentFolder((await readFolder(repository, objectId, signal)).entries);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    warn(`a folder of the parent snapshot cannot be read, its files are read anew: ${error.message}`);
    return undefined;
  }
}
