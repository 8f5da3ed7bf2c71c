/**
 * What the store's index blobs say, merged and held compactly: the committed state of all contents.
 *
 * Guarantees: after `refresh` every entry that was durable before the call is in the tables. Tables only ever gain
 * entries: compactions keep what they merge, so blobs that were loaded once need not be loaded again, and blobs that
 * vanish take nothing with them. Memory: about 37 bytes a content, twice that for a moment while tables are merged.
 *
 * Source: docs/format/epochs.md; kopia repo/content/committed_content_index.go.
 */

import { compareBytes } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { mapBounded } from "../../base/concurrency.ts";
import { hasCode } from "../../base/errors.ts";
import { type ContentRecord, type ContentTable, findInTables, mergeTables } from "../../kernel/content-table.ts";
import type { BlobId, BlobMetadata, BlobStore } from "../blob/blob-store.ts";
import type { EpochParameters } from "../format/repository-format.ts";
import type { EncryptedBlobs } from "./encrypted-blob.ts";
import { epochBlobPrefix, epochStateOf } from "./epochs.ts";
import { decodeIndex } from "./index-codec.ts";
import { IndexError } from "./index-error.ts";
import { activeLegacyBlobs } from "./legacy-index-blobs.ts";

/** A blob may vanish between listing and reading while maintenance cleans up; then all is listed again. */
const loadAttemptsMax = 10;
const firstPauseMs = 100;
/** 8 index blobs of some MiB each in flight. */
const loadsInFlight = 8;

export interface CommittedIndexOptions {
  readonly store: BlobStore;
  readonly blobs: EncryptedBlobs;
  readonly epochs: EpochParameters;
  readonly keyBytes: number;
  readonly sealOverheadBytes: number;
  readonly clock: Clock;
}

export class CommittedIndex {
  readonly #options: CommittedIndexOptions;
  readonly #loaded = new Set<BlobId>();
  readonly #withheld = new Set<BlobId>();
  #tables: readonly ContentTable[] = [];
  #watermarkSeconds = 0;
  #writeEpoch = 0;
  #listedMs = Number.NEGATIVE_INFINITY;
  #lastRefresh: Promise<void> = Promise.resolve();

  constructor(options: CommittedIndexOptions) {
    this.#options = options;
  }

  get tables(): readonly ContentTable[] {
    return this.#tables;
  }

  /** The epoch that index blobs are written into, as of the last listing. */
  get writeEpoch(): number {
    return this.#writeEpoch;
  }

  /** When the last listing was begun. Infinitely long ago before the first. */
  get listedMs(): number {
    return this.#listedMs;
  }

  /** Distinct contents may be fewer: one that stands in two tables counts twice. */
  get recordCount(): number {
    return this.#tables.reduce((sum, table) => sum + table.count, 0);
  }

  /** Lists and loads what is new; calls at the same time run one after the other, each with a listing of its own. */
  async refresh(signal: AbortSignal): Promise<void> {
    const refreshed = this.#lastRefresh.then(() => this.#refresh(signal));
    this.#lastRefresh = refreshed.catch(() => undefined); // Its own caller hears of it; the next begins anew.
    await refreshed;
  }

  /**
   * From now until `release` no refresh loads this blob: its writer, in this process, may have to take it back, and what
   * the tables once hold they never lose.
   */
  withhold(id: BlobId): void {
    this.#withheld.add(id);
  }

  release(id: BlobId): void {
    this.#withheld.delete(id);
  }

  /** An index blob that this process wrote itself. */
  add(id: BlobId, table: ContentTable): void {
    this.#loaded.add(id);
    this.#tables = withTable(this.#tables, table);
  }

  /** The winning entry; a tombstone shows until the watermark has passed it, for its bytes are still there. */
  find(key: Uint8Array): ContentRecord | undefined {
    const found = findInTables(this.#tables, key);
    if (found === undefined) return undefined;
    const record = found.table.at(found.record);
    return this.#isGone(record) ? undefined : record;
  }

  /** Winning entries in key order, tombstones left out; those with the prefix letter, or all. */
  *records(prefix?: string): IterableIterator<ContentRecord> {
    const cursors = this.#tables.map((table) => table.records(prefix?.charCodeAt(0)));
    const heads = cursors.map((cursor) => cursor.next().value as ContentRecord | undefined);
    for (;;) {
      let least: Uint8Array | undefined;
      for (const head of heads)
        if (head && (least === undefined || compareBytes(head.key, least) < 0)) least = head.key;
      if (least === undefined) return;
      const key = least;
      heads.forEach((head, i) => {
        if (head && compareBytes(head.key, key) === 0) heads[i] = cursors[i]?.next().value as ContentRecord | undefined;
      });
      const winner = this.find(key);
      if (winner !== undefined && !winner.deleted) yield winner;
    }
  }

  #isGone(record: ContentRecord): boolean {
    return record.deleted && record.timestampSeconds <= this.#watermarkSeconds;
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#loadActive(signal);
        return;
      } catch (error) {
        if (!hasCode(error, "BLOB_NOT_FOUND")) throw error;
        if (attempt === loadAttemptsMax) {
          throw new IndexError("INDEX_UNSTABLE", "index blobs vanish as fast as they are listed", {
            cause: error,
            hint: "if maintenance is running, try again when it is done; else an index blob is lost",
          });
        }
        await clock.sleep(firstPauseMs * 2 ** (attempt - 1), signal);
      }
    }
  }

  async #loadActive(signal: AbortSignal): Promise<void> {
    const { store, blobs, epochs, clock } = this.#options;
    const listedMs = clock.nowMs();
    let active: readonly BlobId[];
    let watermarkSeconds = 0;
    if (epochs.enabled) {
      const listing: BlobMetadata[] = [];
      for await (const blob of store.list(epochBlobPrefix, { signal })) listing.push(blob);
      const state = epochStateOf(listing);
      active = state.active;
      watermarkSeconds = state.watermarkSeconds;
      this.#writeEpoch = state.writeEpoch;
    } else {
      active = await activeLegacyBlobs(store, blobs, signal);
    }
    const wanted = active.filter((id) => !this.#withheld.has(id) && !this.#loaded.has(id));
    await mapBounded(wanted, loadsInFlight, signal, (id) => this.#load(id, signal));
    // After the loads: what was brought back since must be known before its tombstone goes.
    this.#watermarkSeconds = Math.max(this.#watermarkSeconds, watermarkSeconds);
    this.#listedMs = listedMs;
  }

  async #load(id: BlobId, signal: AbortSignal): Promise<void> {
    const { blobs, keyBytes, sealOverheadBytes } = this.#options;
    const bytes = await blobs.read(id, signal);
    try {
      this.add(id, decodeIndex(bytes, keyBytes, sealOverheadBytes));
    } catch (cause) {
      if (!hasCode(cause, "INDEX_INVALID")) throw cause;
      throw new IndexError("INDEX_BLOB_DAMAGED", `index blob ${id} is damaged`, { cause, detail: { blob: id } });
    }
  }
}

/** Keeps few tables, each at least twice as large as the next: an entry is copied a logarithmic number of times. */
function withTable(tables: readonly ContentTable[], added: ContentTable): ContentTable[] {
  const kept = [...tables];
  let last = added;
  for (let before = kept.at(-1); before !== undefined && before.count < 2 * last.count; before = kept.at(-1)) {
    kept.pop();
    last = mergeTables(before, last);
  }
  return last.count === 0 ? kept : [...kept, last];
}
