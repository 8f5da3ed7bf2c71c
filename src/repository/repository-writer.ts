/** Adds objects and manifests to a repository; nothing shows before `flush`. */

import { strict as assert } from "node:assert";
import { emptyBytes } from "../base/bytes.ts";
import type { Clock } from "../base/clock.ts";
import type { RandomSource } from "../base/random.ts";
import type { BytesToStore, Chunk, FileToStore, PackerCounters, TreeToStore } from "../kernel/kernel.ts";
import type { ContentWriter, FileEvent, WrittenTree } from "./content/content-writer.ts";
import {
  encodeManifests,
  type ManifestEntry,
  type ManifestLabels,
  type ManifestVersion,
} from "./manifest/manifest-codec.ts";
import { newManifestId } from "./manifest/manifests.ts";
import type { ObjectId } from "./object/object-id.ts";
import { objectOfChunks, writeObjects } from "./object/object-writer.ts";

const manifestPrefix = "m";
/** Each content of manifests is a document of its own, so it stays below where any splitter would cut. */
const manifestBytesMax = 64 << 10;

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

  /** Where trees are not stored, regular files of an open folder; their chunks become objects with `objectOfChunks`. See Packer. */
  storeFiles(
    folderFd: number,
    files: readonly FileToStore[],
    signal: AbortSignal,
  ): AsyncIterable<readonly FileEvent[]> {
    return this.#contents.storeFiles(folderFd, files, signal);
  }

  /** A folder and all that is in it, where the kernel can. See Packer. */
  storeTree(tree: TreeToStore, signal: AbortSignal): WrittenTree | undefined {
    return this.#contents.storeTree(tree, signal);
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

  /**
   * `data` is the document's JSON, compact. The id means nothing to others before the flush. Of documents that it takes
   * the place of, it is the younger, whatever clock they were written by.
   */
  putManifest(labels: ManifestLabels, data: Uint8Array, replaced: readonly ManifestVersion[] = []): ManifestVersion {
    const entry = {
      id: newManifestId(this.#random),
      labels,
      modifiedNs: this.#timeAfter(replaced),
      deleted: false,
      data,
    };
    this.#pendingManifests.push(entry);
    return entry;
  }

  /** Younger than what it takes away. */
  deleteManifest(deleted: ManifestVersion): void {
    const modifiedNs = this.#timeAfter([deleted]);
    this.#pendingManifests.push({ id: deleted.id, labels: {}, modifiedNs, deleted: true, data: emptyBytes });
  }

  /** Manifests and all they refer to become visible at once, by one index blob. */
  async flush(signal: AbortSignal): Promise<void> {
    for (const bytes of encodeDocuments(this.#pendingManifests)) {
      const [chunks = []] = await this.#contents.storeBytes([{ prefix: manifestPrefix, bytes }], signal);
      assert(chunks.length === 1, "manifests lie in one content");
    }
    await this.#contents.flush(signal);
    this.#pendingManifests = [];
  }

  #timeAfter(others: readonly ManifestVersion[]): bigint {
    return others.reduce((time, { modifiedNs }) => (modifiedNs >= time ? modifiedNs + 1n : time), this.#clock.nowNs());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#contents[Symbol.asyncDispose]();
  }
}

/** As few documents as hold the entries and are short enough; one entry is never divided. */
function encodeDocuments(entries: readonly ManifestEntry[]): Uint8Array[] {
  if (entries.length === 0) return [];
  const document = encodeManifests(entries);
  if (entries.length === 1 || document.byteLength < manifestBytesMax) return [document];
  const half = entries.length >> 1;
  return [...encodeDocuments(entries.slice(0, half)), ...encodeDocuments(entries.slice(half))];
}
