/** As much of a repository as a walk of stored folders needs. */

import { ContentError } from "../../src/repository/content/content-error.ts";
import type { Repository } from "../../src/repository/repository.ts";
import type { DirectoryEntry } from "../../src/snapshot/directory-entry.ts";
import { encodeFolder } from "../../src/snapshot/folder-object.ts";
import { entryOf, summaryOf } from "../snapshot/stored-examples.ts";

/** Folders by object id, and which of them were read, in order, and how many at once at most. */
export class FoldersInMemory {
  readonly read: string[] = [];
  readonly #objects = new Map<string, Uint8Array>();
  atOnceMax = 0;
  #atOnce = 0;

  folder(name: string, entries: readonly DirectoryEntry[], summary = summaryOf({})): DirectoryEntry {
    const objectId = `k${Buffer.from(name.padEnd(16, "_")).toString("hex").slice(0, 32)}`;
    this.#objects.set(objectId, encodeFolder(entries, summary));
    return entryOf({ name, kind: "folder", objectId, summary });
  }

  repository(): Repository {
    const readWhole = async (id: string): Promise<Uint8Array> => {
      this.read.push(id);
      this.atOnceMax = Math.max(this.atOnceMax, ++this.#atOnce);
      await new Promise(setImmediate);
      this.#atOnce--;
      const bytes = this.#objects.get(id);
      if (bytes === undefined) throw new ContentError("CONTENT_NOT_FOUND", `there is no content ${id}`);
      return bytes;
    };
    return { objects: { readWhole } } as unknown as Repository;
  }
}
