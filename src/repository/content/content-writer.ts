/**
 * One writer's session: contents go into packs, packs into the store, and at a flush one index blob names them all.
 *
 * The order is the durability argument: session marker → packs → index → the marker goes. Nothing is visible to others
 * before the index blob; a crash leaves packs that nothing names, which maintenance collects.
 *
 * Source: docs/format/sessions.md; kopia repo/content/content_manager.go.
 */

import { strict as assert } from "node:assert";
import { setImmediate } from "node:timers/promises";
import { giveBack, toHex, totalLength } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { BoundedLane } from "../../base/concurrency.ts";
import { isAbort } from "../../base/errors.ts";
import type { MemoryCharge, MemoryShare } from "../../base/memory-budget.ts";
import type { Profile } from "../../base/profile.ts";
import type { RandomSource } from "../../base/random.ts";
import { chunkBytesMaxOf } from "../../kernel/chunk-size.ts";
import type { ContentTable } from "../../kernel/content-table.ts";
import type {
  BytesToStore,
  Chunk,
  FileToStore,
  FullPack,
  Kernel,
  KernelFormat,
  Packer,
  PackerCounters,
  StoreEvent,
  TreeBatch,
  TreeCheckpoint,
  TreeRun,
  TreeToStore,
} from "../../kernel/kernel.ts";
import { type BlobId, type BlobStore, parseBlobId } from "../blob/blob-store.ts";
import type { EpochParameters } from "../format/repository-format.ts";
import type { CommittedIndex } from "../index/committed-index.ts";
import type { EncryptedBlobs } from "../index/encrypted-blob.ts";
import { writeIndex } from "../index/index-writer.ts";
import { ContentError } from "./content-error.ts";
import { packTail } from "./pack-tail.ts";
import { type ClientIdentity, newSessionId, type SessionId, sealSessionMarker } from "./session.ts";

/** That of Velero's splitter; others may make longer chunks. */
const chunkBytesUsual = 8 << 20;
/** Beside one chunk of a large file. */
const smallFilesAheadBytes = 2 << 20;
/** Four chunks of large files, and 8 MiB of small ones. */
const readAheadBytesMax = 40 << 20;

function longestChunk({ splitter }: KernelFormat): number {
  return Math.max(chunkBytesUsual, chunkBytesMaxOf(splitter));
}

/** What is charged for one pack, which may exceed its size by its last content and that one's parity. */
function packBytesCharged(format: KernelFormat): number {
  const { packBytesMax, parityPercent = 0 } = format;
  return packBytesMax + Math.ceil(longestChunk(format) * (1 + parityPercent / 100));
}

function readAheadBytesMin(format: KernelFormat): number {
  return longestChunk(format) + smallFilesAheadBytes;
}

/**
 * The memory that a writer must have to go on: a pack that is open of either kind, one on its way, and the least reading
 * ahead. 94 MiB where packs have 20.
 */
export function writerBytesMin(format: KernelFormat): number {
  return 3 * packBytesCharged(format) + readAheadBytesMin(format);
}

/** Published at least this often, so that others find it and an interrupted run costs little (contract of section 11). */
const flushIntervalMs = 5 * 60_000;
const markerTimeoutMs = 10_000;
/** Of an entry: in its table, and in the packer's set of what it packed. */
const pendingBytesCharged = 60;
/** So many pending entries are published early: they take some 6 MB, and while their index is made that is held several times. */
const pendingEntriesMax = 100_000;

export interface ContentWriterOptions {
  readonly store: BlobStore;
  readonly blobs: EncryptedBlobs;
  readonly index: CommittedIndex;
  readonly kernel: Kernel;
  readonly format: KernelFormat;
  /** Has `writerBytesMin` for itself. */
  readonly share: MemoryShare;
  readonly profile: Profile;
  /** Packs that are put at the same time, memory permitting. */
  readonly putsInFlight: number;
  readonly indexVersion: 1 | 2;
  readonly epochs: EpochParameters;
  readonly identity: ClientIdentity;
  readonly clock: Clock;
  readonly random: RandomSource;
  /** Throws when the repository is locked; renews what has become old. */
  readonly assertWritable: (signal: AbortSignal) => Promise<void>;
}

/** A store event without the packs, which the writer keeps to itself. */
export type FileEvent = Exclude<StoreEvent, { kind: "pack" }>;

/** A run of which the writer has taken the packs. */
export interface WrittenTree extends Pick<TreeRun, "answer" | typeof Symbol.asyncDispose> {
  next(): Promise<Omit<TreeBatch, "packs">>;
  checkpoint(partialName: string): Promise<Omit<TreeCheckpoint, "packs">>;
}

/**
 * Not for use by two callers at once. After an error nothing more can be written; what was flushed before stays.
 * Disposing waits for what is under way and takes the session marker away; it does not flush.
 */
export class ContentWriter implements AsyncDisposable {
  readonly #options: ContentWriterOptions;
  readonly #packer: Packer;
  readonly #puts: BoundedLane;
  #putCount = 0;
  /** Of the open packs and of what is read ahead. */
  readonly #charges: readonly MemoryCharge[];
  #session: SessionId | undefined;
  #marker: BlobId | undefined;
  #pending: ContentTable[] = [];
  #pendingEntries = 0;
  #flushedMs: number;
  #storedBytes = 0;

  constructor(options: ContentWriterOptions) {
    const { kernel, format, index, clock, random, share, putsInFlight } = options;
    this.#options = options;
    this.#puts = new BoundedLane(putsInFlight);
    const aheadMin = readAheadBytesMin(format);
    const ahead = share.takeFree(readAheadBytesMax - aheadMin);
    this.#charges = [share.takeOwn(2 * packBytesCharged(format) + aheadMin), ahead];
    this.#packer = kernel.createPacker({
      format,
      readAheadBytes: aheadMin + ahead.bytes,
      known: index.tables,
      nowSeconds: () => Math.floor(clock.nowMs() / 1000),
      random,
    });
    this.#flushedMs = clock.nowMs();
  }

  get counters(): PackerCounters {
    return this.#packer.counters;
  }

  /** Bytes of packs and indexes put into the store. */
  get storedBytes(): number {
    return this.#storedBytes;
  }

  /** As the packer's `storeFiles`, where `storeTree` gives none. Flushes in between when it is due. */
  async *storeFiles(
    folderFd: number,
    files: readonly FileToStore[],
    signal: AbortSignal,
  ): AsyncIterable<readonly FileEvent[]> {
    assert(this.#packer.storeFiles !== undefined, "who asks whether trees are stored does not store files");
    for await (const events of this.#packer.storeFiles(folderFd, files, signal)) {
      for (const event of events) if (event.kind === "pack") await this.#take(event.pack, signal);
      if (this.#isFlushDue) await this.flush(signal);
      yield events.filter((event) => event.kind !== "pack");
    }
  }

  /** As the packer's `storeTree`, without the packs, where the kernel has it. Flushes in between when it is due. */
  storeTree(tree: TreeToStore, signal: AbortSignal): WrittenTree | undefined {
    const run = this.#packer.storeTree?.(tree, signal);
    if (run === undefined) return undefined;
    const take = async <Told extends { readonly packs: readonly FullPack[] }>(told: Told): Promise<Told> => {
      for (const pack of told.packs) await this.#take(pack, signal);
      return told;
    };
    return {
      next: async () => {
        const batch = await take(await run.next());
        if (this.#isFlushDue) await this.flush(signal);
        return batch;
      },
      answer: (answers) => run.answer(answers),
      checkpoint: async (partialName) => await take(await run.checkpoint(partialName)),
      [Symbol.asyncDispose]: () => run[Symbol.asyncDispose](),
    };
  }

  /** Chunks of each item, in the items' order. Flushes afterwards when it is due. */
  async storeBytes(items: readonly BytesToStore[], signal: AbortSignal): Promise<readonly Chunk[][]> {
    const { chunks, packs } = this.#packer.storeBytes(items);
    for (const pack of packs) await this.#take(pack, signal);
    if (this.#isFlushDue) await this.flush(signal);
    return chunks;
  }

  /** Chunks of one long byte string that comes in pieces. Flushes afterwards when it is due. */
  async storePieces(prefix: string, pieces: Iterable<Uint8Array>, signal: AbortSignal): Promise<readonly Chunk[]> {
    const chunks: Chunk[] = [];
    for (const { chunk, pack } of this.#packer.storePieces(prefix, pieces)) {
      chunks.push(chunk);
      if (pack !== undefined) await this.#take(pack, signal);
    }
    if (this.#isFlushDue) await this.flush(signal);
    return chunks;
  }

  /**
   * Everything stored so far becomes durable and visible. Also where nothing was new, an old view of the index is renewed:
   * a content that was deleted elsewhere meanwhile must not pass for known.
   */
  async flush(signal: AbortSignal): Promise<void> {
    for (const pack of this.#packer.finishPacks()) await this.#take(pack, signal);
    await this.#options.profile.time("wait for puts", () => this.#puts.drain());
    await this.#options.profile.time("commit", () => this.#commit(signal));
  }

  async #commit(signal: AbortSignal): Promise<void> {
    await this.#options.assertWritable(signal);
    if (this.#pending.length > 0) {
      const { store, blobs, index, epochs, indexVersion, clock, kernel } = this.#options;
      const pending = await kernel.mergeTables(this.#pending);
      const session = this.#session as SessionId;
      await writeIndex(pending, session, { store, blobs, index, epochs, indexVersion, clock }, signal);
      this.#forgetPending();
    }
    await this.#endSession();
    this.#packer.replaceKnown(this.#options.index.tables);
    this.#flushedMs = this.#options.clock.nowMs();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#puts.settle();
    this.#packer[Symbol.dispose]();
    for (const charge of this.#charges) charge[Symbol.dispose]();
    this.#forgetPending();
    await this.#endSession();
  }

  get #isFlushDue(): boolean {
    const isOld = this.#options.clock.nowMs() - this.#flushedMs >= flushIntervalMs;
    return isOld || this.#pendingEntries >= pendingEntriesMax;
  }

  /** Waits for room, then puts the pack while the caller goes on. */
  async #take(pack: FullPack, signal: AbortSignal): Promise<void> {
    const { random, kernel, format, indexVersion, share, profile } = this.#options;
    const session = await this.#startSession(signal);
    const packId = parseBlobId(`${pack.kind}${toHex(random(16))}-${session}`);
    const contents = pack.contents.inPack(packId);
    const tail = packTail(pack.bytes.byteLength, contents, { kernel, format, indexVersion, random });
    const charge = await profile.time("wait for memory", () => share.take(packBytesCharged(format), signal));
    const put = async (): Promise<void> => {
      using _ = charge;
      profile.queue("puts in flight", ++this.#putCount);
      try {
        await profile.time("put", () => this.#putPack(packId, pack.bytes, tail, signal));
      } finally {
        this.#putCount--;
      }
    };
    try {
      await profile.time("wait for puts", () => this.#puts.start(put));
    } catch (error) {
      charge[Symbol.dispose]();
      throw error;
    }
    this.#pending.push(contents);
    this.#pendingEntries += contents.count;
    share.hold(pendingBytesCharged * contents.count);
  }

  /** Whose put failed or was given up is left to the garbage collector: something may still read it. */
  async #putPack(packId: BlobId, bytes: Uint8Array, tail: readonly Uint8Array[], signal: AbortSignal): Promise<void> {
    const parts = [bytes, ...tail];
    const length = totalLength(parts);
    try {
      await this.#options.store.put(packId, parts, { signal });
    } catch (cause) {
      if (isAbort(cause)) throw cause;
      throw new ContentError("CONTENT_WRITE_FAILED", `could not write pack ${packId}`, {
        cause,
        detail: { blob: packId },
      });
    }
    giveBack(bytes);
    await setImmediate(); // Before the next pack is begun, the native kernel has heard of it.
    this.#storedBytes += length;
  }

  #forgetPending(): void {
    this.#options.share.hold(-pendingBytesCharged * this.#pendingEntries);
    this.#pending = [];
    this.#pendingEntries = 0;
  }

  async #startSession(signal: AbortSignal): Promise<SessionId> {
    if (this.#session !== undefined) return this.#session;
    const { clock, random, identity, blobs, store, assertWritable } = this.#options;
    await assertWritable(signal);
    const session = newSessionId(clock.nowMs(), random);
    const marker = sealSessionMarker(session, clock.nowMs(), identity, blobs);
    await store.put(marker.id, [marker.sealed], { signal });
    this.#marker = marker.id;
    this.#session = session;
    return session;
  }

  /**
   * Takes the marker away, in a time of its own and best effort: what was flushed counts whether or not the store lets
   * the marker be deleted, and one that is left behind expires by itself.
   */
  async #endSession(): Promise<void> {
    const marker = this.#marker;
    this.#marker = undefined;
    this.#session = undefined;
    if (marker === undefined) return;
    const signal = AbortSignal.timeout(markerTimeoutMs);
    await this.#options.store.delete(marker, { signal }).catch(() => undefined); // It expires by itself.
  }
}
