/**
 * Objects: byte streams of any length, over one content or a list of them.
 *
 * Source: docs/format/objects.md; kopia repo/object/object_reader.go.
 */

import { concatBytes } from "../../base/bytes.ts";
import { hasCode } from "../../base/errors.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { ContentError } from "../content/content-error.ts";
import type { ContentId } from "../content/content-id.ts";
import type { ContentReader } from "../content/content-reader.ts";
import { iterateIndirectList } from "./indirect-list.ts";
import { ObjectError } from "./object-error.ts";
import { type ObjectId, takeApart } from "./object-id.ts";

/** A window of chunks is read at once and given out in order: 16 MiB and one chunk resident, and 1 MB of their ids. */
const windowBytesMax = 16 << 20;
const windowChunksMax = 4096;
/** Above any chunk that a splitter of kopia's makes; bounds what a compressed object may expand to. */
const chunkBytesMax = 32 << 20;

/** What an object's bytes are made of. */
export interface ObjectChunk {
  readonly contentId: ContentId;
  readonly compressed: boolean;
  /** Undefined where no list tells it. */
  readonly length: number | undefined;
}

export class ObjectReader {
  readonly #contents: ContentReader;
  readonly #kernel: Kernel;

  constructor(contents: ContentReader, kernel: Kernel) {
    this.#contents = contents;
    this.#kernel = kernel;
  }

  /** The bytes in order, in pieces of a chunk each. Errors: ContentError, BlobError, OBJECT_CORRUPT. */
  async *read(id: ObjectId, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    let window: ObjectChunk[] = [];
    let windowBytes = 0;
    for await (const chunk of this.#chunksOf(id, undefined, signal)) {
      window.push(chunk);
      windowBytes += chunk.length ?? this.#contents.lengthOf(chunk.contentId);
      if (windowBytes < windowBytesMax && window.length < windowChunksMax) continue;
      yield* await this.#readChunks(window, signal);
      window = [];
      windowBytes = 0;
    }
    yield* await this.#readChunks(window, signal);
  }

  /** All bytes at once. OBJECT_TOO_LARGE beyond `bytesMax`. */
  async readWhole(id: ObjectId, bytesMax: number, signal: AbortSignal): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of this.read(id, signal)) {
      parts.push(part);
      length += part.byteLength;
      if (length > bytesMax) {
        throw new ObjectError("OBJECT_TOO_LARGE", `object ${id} has more than ${bytesMax} bytes`, {
          detail: { object: id },
        });
      }
    }
    return concatBytes(parts);
  }

  /** The content of an object that is one plain content, or undefined. */
  directContentOf(id: ObjectId): ContentId | undefined {
    const { indirections, compressed, contentId } = takeApart(id);
    return indirections === 0 && !compressed ? contentId : undefined;
  }

  /** Every content that the object's bytes and lists are made of. */
  async *contentsOf(id: ObjectId, signal: AbortSignal): AsyncGenerator<ContentId, void, undefined> {
    const { indirections, contentId } = takeApart(id);
    if (indirections === 0) {
      yield contentId;
      return;
    }
    const list = id.slice(1) as ObjectId;
    yield* this.contentsOf(list, signal);
    for (const entry of iterateIndirectList(await this.readWhole(list, listBytesMax, signal), id)) {
      yield* this.contentsOf(entry.objectId, signal);
    }
  }

  /** In order, without reading any but the lists. Errors: as `read`. */
  chunksOf(id: ObjectId, signal: AbortSignal): AsyncGenerator<ObjectChunk, void, undefined> {
    return this.#chunksOf(id, undefined, signal);
  }

  async *#chunksOf(
    id: ObjectId,
    length: number | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<ObjectChunk, void, undefined> {
    const { indirections, compressed, contentId } = takeApart(id);
    if (indirections === 0) {
      yield { contentId, compressed, length };
      return;
    }
    const list = id.slice(1) as ObjectId;
    let end = 0;
    for (const entry of iterateIndirectList(await this.readWhole(list, listBytesMax, signal), id)) {
      end = entry.start + entry.length;
      yield* this.#chunksOf(entry.objectId, entry.length, signal);
    }
    if (length !== undefined && end !== length) {
      throw new ObjectError("OBJECT_CORRUPT", `object ${id} has ${end} bytes, where its list says ${length}`);
    }
  }

  async #readChunks(chunks: readonly ObjectChunk[], signal: AbortSignal): Promise<Uint8Array[]> {
    const plain: Uint8Array[] = [];
    const ids = chunks.map((chunk) => chunk.contentId);
    await this.#contents.readEach(ids, signal, async (position, stored) => {
      const { compressed, length, contentId } = chunks[position] as ObjectChunk;
      const bytes = compressed
        ? this.#expand(contentId, stored, Math.min(length ?? chunkBytesMax, chunkBytesMax))
        : stored;
      if (length !== undefined && bytes.byteLength !== length) {
        throw new ObjectError(
          "OBJECT_CORRUPT",
          `chunk ${contentId} has ${bytes.byteLength} bytes, where its list says ${length}`,
        );
      }
      plain[position] = bytes;
    });
    return plain;
  }

  #expand(id: ContentId, stored: Uint8Array, bytesMax: number): Uint8Array {
    try {
      return this.#kernel.expand(stored, bytesMax);
    } catch (cause) {
      if (hasCode(cause, "KERNEL_COMPRESSION_UNSUPPORTED")) {
        throw new ContentError("CONTENT_UNSUPPORTED", `content ${id} cannot be read by this version`, { cause });
      }
      throw new ObjectError("OBJECT_CORRUPT", `chunk ${id} does not expand`, { cause, detail: { content: id } });
    }
  }
}

/** A list of 256 MiB names some four million chunks: sixteen TiB in one file. */
const listBytesMax = 256 << 20;
