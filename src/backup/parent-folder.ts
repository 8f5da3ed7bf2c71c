/**
 * A folder of the parent snapshot, asked for its entries by name. Both sides are sorted alike, so one pass over the
 * stored bytes answers all, and an entry is decoded when it is come to. A parent that cannot be read is no parent.
 */

import { compareBytes } from "../base/bytes.ts";
import { CodedError } from "../base/errors.ts";
import type { FolderAnswer, WantedFolder } from "../kernel/kernel.ts";
import type { ContentId } from "../repository/content/content-id.ts";
import { parseObjectId } from "../repository/object/object-id.ts";
import type { Repository } from "../repository/repository.ts";
import type { DirectoryEntry } from "../snapshot/directory-entry.ts";
import { folderBytesMax, readFolder } from "../snapshot/snapshots.ts";

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
    warn(parentUnusable(error.message));
    return undefined;
  }
}

export function parentUnusable(problem: string): string {
  return `a folder of the parent snapshot cannot be read, its files are read anew: ${problem}`;
}

/** Of folders that are asked for together, so many bytes are read at once, and the first in any case. */
const answerBytesMax = 4 << 20;

/** Reads the objects of many folders at once, for a walk that asks for them ahead. */
export class ParentReader {
  readonly #repository: Repository;

  constructor(repository: Repository) {
    this.#repository = repository;
  }

  /** One answer for each that is wanted. Errors: only an abort. */
  async read(wanted: readonly WantedFolder[], signal: AbortSignal): Promise<FolderAnswer[]> {
    const contents: { readonly number: number; readonly contentId: ContentId }[] = [];
    const answers: FolderAnswer[] = [];
    let length = 0;
    for (const { number, objectId } of wanted) {
      const small = this.#smallContentOf(objectId);
      if (small !== undefined && (length === 0 || length + small.length <= answerBytesMax)) {
        length += small.length;
        contents.push({ number, contentId: small.contentId });
      } else if (answers.length === 0 && contents.length === 0) {
        answers.push({ number, ...(await this.#readWhole(objectId, signal)) });
      } else answers.push({ number });
    }
    return [...answers, ...(await this.#readContents(contents, signal))];
  }

  /** Of an object that is one content, which its length is known of. */
  #smallContentOf(objectId: string): { readonly contentId: ContentId; readonly length: number } | undefined {
    const { objects, contents } = this.#repository;
    try {
      const contentId = objects.directContentOf(parseObjectId(objectId));
      return contentId && { contentId, length: contents.lengthOf(contentId) };
    } catch (error) {
      if (error instanceof CodedError) return undefined; // Reading it alone tells why it cannot be read.
      throw error;
    }
  }

  async #readContents(
    wanted: readonly { readonly number: number; readonly contentId: ContentId }[],
    signal: AbortSignal,
  ): Promise<FolderAnswer[]> {
    const answers: FolderAnswer[] = [];
    const ids = wanted.map(({ contentId }) => contentId);
    try {
      await this.#repository.contents.readEach(ids, signal, async (position, bytes) => {
        const { number } = wanted[position] as { readonly number: number };
        answers[position] = { number, bytes };
      });
      return answers;
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
    }
    // One of them cannot be read: each by itself tells which.
    const single: FolderAnswer[] = [];
    for (const { number, contentId } of wanted) single.push({ number, ...(await this.#readWhole(contentId, signal)) });
    return single;
  }

  async #readWhole(objectId: string, signal: AbortSignal): Promise<Omit<FolderAnswer, "number">> {
    try {
      return { bytes: await this.#repository.objects.readWhole(parseObjectId(objectId), folderBytesMax, signal) };
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      return { problem: error.message };
    }
  }
}
