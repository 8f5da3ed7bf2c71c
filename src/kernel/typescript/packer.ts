/** The reference packer: reads, splits, hashes, looks up, seals, packs. See kernel.ts for the contract. */

import type { BigIntStats } from "node:fs";
import { close, constants, fstat, open, read } from "node:fs";
import { promisify } from "node:util";
import { concatBytes, emptyBytes } from "../../base/bytes.ts";
import { errnoOf } from "../../base/errors.ts";
import type { Pace } from "../../base/pace.ts";
import type { Profile } from "../../base/profile.ts";
import { type ContentTable, findInTables } from "../content-table.ts";
import type {
  BytesToStore,
  Chunk,
  FileToStore,
  FullPack,
  Packer,
  PackerCounters,
  PackerOptions,
  StoredChunk,
  StoreEvent,
} from "../kernel.ts";
import { contentHash, keyBytesOf } from "./content-hash.ts";
import { KeySet } from "./key-set.ts";
import { PackBuilder } from "./pack-builder.ts";
import { type Splitter, splitterOf } from "./splitters.ts";

const openFile = promisify(open);
const readInto = promisify(read);
const statFile = promisify(fstat) as (fd: number, options: { bigint: true }) => Promise<BigIntStats>;
const closeFile = promisify(close);

/** Files up to this size are read ahead, whole, several at once: 16 × 256 KiB = 4 MiB resident at most. */
const smallFileBytes = 256 << 10;
const readAheadFiles = 16;
const eventsPerBatch = 256;
/** A file that changes while it is read is read once more, not for ever. */
const readingsMax = 2;

const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** How files are read, and what is told of it. */
export interface Reading {
  readonly profile: Profile;
  /** Undefined for as fast as may be. */
  readonly pace: Pace | undefined;
}

export class TypeScriptPacker implements Packer {
  readonly #options: PackerOptions;
  readonly #reading: Reading;
  readonly #packed: KeySet;
  readonly #open: Record<"p" | "q", PackBuilder | undefined> = { p: undefined, q: undefined };
  readonly #counters = { knownContents: 0, knownBytes: 0, newContents: 0, newBytes: 0, sealedBytes: 0 };
  readonly #splitter: Splitter;
  #known: readonly ContentTable[];
  /** Of the largest chunk, 8 MiB by default: it serves every large file in turn. */
  #largeBuffer: Uint8Array | undefined;

  constructor(options: PackerOptions, reading: Reading) {
    this.#options = options;
    this.#reading = reading;
    this.#known = options.known;
    this.#splitter = splitterOf(options.format.splitter);
    this.#packed = new KeySet(keyBytesOf(options.format));
  }

  get counters(): PackerCounters {
    return this.#counters;
  }

  async *storeFiles(
    folderFd: number,
    files: readonly FileToStore[],
    signal: AbortSignal,
  ): AsyncIterable<readonly StoreEvent[]> {
    let batch: StoreEvent[] = [];
    for await (const event of this.#storeEach(folderFd, files, signal)) {
      batch.push(event);
      // A pack or a piece of a large file goes out at once: what the caller does with it bounds the memory. So does the end
      // of a file that came in pieces, for the list of its chunks is stored before the next file.
      const waits = event.kind === "file" && event.chunks.length > 0;
      if (!waits || batch.length >= eventsPerBatch) {
        yield batch;
        batch = [];
      }
    }
    if (batch.length > 0) yield batch;
  }

  storeBytes(items: readonly BytesToStore[]): { chunks: Chunk[][]; packs: FullPack[] } {
    const packs: FullPack[] = [];
    const chunks = items.map(({ prefix, bytes }) =>
      [...this.storePieces(prefix, [bytes])].map(({ chunk, pack }) => {
        if (pack !== undefined) packs.push(pack);
        return chunk;
      }),
    );
    return { chunks, packs };
  }

  *storePieces(prefix: string, pieces: Iterable<Uint8Array>): Generator<StoredChunk, void, undefined> {
    let rest: Uint8Array = emptyBytes;
    let stored = 0;
    for (const piece of pieces) {
      rest = rest.byteLength === 0 ? piece : concatBytes([rest, piece]);
      // Below the largest chunk a cut may yet come with the next piece.
      while (rest.byteLength >= this.#splitter.chunkBytesMax) {
        const length = this.#reading.profile.timeNow("split", () => this.#splitter.findCut(rest)) as number;
        yield this.#store(prefix, rest.subarray(0, length));
        stored++;
        rest = rest.subarray(length);
      }
    }
    while (rest.byteLength > 0 || stored === 0) {
      const length = this.#splitter.findCut(rest) ?? rest.byteLength;
      yield this.#store(prefix, rest.subarray(0, length));
      stored++;
      rest = rest.subarray(length);
    }
  }

  finishPacks(): FullPack[] {
    const packs: FullPack[] = [];
    for (const kind of ["p", "q"] as const) {
      const pack = this.#open[kind]?.finish();
      this.#open[kind] = undefined;
      if (pack !== undefined) packs.push(pack);
    }
    return packs;
  }

  replaceKnown(known: readonly ContentTable[]): void {
    this.#known = known;
    this.#packed.clear();
  }

  [Symbol.dispose](): void {
    this.#open.p = undefined;
    this.#open.q = undefined;
    this.#largeBuffer = undefined;
    this.replaceKnown([]);
  }

  async *#storeEach(
    folderFd: number,
    files: readonly FileToStore[],
    signal: AbortSignal,
  ): AsyncGenerator<StoreEvent, void> {
    const ahead: Promise<WholeFile>[] = [];
    const startNext = (): void => {
      const next = files[started++];
      if (next !== undefined) ahead.push(readWhole(folderFd, next, this.#reading, signal));
    };
    let started = 0;
    while (started < Math.min(readAheadFiles, files.length)) startNext();
    try {
      for (let file = 0; file < files.length; file++) {
        this.#reading.profile.queue("reads ahead", ahead.length);
        const whole = await (ahead[0] as Promise<WholeFile>);
        signal.throwIfAborted(); // It is still among those that are closed below.
        ahead.shift();
        startNext();
        if (whole.kind === "failed") yield { ...whole, file };
        else if (whole.kind === "large") yield* this.#storeLarge(whole.fd, file, signal);
        else {
          const { chunks, packs } = this.storeBytes([{ prefix: "", bytes: whole.bytes }]);
          for (const pack of packs) yield { kind: "pack", pack };
          const { changed, mtimeNs } = whole;
          yield {
            kind: "file",
            file,
            chunks: chunks[0] as Chunk[],
            bytesRead: whole.bytes.byteLength,
            changed,
            mtimeNs,
          };
        }
      }
    } finally {
      for (const whole of await Promise.all(ahead)) if (whole.kind === "large") await closeRead(whole.fd);
    }
  }

  /** Reads from the start to the end in one buffer that always begins at a chunk; closes the descriptor. */
  async *#storeLarge(fd: number, file: number, signal: AbortSignal): AsyncGenerator<StoreEvent, void> {
    this.#largeBuffer ??= new Uint8Array(this.#splitter.chunkBytesMax);
    const buffer = this.#largeBuffer;
    try {
      for (let reading = 1; ; reading++) {
        const before = await statFile(fd, { bigint: true });
        let position = 0;
        let filled = 0;
        let atEnd = false;
        let isFirst = true;
        while (!atEnd || filled > 0 || isFirst) {
          signal.throwIfAborted();
          while (!atEnd && filled < buffer.byteLength) {
            const bytesRead = await readSome(fd, buffer, filled, position, this.#reading, signal);
            position += bytesRead;
            filled += bytesRead;
            atEnd = bytesRead === 0;
          }
          if (filled === 0 && !isFirst) break; // It ended with the chunk before.
          const read = buffer.subarray(0, filled);
          const length = this.#reading.profile.timeNow("split", () => this.#splitter.findCut(read)) ?? filled;
          const { chunk, pack } = this.#store("", buffer.subarray(0, length));
          if (pack !== undefined) yield { kind: "pack", pack };
          yield { kind: "chunks", file, chunks: [chunk] };
          buffer.copyWithin(0, length, filled);
          filled -= length;
          isFirst = false;
        }
        const changed = hasChanged(before, await statFile(fd, { bigint: true }), position);
        if (changed && reading < readingsMax) {
          yield { kind: "restarted", file };
          continue;
        }
        yield { kind: "file", file, chunks: [], bytesRead: position, changed, mtimeNs: before.mtimeNs };
        return;
      }
    } catch (error) {
      signal.throwIfAborted();
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      yield { kind: "failed", file, operation: "read", errno };
    } finally {
      await closeRead(fd);
    }
  }

  #store(prefix: string, plain: Uint8Array): StoredChunk {
    const { profile } = this.#reading;
    const hash = profile.timeNow("hash", () => contentHash(this.#options.format, plain));
    const chunk = { hash, length: plain.byteLength };
    const key = new Uint8Array(1 + hash.byteLength);
    key[0] = prefix === "" ? 0 : prefix.charCodeAt(0);
    key.set(hash, 1);

    const found = profile.timeNow("look-up", () => findInTables(this.#known, key));
    const isLive = found !== undefined && !found.table.isDeleted(found.record);
    if (isLive || !this.#packed.add(key)) {
      this.#counters.knownContents++;
      this.#counters.knownBytes += plain.byteLength;
      return { chunk, pack: undefined };
    }
    const previous = found === undefined ? -1 : found.table.timestampSeconds(found.record);
    const kind = prefix === "" ? "p" : "q";
    const { format, random, nowSeconds } = this.#options;
    const pack = this.#open[kind] ?? new PackBuilder(format, kind, random);
    this.#open[kind] = pack;
    this.#counters.newContents++;
    this.#counters.newBytes += plain.byteLength;
    this.#counters.sealedBytes += profile.timeNow("seal", () =>
      pack.add(key, plain, Math.max(nowSeconds(), previous + 1)),
    );
    if (!pack.isFull) return { chunk, pack: undefined };
    this.#open[kind] = undefined;
    return { chunk, pack: pack.finish() };
  }
}

type WholeFile =
  | { readonly kind: "whole"; readonly bytes: Uint8Array; readonly changed: boolean; readonly mtimeNs: bigint }
  | { readonly kind: "large"; readonly fd: number }
  | { readonly kind: "failed"; readonly operation: "open" | "read"; readonly errno: string };

/** Never throws for what the file system says; an open descriptor comes back only with `large`. */
async function readWhole(
  folderFd: number,
  file: FileToStore,
  reading: Reading,
  signal: AbortSignal,
): Promise<WholeFile> {
  if (signal.aborted) return { kind: "failed", operation: "open", errno: "ECANCELED" };
  let fd: number;
  try {
    fd = await openFile(Buffer.concat([Buffer.from(`/proc/self/fd/${folderFd}/`), file.name]), openFlags);
  } catch (error) {
    return { kind: "failed", operation: "open", errno: errnoOf(error) ?? "EIO" };
  }
  let keepOpen = false;
  try {
    for (let attempt = 1; ; attempt++) {
      const before = await statFile(fd, { bigint: true });
      if (!before.isFile()) return { kind: "failed", operation: "open", errno: "EINVAL" };
      if (before.size > BigInt(smallFileBytes)) {
        keepOpen = true;
        return { kind: "large", fd };
      }
      const buffer = new Uint8Array(Number(before.size) + 1);
      let length = 0;
      for (;;) {
        const bytesRead = await readSome(fd, buffer, length, length, reading, signal);
        length += bytesRead;
        if (bytesRead === 0 || length === buffer.byteLength) break;
      }
      const changed = hasChanged(before, await statFile(fd, { bigint: true }), length);
      if (changed && attempt < readingsMax) continue;
      // Still growing past the buffer: what lies in the buffer would be a torn copy, so the streaming path reads it.
      if (length === buffer.byteLength) {
        keepOpen = true;
        return { kind: "large", fd };
      }
      return { kind: "whole", bytes: buffer.subarray(0, length), changed, mtimeNs: before.mtimeNs };
    }
  } catch (error) {
    return { kind: "failed", operation: "read", errno: errnoOf(error) ?? "EIO" };
  } finally {
    if (!keepOpen) await closeRead(fd);
  }
}

/** Into the buffer from `offset`, from `position` in the file; 0 at its end. */
async function readSome(
  fd: number,
  buffer: Uint8Array,
  offset: number,
  position: number,
  { pace, profile }: Reading,
  signal: AbortSignal,
): Promise<number> {
  const room = Math.min(buffer.byteLength - offset, pace?.stepBytes ?? Number.POSITIVE_INFINITY);
  await pace?.admit(room, signal);
  const { bytesRead } = await profile.time("read", () => readInto(fd, buffer, offset, room, position));
  return bytesRead;
}

async function closeRead(fd: number): Promise<void> {
  await closeFile(fd).catch(() => undefined); // What was only read loses nothing by it.
}

function hasChanged(before: BigIntStats, after: BigIntStats, bytesRead: number): boolean {
  return (
    before.mtimeNs !== after.mtimeNs ||
    before.ctimeNs !== after.ctimeNs ||
    before.size !== after.size ||
    after.size !== BigInt(bytesRead)
  );
}
