/**
 * Manifests: small labelled JSON documents. Every content with prefix `m` is read; of entries with one id the youngest
 * counts, and a tombstone takes its document away.
 *
 * Source: docs/format/manifests.md; kopia repo/manifest/manifest_manager.go.
 */

import { toHex } from "../../base/bytes.ts";
import type { RandomSource } from "../../base/random.ts";
import { ContentError } from "../content/content-error.ts";
import { type ContentId, contentIdOfKey } from "../content/content-id.ts";
import type { ContentReader } from "../content/content-reader.ts";
import type { CommittedIndex } from "../index/committed-index.ts";
import { decodeManifests, type ManifestEntry, type ManifestId, type ManifestLabels } from "./manifest-codec.ts";
import { ManifestError } from "./manifest-error.ts";

const manifestPrefix = "m";

/** The manifests of a repository as of its last refresh. */
export class Manifests {
  readonly #entries: ReadonlyMap<ManifestId, ManifestEntry>;

  constructor(entries: ReadonlyMap<ManifestId, ManifestEntry>) {
    this.#entries = entries;
  }

  get(id: string): ManifestEntry | undefined {
    return this.#entries.get(id as ManifestId);
  }

  all(): Iterable<ManifestEntry> {
    return this.#entries.values();
  }

  /** Those that carry every given label, oldest first; ties by id. */
  find(labels: ManifestLabels): ManifestEntry[] {
    const wanted = Object.entries(labels);
    return [...this.#entries.values()]
      .filter((entry) => wanted.every(([label, value]) => entry.labels[label] === value))
      .sort((a, b) => (a.modifiedNs === b.modifiedNs ? (a.id < b.id ? -1 : 1) : a.modifiedNs < b.modifiedNs ? -1 : 1));
  }
}

/** 16 MiB is some ten thousand snapshots. Contents beyond it are read again each time. */
const rememberedBytesMax = 16 << 20;

/**
 * Reads manifests, each content once: an id stands for the same bytes for ever, so what was read before is known, and a
 * later reading fetches only what was added since.
 */
export class ManifestReader {
  readonly #index: CommittedIndex;
  readonly #contents: ContentReader;
  #remembered = new Map<ContentId, readonly ManifestEntry[]>();

  constructor(index: CommittedIndex, contents: ContentReader) {
    this.#index = index;
    this.#contents = contents;
  }

  /** All that are visible now. Errors: MANIFEST_CORRUPT, ContentError, BlobError. */
  async read(signal: AbortSignal): Promise<Manifests> {
    const readEach: ReadContents = (ids, use) => this.#contents.readEach(ids, signal, use);
    try {
      return await this.#readOnce(readEach);
    } catch (error) {
      if (!(error instanceof ContentError)) throw error;
      // A compaction elsewhere may have taken contents away since the index was read.
      await this.#index.refresh(signal);
      return await this.#readOnce(readEach);
    }
  }

  /** Those that can be read; contents that cannot are told, and passed over. Errors: BlobError. */
  async readUndamaged(signal: AbortSignal, onDamaged: (id: ContentId, error: unknown) => void): Promise<Manifests> {
    return await this.#readOnce(async (ids, use) => {
      for (const [position, id] of ids.entries()) {
        try {
          await use(position, await this.#contents.read(id, signal));
        } catch (error) {
          if (!(error instanceof ContentError || error instanceof ManifestError)) throw error;
          onDamaged(id, error);
        }
      }
    });
  }

  async #readOnce(readEach: ReadContents): Promise<Manifests> {
    const latest = new Map<ManifestId, ManifestEntry>();
    const remembered = new Map<ContentId, readonly ManifestEntry[]>();
    let left = rememberedBytesMax;
    const take = (id: ContentId, entries: readonly ManifestEntry[]): void => {
      for (const entry of entries) {
        const known = latest.get(entry.id);
        if (known === undefined || entry.modifiedNs > known.modifiedNs) latest.set(entry.id, entry);
        left -= entry.data.byteLength;
      }
      if (left >= 0) remembered.set(id, entries);
    };
    const unread: ContentId[] = [];
    for (const { key } of this.#index.records(manifestPrefix)) {
      const id = contentIdOfKey(key);
      const entries = this.#remembered.get(id);
      if (entries === undefined) unread.push(id);
      else take(id, entries);
    }
    await readEach(unread, async (position, bytes) => {
      take(unread[position] as ContentId, [...decodeManifests(bytes)]);
    });
    this.#remembered = remembered;
    for (const [id, entry] of latest) if (entry.deleted) latest.delete(id);
    return new Manifests(latest);
  }
}

type ReadContents = (
  ids: readonly ContentId[],
  use: (position: number, bytes: Uint8Array) => Promise<void>,
) => Promise<void>;

export function newManifestId(random: RandomSource): ManifestId {
  return toHex(random(16)) as ManifestId;
}
