/** Adds objects and manifests to a repository; nothing shows before `flush`. */

import type { Clock } from "../base/clock.ts";
import type { RandomSource } from "../base/random.ts";
import type { BytesToStore, Chunk, FileToStore, PackerCounters } from "../kernel/kernel.ts";
import type { ContentWriter, FileEvent } from "./content/content-writer.ts";
import {
  encodeManifests,
  type ManifestEntry,
  type ManifestId,
  type ManifestLabels,
} from "./manifest/manifest-codec.ts";
import { newManifestId } from "./manifest/manifests.ts";
import type { ObjectId } from "./object/object-id.ts";
import { objectOfChunks, writeObjects } from "./object/object-writer.ts";

const manifestPrefix = "m";

/** Not for use by two callers at once. Disposing without a flush forgets what was not flushed. */
export class RepositoryWriter implements AsyncDisposable {
  readonly #contents: ContentWriter;
  readonly #clock: Clock;
  readonly #random: RandomSource;
  #pendingManifests: ManifestEntry[] = [];

  constructor(contents: ContentWriter, clock: Clock, random: RandomSource) {
    this.#contents = contents;
    this.#clock = clock;
    this.#random = random;
  }

  get counters(): PackerCounters {
    return this.#contents.counters;
  }

  /** Bytes of packs that are in the store. */
  get storedBytes(): number {
    return this.#contents.storedBytes;
  }

  /** Regular files of an open folder; their chunks become objects with `objectOfChunks`. See Packer. */
  storeFiles(
    folderFd: number,
    files: readonly FileToStore[],
    signal: AbortSignal,
  ): AsyncIterable<readonly FileEvent[]> {
    return this.#contents.storeFiles(folderFd, files, signal);
  }

  /** One object that may be long, such as a folder of many entries. */
  async writeObject(prefix: string, pieces: Iterable<Uint8Array>, signal: AbortSignal): Promise<ObjectId> {
    const chunks = await this.#contents.storePieces(prefix, pieces, signal);
    return await objectOfChunks(this.#contents, prefix, chunks, signal);
  }

  async objectOfChunks(chunks: readonly Chunk[], signal: AbortSignal): Promise<ObjectId> {
    return await objectOfChunks(this.#contents, "", chunks, signal);
  }

  /** Many short ones. */
  async writeObjects(items: readonly BytesToStore[], signal: AbortSignal): Promise<ObjectId[]> {
    return await writeObjects(this.#contents, items, signal);
  }

  /** `data` is the document's JSON, compact. Its id means nothing to others before the flush. */
  putManifest(labels: ManifestLabels, data: Uint8Array): ManifestId {
    const id = newManifestId(this.#random);
    this.#pendingManifests.push({ id, labels, modifiedNs: this.#clock.nowNs(), deleted: false, data });
    return id;
  }

  deleteManifest(id: ManifestId): void {
    const modifiedNs = this.#clock.nowNs();
    this.#pendingManifests.push({ id, labels: {}, modifiedNs, deleted: true, data: new Uint8Array(0) });
  }

  /** Manifests and all they refer to become visible at once, by one index blob. */
  async flush(signal: AbortSignal): Promise<void> {
    if (this.#pendingManifests.length > 0) {
      await this.#contents.storeBytes(
        [{ prefix: manifestPrefix, bytes: encodeManifests(this.#pendingManifests) }],
        signal,
      );
    }
    await this.#contents.flush(signal);
    this.#pendingManifests = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#contents[Symbol.asyncDispose]();
  }
}
