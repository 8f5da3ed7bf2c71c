/**
 * What the store's index blobs say, merged and held compactly: the committed state of all contents.
 *
 * Guarantees: after `refresh` every entry that was durable before the call is in the tables. Tables only ever gain
 * entries: compactions keep what they merge, so blobs that were loaded once need not be loaded again, and blobs that
 * vanish take nothing with them. Memory: about 37 bytes a content and a name for each pack; while tables are merged, which
 * large ones are not any more, as much again for the contents of those.
 *
 * Source: docs/format/epochs.md; kopia repo/content/committed_content_index.go.
 */

import { compareBytes } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { mapBounded } from "../../base/concurrency.ts";
import { hasCode } from "../../base/errors.ts";
import { type ContentRecord, type ContentTable, findInTables } from "../../kernel/content-table.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { BlobId, BlobStore } from "../blob/blob-store.ts";
import type { EpochParameters } from "../format/repository-format.ts";
import type { EncryptedBlobs } from "./encrypted-blob.ts";
import { epochStateOf } from "./epochs.ts";
import { IndexError } from "./index-error.ts";
import { type IndexListing, isSmall, largeLoadsInFlight, listIndex, smallLoadsInFlight } from "./index-listing.ts";
import { IndexView, isGone } from "./index-view.ts";
import { activeLegacyBlobs } from "./legacy-index-blobs.ts";

/** A blob may vanish between listing and reading while maintenance cleans up; then all is listed again. */
const loadAttemptsMax = 10;
const firstPauseMs = 100;
/** More tables are not kept while many blobs are loaded: of 5,000 one entry is copied twice. */
const tablesMax = 64;
/** 150 MB. Tables of so many records stay as they are: what merging saves a search is not worth the copy. */
const settledCount = 4_000_000;
/** 300 MB: what a merge takes beside the tables that it is made of. */
const mergedCountMax = 2 * settledCount;

export interface CommittedIndexOptions {
  readonly store: BlobStore;
  readonly blobs: EncryptedBlobs;
  readonly epochs: EpochParameters;
  readonly kernel: Pick<Kernel, "mergeTables">;
  readonly clock: Clock;
  /** Hears by how many bytes the tables have grown, or shrunk. */
  readonly onGrown?: (bytes: number) => void;
  /** Hears of an index blob that does not open, and is passed over then; where it is not given, a refresh fails for one. */
  readonly onDamaged?: DamagedIndex;
}

/** `error` is INDEX_BLOB_DAMAGED or INDEX_INVALID. */
export type DamagedIndex = (id: BlobId, error: unknown) => void;

export class CommittedIndex {
  readonly #options: CommittedIndexOptions;
  readonly #loaded = new Set<BlobId>();
  readonly #withheld = new Set<BlobId>();
  #tables: readonly ContentTable[] = [];
  #watermarkSeconds = 0;
  #writeEpoch = 0;
  #listedMs = Number.NEGATIVE_INFINITY;
  #lastRefresh: Promise<void> = Promise.resolve();
  #lastMerge: Promise<void> = Promise.resolve();

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

  get byteCount(): number {
    return this.#tables.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  }

  /** Distinct contents may be fewer: one that stands in two tables counts twice. */
  get recordCount(): number {
    return this.#tables.reduce((sum, table) => sum + table.count, 0);
  }

  /**
   * Lists and loads what is new; calls at the same time run one after the other, each with a listing of its own. `begun`
   * is one that somebody has made already, for the first attempt.
   */
  async refresh(signal: AbortSignal, begun?: IndexListing): Promise<void> {
    const refreshed = this.#lastRefresh.then(() => this.#refresh(signal, begun));
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
  async add(id: BlobId, table: ContentTable): Promise<void> {
    this.#append(id, table);
    await this.#merge();
  }

  /** The winning entry; not a tombstone that is gone. */
  find(key: Uint8Array): ContentRecord | undefined {
    const found = findInTables(this.#tables, key);
    if (found === undefined) return undefined;
    const record = found.table.at(found.record);
    return isGone(record, this.#watermarkSeconds) ? undefined : record;
  }

  /** All that is known now, numbered. */
  view(): IndexView {
    return new IndexView(this.#tables, this.#watermarkSeconds);
  }

  /** Winning entries in key order, tombstones left out unless they are asked for; those with the prefix letter, or all. */
  *records(prefix?: string, tombstones: "without" | "with" = "without"): IterableIterator<ContentRecord> {
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
      if (winner !== undefined && (tombstones === "with" || !winner.deleted)) yield winner;
    }
  }

  #append(id: BlobId, table: ContentTable): void {
    this.#loaded.add(id);
    if (table.count > 0) this.#replaceTables([...this.#tables, table]);
  }

  #replaceTables(tables: readonly ContentTable[]): void {
    const before = this.byteCount;
    this.#tables = tables;
    this.#options.onGrown?.(this.byteCount - before);
  }

  /** One merge at a time. Tables that come meanwhile stay as they are. */
  async #merge(): Promise<void> {
    const merged = this.#lastMerge.then(async () => {
      for (;;) {
        const chosen = new Set(tablesToMerge(this.#tables));
        if (chosen.size === 0) return;
        const table = await this.#options.kernel.mergeTables([...chosen]);
        this.#replaceTables([...this.#tables.filter((other) => !chosen.has(other)), table]);
      }
    });
    this.#lastMerge = merged.catch(() => undefined); // Its own caller hears of it.
    await merged;
  }

  async #refresh(signal: AbortSignal, begun: IndexListing | undefined): Promise<void> {
    const { clock } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#loadActive(signal, attempt === 1 ? begun : undefined);
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

  async #loadActive(signal: AbortSignal, begun: IndexListing | undefined): Promise<void> {
    const { store, blobs, epochs, clock } = this.#options;
    let listedMs = clock.nowMs();
    let watermarkSeconds = 0;
    let wanted: readonly BlobId[];
    let large: readonly BlobId[] = [];
    if (epochs.enabled) {
      const listing = begun ?? (await listIndex(store, clock, signal));
      const state = epochStateOf(listing.blobs);
      listedMs = listing.listedMs;
      watermarkSeconds = state.watermarkSeconds;
      this.#writeEpoch = state.writeEpoch;
      const sizes = new Map(listing.blobs.map(({ id, length }) => [id, length]));
      const isLarge = (id: BlobId): boolean => !isSmall(sizes.get(id) ?? 0);
      wanted = state.active.filter((id) => !isLarge(id));
      large = state.active.filter(isLarge);
    } else {
      wanted = await activeLegacyBlobs(store, blobs, signal, this.#options.onDamaged);
    }
    const load = (id: BlobId): Promise<void> => this.#load(id, begun, signal);
    await mapBounded(wanted.filter(this.#isNew), smallLoadsInFlight, signal, load);
    await mapBounded(large.filter(this.#isNew), largeLoadsInFlight, signal, load);
    await this.#merge();
    // After the loads: what was brought back since must be known before its tombstone goes.
    this.#watermarkSeconds = Math.max(this.#watermarkSeconds, watermarkSeconds);
    this.#listedMs = listedMs;
  }

  readonly #isNew = (id: BlobId): boolean => !this.#withheld.has(id) && !this.#loaded.has(id);

  async #load(id: BlobId, begun: IndexListing | undefined, signal: AbortSignal): Promise<void> {
    const { store, blobs, onDamaged } = this.#options;
    const sealed = (await begun?.take(id)) ?? (await store.get(id, { signal }));
    try {
      this.#append(id, await blobs.openIndex(id, sealed));
    } catch (error) {
      if (onDamaged === undefined || !hasCode(error, "INDEX_BLOB_DAMAGED")) throw error;
      this.#loaded.add(id);
      onDamaged(id, error);
    }
    if (this.#tables.length > tablesMax) await this.#merge();
  }
}

/**
 * Those that make way for one, so that of what is left each table is at least twice as large as the next: an entry is
 * copied a logarithmic number of times, and a search looks into few.
 */
export function tablesToMerge(tables: readonly ContentTable[]): readonly ContentTable[] {
  const ascending = tables.filter(({ count }) => count < settledCount).toSorted((a, b) => a.count - b.count);
  let chosen = 0;
  let last = 0;
  let total = 0;
  for (const [i, { count }] of ascending.entries()) {
    total += count;
    if (total > mergedCountMax) break;
    const joins = i > 0 && count < 2 * last;
    if (joins) chosen = i + 1;
    last = joins ? last + count : count;
  }
  return ascending.slice(0, chosen);
}
