/** The packer over the addon. See kernel.ts for the contract, native/kernel/src/file_pipeline.rs for the threads. */

import { concatBytes, emptyBytes } from "../../base/bytes.ts";
import type { ContentTable } from "../content-table.ts";
import type {
  BytesToStore,
  Chunk,
  FileToStore,
  FullPack,
  KernelFormat,
  Packer,
  PackerCounters,
  PackerOptions,
  StoredChunk,
  StoreEvent,
  TreeRun,
  TreeToStore,
} from "../kernel.ts";
import type { NativeAddon, NativeBatch, NativeFileRun, NativePacker, NativeTable } from "./addon.ts";
import { fullPack, readEvents } from "./event-batch.ts";
import { NativeKernelTreeRun } from "./tree-run.ts";

const seedBytes = 32;
/** What a splitter makes at most: with so many bytes the first chunk's end does not depend on what follows. */
const chunkBytesMax = 8 << 20;
const nameEnd = Uint8Array.of(0);

export class NativeKernelPacker implements Packer {
  readonly #native: NativePacker;
  readonly #format: KernelFormat;
  readonly #nowSeconds: () => number;

  constructor(addon: NativeAddon, options: PackerOptions, threads: number) {
    const { format, known, nowSeconds, random } = options;
    const { hashSecret, contentSecret, packBytesMax, packHeader } = format;
    const seed = random(seedBytes);
    this.#format = format;
    this.#nowSeconds = nowSeconds;
    this.#native = new addon.Packer({
      hashSecret,
      contentSecret,
      packBytesMax,
      packHeader,
      known: nativeTables(known),
      seed,
      threads,
    });
  }

  get counters(): PackerCounters {
    return this.#native.counters;
  }

  async *storeFiles(
    folderFd: number,
    files: readonly FileToStore[],
    signal: AbortSignal,
  ): AsyncIterable<readonly StoreEvent[]> {
    signal.throwIfAborted();
    if (files.length === 0) return;
    const names = concatBytes(files.flatMap(({ name }) => [name, nameEnd]));
    const run = this.#native.storeFiles(
      folderFd,
      names,
      Float64Array.from(files, ({ size }) => size),
    );
    const cancel = (): void => run.cancel();
    signal.addEventListener("abort", cancel);
    let isOver = false;
    try {
      while (!isOver) {
        const batch = await this.#next(run, signal);
        isOver = batch.isLast;
        const events = this.#read(batch);
        if (events.length > 0) yield events;
        signal.throwIfAborted(); // Also behind the last: who aborted does not want the end.
      }
    } finally {
      signal.removeEventListener("abort", cancel);
      if (!isOver) await run.close();
    }
  }

  storeTree({ folderFd, name, parentObjectId }: TreeToStore, signal: AbortSignal): TreeRun {
    signal.throwIfAborted();
    return new NativeKernelTreeRun(this.#native.storeTree(folderFd, name, parentObjectId), {
      formatVersion: this.#format.formatVersion,
      nowSeconds: this.#nowSeconds,
      signal,
    });
  }

  storeBytes(items: readonly BytesToStore[]): { chunks: Chunk[][]; packs: FullPack[] } {
    const prefixes = Uint8Array.from(items, ({ prefix }) => prefixCode(prefix));
    const bytes = items.map((item) => item.bytes);
    return resultsOf(this.#read(this.#native.storeBytes(prefixes, bytes, this.#nowSeconds())));
  }

  *storePieces(prefix: string, pieces: Iterable<Uint8Array>): Generator<StoredChunk, void, undefined> {
    let rest: Uint8Array = emptyBytes;
    let stored = 0;
    for (const piece of pieces) {
      rest = rest.byteLength === 0 ? piece : concatBytes([rest, piece]);
      // Below the largest chunk a cut may yet come with the next piece.
      while (rest.byteLength >= chunkBytesMax) {
        const one = this.#storeFirst(prefix, rest);
        yield one;
        stored++;
        rest = rest.subarray(one.chunk.length);
      }
    }
    while (rest.byteLength > 0 || stored === 0) {
      const one = this.#storeFirst(prefix, rest);
      yield one;
      stored++;
      rest = rest.subarray(one.chunk.length);
    }
  }

  finishPacks(): FullPack[] {
    return this.#native.finishPacks().map((pack) => fullPack(pack, this.#format.formatVersion));
  }

  replaceKnown(known: readonly ContentTable[]): void {
    this.#native.replaceKnown(nativeTables(known));
  }

  /** The first chunk of the bytes: up to the first cut, or all. */
  #storeFirst(prefix: string, bytes: Uint8Array): StoredChunk {
    const events = this.#read(this.#native.storeFirst(prefixCode(prefix), bytes, this.#nowSeconds()));
    const { chunks, packs } = resultsOf(events);
    return { chunk: chunks[0]?.[0] as Chunk, pack: packs[0] };
  }

  async #next(run: NativeFileRun, signal: AbortSignal): Promise<NativeBatch> {
    signal.throwIfAborted();
    try {
      return await run.next(this.#nowSeconds());
    } catch (error) {
      signal.throwIfAborted(); // Then that is why it failed.
      throw error;
    }
  }

  #read(batch: NativeBatch): StoreEvent[] {
    return readEvents(batch, this.#format.formatVersion);
  }
}

/** Of byte strings: each has one `file` event with all its chunks. */
function resultsOf(events: readonly StoreEvent[]): { chunks: Chunk[][]; packs: FullPack[] } {
  return {
    chunks: events.flatMap((event) => (event.kind === "file" ? [[...event.chunks]] : [])),
    packs: events.flatMap((event) => (event.kind === "pack" ? [event.pack] : [])),
  };
}

function prefixCode(prefix: string): number {
  return prefix === "" ? 0 : prefix.charCodeAt(0);
}

function nativeTables(known: readonly ContentTable[]): NativeTable[] {
  return known.map(({ keyBytes, bytes }) => ({ keyBytes, bytes }));
}
