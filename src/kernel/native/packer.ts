/** The packer over the addon. See kernel.ts for the contract. */

import { concatBytes, emptyBytes } from "../../base/bytes.ts";
import type { ContentTable } from "../content-table.ts";
import type {
  BytesToStore,
  Chunk,
  FullPack,
  KernelFormat,
  Packer,
  PackerCounters,
  PackerOptions,
  StoredChunk,
  TreeRun,
  TreeToStore,
} from "../kernel.ts";
import type { NativeAddon, NativeConditions, NativePack, NativePacker, NativeTable } from "./addon.ts";
import { fullPack, readChunks } from "./chunk-list.ts";
import { NativeKernelTreeRun } from "./tree-run.ts";

const seedBytes = 32;
/** What a splitter makes at most: with so many bytes the first chunk's end does not depend on what follows. */
const chunkBytesMax = 8 << 20;

export class NativeKernelPacker implements Packer {
  readonly #native: NativePacker;
  readonly #format: KernelFormat;
  readonly #nowSeconds: () => number;

  constructor(addon: NativeAddon, conditions: NativeConditions, options: PackerOptions) {
    const { format, known, nowSeconds, random, readAheadBytes } = options;
    const { hashSecret, contentSecret, packBytesMax, packHeader } = format;
    const seed = random(seedBytes);
    this.#format = format;
    this.#nowSeconds = nowSeconds;
    this.#native = new addon.Packer(conditions, {
      hashSecret,
      contentSecret,
      packBytesMax,
      packHeader,
      known: nativeTables(known),
      seed,
      readAheadBytes,
    });
  }

  get counters(): PackerCounters {
    return this.#native.counters;
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
    const { chunks, packs } = this.#native.storeBytes(prefixes, bytes, this.#nowSeconds());
    return { chunks: readChunks(chunks), packs: this.#full(packs) };
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
    return this.#full(this.#native.finishPacks());
  }

  replaceKnown(known: readonly ContentTable[]): void {
    this.#native.replaceKnown(nativeTables(known));
  }

  [Symbol.dispose](): void {
    this.#native.close();
  }

  /** The first chunk of the bytes: up to the first cut, or all. */
  #storeFirst(prefix: string, bytes: Uint8Array): StoredChunk {
    const { chunks, packs } = this.#native.storeFirst(prefixCode(prefix), bytes, this.#nowSeconds());
    return { chunk: readChunks(chunks)[0]?.[0] as Chunk, pack: this.#full(packs)[0] };
  }

  #full(packs: readonly NativePack[]): FullPack[] {
    return packs.map((pack) => fullPack(pack, this.#format.formatVersion));
  }
}

function prefixCode(prefix: string): number {
  return prefix === "" ? 0 : prefix.charCodeAt(0);
}

function nativeTables(known: readonly ContentTable[]): NativeTable[] {
  return known.map(({ keyBytes, bytes }) => ({ keyBytes, bytes }));
}
