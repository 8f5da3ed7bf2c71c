/**
 * Contents out of packs: ranges that lie near each other are fetched at once, and each content is checked against its
 * own hash before anyone sees it.
 *
 * Source: docs/format/contents.md.
 */

import { giveBack } from "../../base/bytes.ts";
import { mapBounded } from "../../base/concurrency.ts";
import { hasCode } from "../../base/errors.ts";
import type { MemoryShare } from "../../base/memory-budget.ts";
import type { Profile } from "../../base/profile.ts";
import type { ContentRecord } from "../../kernel/content-table.ts";
import { type Kernel, KernelError, type KernelFormat } from "../../kernel/kernel.ts";
import { type BlobStore, type GetOptions, parseBlobId } from "../blob/blob-store.ts";
import type { CommittedIndex } from "../index/committed-index.ts";
import { ContentError } from "./content-error.ts";
import { type ContentId, contentIdOfKey, keyOf } from "./content-id.ts";

/** Contents that are no farther apart are fetched with what lies between them. */
const gapBytesMax = 64 << 10;
/** 3 ranges × 12 MiB (one may exceed 8 MiB by a content) ≈ 36 MiB resident. */
const rangeBytesMax = 8 << 20;
const rangesInFlight = 3;
/** What is small waits for answers, not for bytes: 24 ranges × 256 KiB, before any that is larger, ≈ 6 MiB resident. */
const smallRangeBytesMax = 256 << 10;
const smallRangesInFlight = 24;
/** Of one range, unless a single content has more: 3 × 32 MiB resident where contents are compressed. */
const plainBytesMax = 32 << 20;
/** Of one range; enough to keep the four threads busy that do file system calls. */
const usesInFlight = 8;

/** Gets the position of a content among those asked for, and its plain bytes. */
export type UseContent = (position: number, bytes: Uint8Array) => Promise<void>;

export interface ContentReaderOptions {
  readonly store: BlobStore;
  readonly index: CommittedIndex;
  readonly kernel: Kernel;
  readonly format: KernelFormat;
  readonly share: MemoryShare;
  readonly profile: Profile;
}

export class ContentReader {
  readonly #options: ContentReaderOptions;
  #rangesInFlight = 0;

  constructor(options: ContentReaderOptions) {
    this.#options = options;
  }

  /** Errors: CONTENT_NOT_FOUND, CONTENT_CORRUPT, CONTENT_UNSUPPORTED, BlobError. */
  async read(id: ContentId, signal: AbortSignal): Promise<Uint8Array> {
    let plain: Uint8Array | undefined;
    await this.readEach([id], signal, async (_, bytes) => {
      plain = bytes;
    });
    return plain as Uint8Array;
  }

  /** Plain length of a content, without reading it. CONTENT_NOT_FOUND. */
  lengthOf(id: ContentId): number {
    return this.#locate(id).originalLength;
  }

  /**
   * Reads many, in the order that suits the packs; `use` gets the position in `ids` and the bytes, and is awaited. A
   * content that is asked for twice is used twice. Uses may overlap. Memory: the ranges in flight.
   */
  async readEach(ids: readonly ContentId[], signal: AbortSignal, use: UseContent): Promise<void> {
    const ranges = rangesOf(ids.map((id, position) => ({ position, record: this.#locate(id) })));
    const read = (range: PackRange): Promise<void> => this.#readRange(range, ids, signal, use);
    await mapBounded(ranges.filter(isSmall), smallRangesInFlight, signal, read);
    await mapBounded(
      ranges.filter((range) => !isSmall(range)),
      rangesInFlight,
      signal,
      read,
    );
  }

  async #readRange(range: PackRange, ids: readonly ContentId[], signal: AbortSignal, use: UseContent): Promise<void> {
    const { profile } = this.#options;
    const isThere = await this.#charged(range, signal, async () => {
      const fetched = await this.#fetch(range, signal);
      if (fetched === undefined) return false;
      const opened = profile.timeNow("open", () => this.#open(fetched, range));
      if (fetched.byteLength === fetched.buffer.byteLength) giveBack(fetched);
      await mapBounded(range.items, usesInFlight, signal, ({ position }, i) => use(position, opened[i] as Uint8Array));
      return true;
    });
    if (!isThere) await this.#readMoved(range, ids, signal, use);
  }

  /** What is fetched and what is made of it is charged until it was used. */
  async #charged<Result>(range: PackRange, signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
    const { share, profile } = this.#options;
    const bytes = range.end - range.start + range.plainBytes;
    using _ = await profile.time("wait for memory", () => share.take(bytes, signal));
    profile.queue("ranges in flight", ++this.#rangesInFlight);
    try {
      return await work();
    } finally {
      this.#rangesInFlight--;
    }
  }

  /** Maintenance elsewhere may have moved the contents into another pack and removed this one. */
  async #readMoved(range: PackRange, ids: readonly ContentId[], signal: AbortSignal, use: UseContent): Promise<void> {
    await this.#options.index.refresh(signal);
    const positions = range.items.map((item) => item.position);
    const moved = positions.map((position) => this.#locate(ids[position] as ContentId));
    if (moved.some((record) => record.packId === range.packId)) throw packDamaged(range, "lost");
    await this.readEach(
      positions.map((position) => ids[position] as ContentId),
      signal,
      (i, bytes) => use(positions[i] as number, bytes),
    );
  }

  /** Part of a pack as it is stored; undefined where the pack, or so much of it, is not there. BlobError. */
  async fetch(packId: string, options: GetOptions): Promise<Uint8Array | undefined> {
    try {
      return await this.#get(packId, options);
    } catch (cause) {
      if (hasCode(cause, "BLOB_NOT_FOUND") || hasCode(cause, "BLOB_RANGE_INVALID")) return undefined;
      throw cause;
    }
  }

  /** Undefined when the pack is not there. */
  async #fetch(range: PackRange, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const at = { offset: range.start, length: range.end - range.start };
    try {
      return await this.#get(range.packId, { signal, range: at });
    } catch (cause) {
      if (hasCode(cause, "BLOB_NOT_FOUND")) return undefined;
      throw hasCode(cause, "BLOB_RANGE_INVALID") ? packDamaged(range, "truncated", cause) : cause;
    }
  }

  #get(packId: string, options: GetOptions): Promise<Uint8Array> {
    const { store, profile } = this.#options;
    return profile.time("fetch", () => store.get(parseBlobId(packId), options));
  }

  #open(fetched: Uint8Array, range: PackRange): Uint8Array[] {
    const { kernel, format } = this.#options;
    try {
      return kernel.openContents(
        format,
        fetched,
        range.items.map(({ record }) => ({
          offset: record.packOffset - range.start,
          length: record.packedLength,
          hash: record.key.subarray(1),
          compressionId: record.form.compressionId,
          originalLength: record.originalLength,
        })),
      );
    } catch (cause) {
      if (!(cause instanceof KernelError)) throw cause;
      const id = contentIdOfKey((range.items[Number(cause.detail.item)] as LocatedContent).record.key);
      if (cause.code === "KERNEL_COMPRESSION_UNSUPPORTED") {
        throw new ContentError("CONTENT_UNSUPPORTED", `content ${id} cannot be read by this version`, { cause });
      }
      throw new ContentError("CONTENT_CORRUPT", `content ${id} in pack ${range.packId} is damaged`, {
        cause,
        detail: { blob: range.packId, content: id },
        hint: "bring the pack back from a copy of the store; other files of the snapshot may be whole",
      });
    }
  }

  #locate(id: ContentId): ContentRecord {
    const record = this.#options.index.find(keyOf(id));
    if (record === undefined) {
      throw new ContentError("CONTENT_NOT_FOUND", `content ${id} is in no index`, { detail: { content: id } });
    }
    if (record.form.encryptionKeyId !== 0) {
      throw new ContentError("CONTENT_UNSUPPORTED", `content ${id} is sealed under key ${record.form.encryptionKeyId}`);
    }
    return record;
  }
}

interface LocatedContent {
  readonly position: number;
  readonly record: ContentRecord;
}

interface PackRange {
  readonly packId: string;
  readonly start: number;
  end: number;
  plainBytes: number;
  readonly items: LocatedContent[];
}

/** Sorts by place and joins neighbours. */
function rangesOf(contents: readonly LocatedContent[]): PackRange[] {
  const sorted = contents.toSorted(
    ({ record: a }, { record: b }) => compareText(a.packId, b.packId) || a.packOffset - b.packOffset,
  );
  const ranges: PackRange[] = [];
  for (const item of sorted) {
    const { packId, packOffset, packedLength, originalLength } = item.record;
    const last = ranges.at(-1);
    if (last?.packId === packId && fits(last, item.record)) {
      last.end = Math.max(last.end, packOffset + packedLength);
      last.plainBytes += originalLength;
      last.items.push(item);
    } else {
      const end = packOffset + packedLength;
      ranges.push({ packId, start: packOffset, end, plainBytes: originalLength, items: [item] });
    }
  }
  return ranges;
}

/** Near enough, and not too much together: neither as it is stored nor, where it is compressed, as what it becomes. */
function fits(range: PackRange, { packOffset, originalLength }: ContentRecord): boolean {
  const isNear = packOffset - range.end <= gapBytesMax && packOffset - range.start < rangeBytesMax;
  return isNear && range.plainBytes + originalLength <= plainBytesMax;
}

function isSmall({ start, end, plainBytes }: PackRange): boolean {
  return end - start <= smallRangeBytesMax && plainBytes <= smallRangeBytesMax;
}

function packDamaged(range: PackRange, how: "lost" | "truncated", cause?: unknown): ContentError {
  const { record } = range.items[0] as LocatedContent;
  return new ContentError("CONTENT_CORRUPT", `pack ${range.packId} is ${how}`, {
    cause,
    detail: { blob: range.packId, content: contentIdOfKey(record.key) },
    hint: "bring the pack back from a copy of the store; what it held cannot be made from anything else",
  });
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
