/**
 * Compressed contents: `u32 header id ‖ stream`. What expands is bounded by what the index says the content has, so a bomb
 * is an error and not an allocation. A header id names an algorithm and a level; for whoever reads the level is nothing.
 *
 * Source: docs/format/contents.md; kopia repo/compression.
 */

import { strict as assert } from "node:assert";
import {
  constants,
  deflateRawSync,
  gunzipSync,
  gzipSync,
  inflateRawSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import { viewOf } from "../../base/bytes.ts";
import { KernelError } from "../kernel.ts";
import { readLz4 } from "./lz4.ts";
import { readS2, writeS2 } from "./s2.ts";

const headerBytes = 4;
/**
 * A zstd frame asks for a window of any size before it gives a byte. 32 MiB is the largest that kopia's levels have, and
 * chunks are at most half of that.
 */
const zstdWindowLogMax = 25;

/** 0, which is no compression, where there is no room for an id. */
export function compressionIdOf(stored: Uint8Array): number {
  return stored.byteLength < headerBytes ? 0 : viewOf(stored).getUint32(0);
}

/** `bytesMax` bounds the answer; a stream that holds more is KERNEL_CONTENT_MISMATCH. */
export function decompress(compressionId: number, stored: Uint8Array, bytesMax: number): Uint8Array {
  if (compressionIdOf(stored) !== compressionId) {
    throw new KernelError("KERNEL_CONTENT_MISMATCH", `content lacks its compression header ${hexId(compressionId)}`);
  }
  const read = readers.get(compressionId >>> 8);
  if (read === undefined) {
    throw new KernelError("KERNEL_COMPRESSION_UNSUPPORTED", `content is compressed as ${hexId(compressionId)}`, {
      hint: "read it with kopia, or with a newer fsb",
    });
  }
  let cause: unknown;
  try {
    const plain = read(stored.subarray(headerBytes), bytesMax);
    if (plain !== undefined && plain.byteLength <= bytesMax) return plain;
  } catch (error) {
    cause = error;
  }
  throw new KernelError("KERNEL_CONTENT_MISMATCH", `compressed content (${hexId(compressionId)}) does not expand`, {
    ...(cause !== undefined && { cause }),
  });
}

/** With its header; undefined where that is not shorter than what is plain. */
export function compress(compressionId: number, plain: Uint8Array): Uint8Array | undefined {
  const write = writers.get(compressionId);
  assert(write !== undefined, `${hexId(compressionId)} can be written`);
  const stream = write(plain);
  if (headerBytes + stream.byteLength >= plain.byteLength) return undefined;
  const stored = new Uint8Array(headerBytes + stream.byteLength);
  viewOf(stored).setUint32(0, compressionId);
  stored.set(stream, headerBytes);
  return stored;
}

/** Undefined, or whatever `node:zlib` throws, where a stream is damaged or holds more. */
type Reader = (stream: Uint8Array, bytesMax: number) => Uint8Array | undefined;
type Writer = (plain: Uint8Array) => Uint8Array;

const outputOf = (bytesMax: number): { maxOutputLength: number } => ({ maxOutputLength: Math.max(1, bytesMax) });
const readGzip: Reader = (stream, bytesMax) => gunzipSync(stream, outputOf(bytesMax));
const readZstd: Reader = (stream, bytesMax) => {
  const params = { [constants.ZSTD_d_windowLogMax]: zstdWindowLogMax };
  return zstdDecompressSync(stream, { ...outputOf(bytesMax), params });
};

/** By all but the last byte of an id. */
const readers: ReadonlyMap<number, Reader> = new Map([
  [0x10, readGzip],
  [0x11, readZstd],
  [0x12, readS2],
  [0x13, readGzip], // Several members.
  [0x14, readLz4],
  [0x15, (stream, bytesMax) => inflateRawSync(stream, outputOf(bytesMax))],
]);

const [fastest, usual, smallest] = [1, constants.Z_DEFAULT_COMPRESSION, 9];
const gzip = (level: number): Writer => {
  return (plain) => gzipSync(plain, { level });
};
const deflate = (level: number): Writer => {
  return (plain) => deflateRawSync(plain, { level });
};
const zstd = (level: number): Writer => {
  return (plain) => {
    const params = { [constants.ZSTD_c_compressionLevel]: level };
    return zstdCompressSync(plain, { params, pledgedSrcSize: plain.byteLength });
  };
};

/** kopia's own writer of zstd has four levels, which it says are near these; pgzip's is gzip's made in parallel. */
const writers: ReadonlyMap<number, Writer> = new Map([
  [0x1000, gzip(usual)],
  [0x1001, gzip(fastest)],
  [0x1002, gzip(smallest)],
  [0x1100, zstd(3)],
  [0x1101, zstd(1)],
  [0x1102, zstd(7)],
  [0x1103, zstd(11)],
  [0x1200, writeS2],
  [0x1201, writeS2],
  [0x1202, writeS2],
  [0x1203, writeS2],
  [0x1300, gzip(usual)],
  [0x1301, gzip(fastest)],
  [0x1302, gzip(smallest)],
  [0x1500, deflate(usual)],
  [0x1501, deflate(fastest)],
  [0x1502, deflate(smallest)],
]);

function hexId(compressionId: number): string {
  return `0x${compressionId.toString(16)}`;
}
