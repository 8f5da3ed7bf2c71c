/** Reads everything that a stored tree is made of; each content is checked against its hash on the way. */

import { isDamage } from "../repository/damage.ts";
import { parseObjectId } from "../repository/object/object-id.ts";
import type { Repository } from "../repository/repository.ts";
import { type DirectoryEntry, joinPath } from "./directory-entry.ts";
import { SnapshotError } from "./snapshot-error.ts";
import { readFolder } from "./snapshots.ts";

export interface VerifiedCounts {
  readonly files: number;
  readonly folders: number;
  readonly bytes: number;
}

export interface VerifyObserver {
  /** What is damaged: the path from the root of what is verified, and why. */
  readonly onProblem: (path: string, error: unknown) => void;
  readonly onProgress: (counts: VerifiedCounts) => void;
}

/** Goes on past what is damaged; each object is read once, however many entries have it. */
export class SnapshotVerifier {
  readonly #repository: Repository;
  readonly #signal: AbortSignal;
  readonly #observer: VerifyObserver;
  readonly #lengths = new Map<string, number>();
  readonly #counts = { files: 0, folders: 0, bytes: 0 };

  constructor(repository: Repository, signal: AbortSignal, observer: VerifyObserver) {
    this.#repository = repository;
    this.#signal = signal;
    this.#observer = observer;
  }

  async verify(root: DirectoryEntry): Promise<VerifiedCounts> {
    await this.#entry(root, "");
    return this.#counts;
  }

  async #entry(entry: DirectoryEntry, path: string): Promise<void> {
    this.#signal.throwIfAborted();
    try {
      if (entry.kind === "folder") await this.#folder(entry, path);
      else await this.#bytes(entry);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#observer.onProblem(path, error);
    }
    this.#observer.onProgress(this.#counts);
  }

  async #folder(entry: DirectoryEntry, path: string): Promise<void> {
    const { entries } = await readFolder(this.#repository, entry.objectId, this.#signal);
    this.#counts.folders++;
    for (const child of entries) await this.#entry(child, joinPath(path, child.name));
  }

  async #bytes(entry: DirectoryEntry): Promise<void> {
    if (entry.kind === "error") throw new SnapshotError("FOLDER_INVALID", "an entry of unknown type");
    let length = this.#lengths.get(entry.objectId);
    if (length === undefined) {
      length = 0;
      const pieces = this.#repository.objects.read(parseObjectId(entry.objectId), this.#signal);
      for await (const piece of pieces) length += piece.byteLength;
      this.#lengths.set(entry.objectId, length);
      this.#counts.bytes += length;
    }
    if (length !== entry.size) {
      throw new SnapshotError("FOLDER_INVALID", `it has ${length} bytes, its entry says ${entry.size}`);
    }
    this.#counts.files++;
  }
}
