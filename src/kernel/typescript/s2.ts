/**
 * S2, the extension of Snappy, in its stream framing: what is read may be either, what is written has no repeats and so is
 * read by all.
 *
 * A stream is chunks: `u8 type ‖ u24 LE length ‖ body`. 0xff says "S2sTwO" or "sNaPpY" and may come again; 0x00 is a
 * masked CRC-32C of the plain bytes and a block; 0x01 a masked CRC-32C and plain bytes; 0x80 to 0xfe are passed over.
 * A block is the uvarint length of its plain bytes and elements, each of which begins with a tag whose low two bits say
 * what it is: a literal, or a copy of bytes that came before with an offset of 11 bits, u16 or u32. S2's own is an offset of
 * 0 in the first kind of copy: the last offset again, with a length of its own encoding.
 *
 * Source: github.com/klauspost/compress/s2; the Snappy format's framing_format.txt and format_description.txt.
 */

import { concatBytes, viewOf } from "../../base/bytes.ts";
import { copyBack } from "./copy-back.ts";
import { crc32c } from "./crc32c.ts";

const headerBytes = 4;
const checksumBytes = 4;
const streamChunk = 0xff;
const compressedChunk = 0x00;
const plainChunk = 0x01;
const skippableFrom = 0x80;
const streamNames = ["S2sTwO", "sNaPpY"];
/** No writer makes longer blocks. */
const blockBytesMax = 4 << 20;
/** What this writer cuts a stream into, as kopia's does. */
const blockBytes = 1 << 20;

/** Undefined where the stream is damaged or holds more than `bytesMax`. Allocates no more than that. */
export function readS2(stream: Uint8Array, bytesMax: number): Uint8Array | undefined {
  const chunks = chunksOf(stream);
  if (chunks === undefined) return undefined;
  let length = 0;
  for (const { plainBytes } of chunks) length += plainBytes;
  if (length > bytesMax) return undefined;
  const plain = new Uint8Array(length);
  let at = 0;
  for (const { type, checksum, body, plainBytes } of chunks) {
    const target = plain.subarray(at, at + plainBytes);
    if (type === plainChunk) target.set(body);
    else if (!readBlock(body, target)) return undefined;
    if (masked(crc32c(target)) !== checksum) return undefined;
    at += plainBytes;
  }
  return plain;
}

export function writeS2(plain: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [chunk(streamChunk, Buffer.from(streamNames[0] as string))];
  for (let at = 0; at < plain.byteLength; at += blockBytes) {
    const piece = plain.subarray(at, at + blockBytes);
    const checksum = Buffer.alloc(checksumBytes);
    checksum.writeUInt32LE(masked(crc32c(piece)));
    const block = writeBlock(piece);
    if (block.byteLength < piece.byteLength) parts.push(chunk(compressedChunk, checksum, block));
    else parts.push(chunk(plainChunk, checksum, piece));
  }
  return concatBytes(parts);
}

interface DataChunk {
  readonly type: typeof compressedChunk | typeof plainChunk;
  readonly checksum: number;
  /** The elements of a block, without its length. */
  readonly body: Uint8Array;
  readonly plainBytes: number;
}

function chunksOf(stream: Uint8Array): DataChunk[] | undefined {
  const view = viewOf(stream);
  const chunks: DataChunk[] = [];
  let isNamed = false;
  for (let at = 0; at < stream.byteLength; ) {
    if (at + headerBytes > stream.byteLength) return undefined;
    const header = view.getUint32(at, true);
    const type = header & 0xff;
    const end = at + headerBytes + (header >>> 8);
    const body = stream.subarray(at + headerBytes, end);
    if (end > stream.byteLength) return undefined;
    if (type === streamChunk) {
      if (!streamNames.includes(Buffer.from(body).toString("latin1"))) return undefined;
      isNamed = true;
    } else if (type === compressedChunk || type === plainChunk) {
      if (!isNamed || body.byteLength < checksumBytes) return undefined;
      const checksum = view.getUint32(at + headerBytes, true);
      const data = dataChunk(type, checksum, body.subarray(checksumBytes));
      if (data === undefined) return undefined;
      chunks.push(data);
    } else if (type < skippableFrom) {
      return undefined;
    }
    at = end;
  }
  return isNamed ? chunks : undefined;
}

function dataChunk(type: DataChunk["type"], checksum: number, body: Uint8Array): DataChunk | undefined {
  if (type === plainChunk) return { type, checksum, body, plainBytes: body.byteLength };
  let plainBytes = 0;
  for (let i = 0; i < 4; i++) {
    const byte = body[i];
    if (byte === undefined) return undefined;
    plainBytes |= (byte & 0x7f) << (7 * i);
    if (byte >= 0x80) continue;
    return plainBytes > blockBytesMax ? undefined : { type, checksum, body: body.subarray(i + 1), plainBytes };
  }
  return undefined;
}

/** Fills the target, no more and no less; false where the elements do not. */
function readBlock(elements: Uint8Array, target: Uint8Array): boolean {
  let at = 0;
  let done = 0;
  let offset = 0;
  const little = (bytes: number): number => {
    let value = 0;
    for (let i = 0; i < bytes; i++) value += (elements[at + i] ?? 0) * 2 ** (8 * i);
    at += bytes;
    return value;
  };
  while (at < elements.byteLength) {
    const tag = elements[at++] as number;
    const upper = tag >>> 2;
    let length: number;
    switch (tag & 3) {
      case 0: {
        length = 1 + (upper < 60 ? upper : little(upper - 59));
        if (length > target.byteLength - done || length > elements.byteLength - at) return false;
        target.set(elements.subarray(at, at + length), done);
        at += length;
        done += length;
        continue;
      }
      case 1: {
        const given = ((tag >>> 5) << 8) | little(1);
        length = 4 + (given === 0 ? repeatLength(upper & 7, little) : upper & 7);
        if (given !== 0) offset = given;
        break;
      }
      case 2:
        length = 1 + upper;
        offset = little(2);
        break;
      default:
        length = 1 + upper;
        offset = little(4);
    }
    if (offset === 0 || offset > done || length > target.byteLength - done || at > elements.byteLength) return false;
    copyBack(target, done, offset, length);
    done += length;
  }
  return done === target.byteLength;
}

/** Of a copy with the last offset, less the 4 that each has. */
function repeatLength(code: number, little: (bytes: number) => number): number {
  if (code < 5) return code;
  return code === 5 ? little(1) + 4 : code === 6 ? little(2) + (1 << 8) : little(3) + (1 << 16);
}

/** Positions of four bytes that were seen before, by their hash: 2^15 of them. */
const hashBits = 15;
const seenBefore = new Int32Array(1 << hashBits);
/** Where nothing was found for long, steps grow: by one for every so many bytes. */
const patienceBits = 6;

/** `uvarint length ‖ elements`. Greedy: the last place with the same four bytes is taken, as far as it is the same. */
function writeBlock(plain: Uint8Array): Uint8Array {
  const writer = new BlockWriter(plain);
  const view = viewOf(plain);
  const lastStart = plain.byteLength - 4;
  seenBefore.fill(-1);
  let literalFrom = 0;
  for (let at = 0; at <= lastStart; ) {
    const four = view.getUint32(at, true);
    const slot = Math.imul(four, 0x9e3779b1) >>> (32 - hashBits);
    const before = seenBefore[slot] as number;
    seenBefore[slot] = at;
    if (before < 0 || view.getUint32(before, true) !== four) {
      at += 1 + ((at - literalFrom) >>> patienceBits);
      continue;
    }
    let end = at + 4;
    while (end < plain.byteLength && plain[end] === plain[end - at + before]) end++;
    writer.literal(literalFrom, at);
    writer.copy(at - before, end - at);
    at = end;
    literalFrom = end;
  }
  writer.literal(literalFrom, plain.byteLength);
  return writer.finish();
}

/** Stops where the block becomes longer than what is plain: it is of no use then. */
class BlockWriter {
  readonly #plain: Uint8Array;
  readonly #bytes: Uint8Array;
  #length = 0;

  constructor(plain: Uint8Array) {
    this.#plain = plain;
    this.#bytes = new Uint8Array(plain.byteLength + 16);
    for (let rest = plain.byteLength; ; rest >>>= 7) {
      this.#put(rest < 0x80 ? rest : (rest & 0x7f) | 0x80, 1);
      if (rest < 0x80) break;
    }
  }

  literal(start: number, end: number): void {
    const code = end - start - 1;
    if (code < 0) return;
    if (code < 60) this.#put(code << 2, 1);
    else {
      const lengthBytes = code < 1 << 8 ? 1 : code < 1 << 16 ? 2 : 3;
      this.#put((59 + lengthBytes) << 2, 1);
      this.#put(code, lengthBytes);
    }
    if (this.#hasRoom(end - start)) this.#bytes.set(this.#plain.subarray(start, end), this.#length);
    this.#length += end - start;
  }

  copy(offset: number, length: number): void {
    let rest = length;
    if (offset < 1 << 11 && length >= 4 && length < 12) {
      this.#put(((offset >>> 8) << 5) | ((length - 4) << 2) | 1, 1);
      this.#put(offset, 1);
      return;
    }
    for (; rest > 0; rest -= 64) {
      const code = Math.min(rest, 64) - 1;
      this.#put((code << 2) | (offset < 1 << 16 ? 2 : 3), 1);
      this.#put(offset, offset < 1 << 16 ? 2 : 4);
    }
  }

  finish(): Uint8Array {
    return this.#hasRoom(0) ? this.#bytes.subarray(0, this.#length) : this.#bytes;
  }

  #hasRoom(count: number): boolean {
    return this.#length + count <= this.#bytes.byteLength;
  }

  /** The lowest bytes of the value, the first of them first. */
  #put(value: number, count: number): void {
    for (let i = 0; i < count; i++) this.#bytes[this.#length++] = value >>> (8 * i);
  }
}

function chunk(type: number, ...body: readonly Uint8Array[]): Uint8Array {
  const length = body.reduce((sum, part) => sum + part.byteLength, 0);
  return concatBytes([Uint8Array.of(type, length & 0xff, (length >>> 8) & 0xff, length >>> 16), ...body]);
}

/** As the framing stores a checksum: a CRC of data that holds CRCs is no good one. */
function masked(checksum: number): number {
  return (((checksum >>> 15) | (checksum << 17)) + 0xa282ead8) >>> 0;
}
