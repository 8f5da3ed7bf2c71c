/**
 * REED-SOLOMON-CRC32: bytes with parity beside them, from which shards that were damaged can be made again.
 *
 * What is protected is `u32 length ‖ bytes`, cut into blocks of data shards; each block has parity shards of its own, and
 * each shard a CRC-32 before it, which tells whether it is as it was stored. All parity comes first, then all data:
 *
 *   for each block, for each parity shard:  u32 CRC ‖ shard
 *   for each data shard:                    u32 CRC ‖ shard
 *
 * A long input has shards of a fixed size, and nothing is stored behind its last byte: what is missing is zeros. A shorter
 * one has a single block of shards just large enough, stored whole.
 *
 * The code: bytes at one place of a block's data shards are the values of a polynomial over GF(2^8) at 0, 1, 2 …, and
 * those of the parity shards its values at the points that follow. As many shards as there are data shards, whichever they
 * are, determine the polynomial. (Multiplying by a Vandermonde matrix and the inverse of its top, as others do, is the same.)
 *
 * Source: docs/format/encryption.md; kopia repo/ecc, klauspost/reedsolomon.
 */

import { crc32 } from "node:zlib";
import { viewOf } from "../../base/bytes.ts";

const crcBytes = 4;
const lengthBytes = 4;
/** What a short input is cut into, for which many shards would be little but CRCs. */
const smallDataShards = 6;
const smallParityShards = 2;
/** Short is what has so many bytes for each shard that a long input's block has. */
const smallBytesPerShard = 8;

interface Layout {
  readonly blocks: number;
  readonly dataShards: number;
  readonly parityShards: number;
  readonly shardBytes: number;
  /** Of the data shards, those that are stored. */
  readonly storedShards: number;
  /** Bytes of data that are stored: all, or up to where the input ends. */
  readonly dataBytes: number;
}

interface Shards {
  readonly dataShards: number;
  readonly parityShards: number;
  readonly shardBytesMax: number;
}

/** What `bytes` bytes take with their parity. `percent` is 1 to 100. */
export function protectedLength(bytes: number, percent: number): number {
  const { blocks, parityShards, shardBytes, storedShards, dataBytes } = layoutOf(bytes, percent);
  return blocks * parityShards * (crcBytes + shardBytes) + storedShards * crcBytes + dataBytes;
}

/** Writes the bytes with their parity at `target[offset…]`, as many as `protectedLength` says. */
export function protectInto(target: Uint8Array, offset: number, bytes: Uint8Array, percent: number): void {
  const layout = layoutOf(bytes.byteLength, percent);
  const { blocks, dataShards, parityShards, shardBytes, storedShards, dataBytes } = layout;
  const data = new Uint8Array(blocks * dataShards * shardBytes);
  viewOf(data).setUint32(0, bytes.byteLength);
  data.set(bytes, lengthBytes);
  const view = viewOf(target);
  let at = offset;
  const rows = parityRows(dataShards, parityShards);
  for (let block = 0; block < blocks; block++) {
    const shards = shardsIn(data, block * dataShards, dataShards, shardBytes);
    for (const row of rows) {
      const parity = target.subarray(at + crcBytes, at + crcBytes + shardBytes);
      combine(parity, shards, row);
      view.setUint32(at, crc32(parity));
      at += crcBytes + shardBytes;
    }
  }
  for (let shard = 0; shard < storedShards; shard++) {
    const start = shard * shardBytes;
    view.setUint32(at, crc32(data.subarray(start, start + shardBytes)));
    const stored = data.subarray(start, Math.min(start + shardBytes, dataBytes));
    target.set(stored, at + crcBytes);
    at += crcBytes + stored.byteLength;
  }
}

/** The bytes that were protected, repaired where they are damaged; undefined where there is too much damage. */
export function recover(stored: Uint8Array, percent: number): Uint8Array | undefined {
  const layout = layoutOfStored(stored.byteLength, percent);
  const { blocks, dataShards, parityShards, shardBytes, storedShards } = layout;
  const stride = crcBytes + shardBytes;
  const data = new Uint8Array(blocks * dataShards * shardBytes);
  const view = viewOf(stored);
  const isWhole = (at: number, shard: Uint8Array): boolean => {
    return at + crcBytes <= stored.byteLength && view.getUint32(at) === crc32(shard);
  };
  const parityAt = (block: number, row: number): number => (block * parityShards + row) * stride;
  const dataAt = (shard: number): number => (blocks * parityShards + shard) * stride;
  for (let block = 0; block < blocks; block++) {
    const shards = shardsIn(data, block * dataShards, dataShards, shardBytes);
    const damaged: number[] = [];
    for (const [i, shard] of shards.entries()) {
      const at = dataAt(block * dataShards + i);
      if (block * dataShards + i >= storedShards) continue; // Zeros, which need not be stored.
      shard.set(stored.subarray(at + crcBytes, at + stride));
      if (!isWhole(at, shard)) damaged.push(i);
    }
    if (damaged.length === 0) continue;
    const whole = shards.flatMap((shard, point) => (damaged.includes(point) ? [] : [{ point, shard }]));
    for (let row = 0; row < parityShards && whole.length < dataShards; row++) {
      const at = parityAt(block, row);
      const shard = stored.subarray(at + crcBytes, at + stride);
      if (isWhole(at, shard) && shard.byteLength === shardBytes) whole.push({ point: dataShards + row, shard });
    }
    if (whole.length < dataShards) return undefined;
    const points = whole.map(({ point }) => point);
    const values = whole.map(({ shard }) => shard);
    for (const i of damaged) combine(shards[i] as Uint8Array, values, interpolation(points, i));
  }
  if (data.byteLength < lengthBytes) return undefined;
  const end = lengthBytes + viewOf(data).getUint32(0);
  return end > data.byteLength ? undefined : data.subarray(lengthBytes, end);
}

function shardsIn(data: Uint8Array, first: number, count: number, shardBytes: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const start = (first + i) * shardBytes;
    return data.subarray(start, start + shardBytes);
  });
}

function layoutOf(bytes: number, percent: number): Layout {
  const { dataShards, parityShards, shardBytesMax } = shardsFor(percent);
  const length = lengthBytes + bytes;
  if (length <= smallBytesPerShard * (dataShards + parityShards))
    return oneBlock(smallDataShards, smallParityShards, length);
  if (length <= dataShards * shardBytesMax) return oneBlock(dataShards, parityShards, length);
  return {
    blocks: Math.ceil(length / (dataShards * shardBytesMax)),
    dataShards,
    parityShards,
    shardBytes: shardBytesMax,
    storedShards: Math.ceil(length / shardBytesMax),
    dataBytes: length,
  };
}

/** Of a single block whose data takes so many bytes: it is stored whole. */
function oneBlock(dataShards: number, parityShards: number, length: number): Layout {
  const shardBytes = Math.ceil(length / dataShards);
  const dataBytes = dataShards * shardBytes;
  return { blocks: 1, dataShards, parityShards, shardBytes, storedShards: dataShards, dataBytes };
}

function layoutOfStored(storedBytes: number, percent: number): Layout {
  const { dataShards, parityShards, shardBytesMax } = shardsFor(percent);
  const smallShardBytesMax = Math.ceil((smallBytesPerShard * (dataShards + parityShards)) / smallDataShards);
  const smallMax = (smallDataShards + smallParityShards) * (crcBytes + smallShardBytesMax);
  const stride = crcBytes + shardBytesMax;
  if (storedBytes <= smallMax || storedBytes <= (dataShards + parityShards) * stride) {
    const [d, p] = storedBytes <= smallMax ? [smallDataShards, smallParityShards] : [dataShards, parityShards];
    const shardBytes = Math.max(Math.ceil(storedBytes / (d + p)), crcBytes + 1) - crcBytes;
    return oneBlock(d, p, d * shardBytes);
  }
  const blocks = Math.ceil(storedBytes / ((dataShards + parityShards) * stride));
  const storedShards = Math.ceil((storedBytes - blocks * parityShards * stride) / stride);
  const dataBytes = storedBytes - blocks * parityShards * stride - storedShards * crcBytes;
  return { blocks, dataShards, parityShards, shardBytes: shardBytesMax, storedShards, dataBytes };
}

/** kopia's choice, in numbers of 32 bits as it makes it. */
export function shardsFor(percent: number): Shards {
  const shardBytesMax = percent === 1 ? 1024 : percent === 2 ? 512 : percent === 3 ? 256 : percent <= 6 ? 128 : 64;
  const leftForParity = Math.max(
    Math.fround(percent - Math.fround((100 * crcBytes) / shardBytesMax)),
    Math.fround(0.01),
  );
  const parityShards = between(1, Math.floor(128 * Math.fround(leftForParity / 100)), 128);
  if (parityShards > 1) return { dataShards: 128, parityShards, shardBytesMax };
  return {
    dataShards: between(128, Math.floor(2 * Math.fround(100 / leftForParity)), 254),
    parityShards: 2,
    shardBytesMax,
  };
}

function between(least: number, value: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

/** `target` = Σ factors[i] · shards[i], byte by byte. */
function combine(target: Uint8Array, shards: readonly Uint8Array[], factors: Uint8Array): void {
  target.fill(0);
  const count = target.byteLength;
  for (const [i, shard] of shards.entries()) {
    const factor = factors[i] as number;
    if (factor === 0) continue;
    const product = products.subarray(factor << 8, (factor + 1) << 8);
    for (let k = 0; k < count; k++) target[k] = (target[k] as number) ^ (product[shard[k] as number] as number);
  }
}

const knownRows = new Map<string, readonly Uint8Array[]>();

function parityRows(dataShards: number, parityShards: number): readonly Uint8Array[] {
  const key = `${dataShards} ${parityShards}`;
  const known = knownRows.get(key);
  if (known !== undefined) return known;
  const points = Array.from({ length: dataShards }, (_, point) => point);
  const rows = Array.from({ length: parityShards }, (_, row) => interpolation(points, dataShards + row));
  knownRows.set(key, rows);
  return rows;
}

/** Lagrange's factors: the value at `x` is the sum of each factor times the value at its point. */
function interpolation(points: readonly number[], x: number): Uint8Array {
  return Uint8Array.from(points, (point) => {
    let log = 0;
    for (const other of points) {
      if (other === point) continue;
      if (other === x) return 0;
      log += (logs[x ^ other] as number) - (logs[point ^ other] as number);
    }
    return powers[((log % 255) + 255) % 255] as number;
  });
}

/** GF(2^8) over x^8 + x^4 + x^3 + x^2 + 1: the powers of x, and their logarithms. */
const powers = new Uint8Array(255);
const logs = new Uint8Array(256);
for (let power = 0, value = 1; power < 255; power++) {
  powers[power] = value;
  logs[value] = power;
  value = (value << 1) ^ (value & 0x80 ? 0x11d : 0);
}

/** a · b at `a << 8 | b`. */
const products = new Uint8Array(1 << 16);
for (let a = 1; a < 256; a++) {
  for (let b = 1; b < 256; b++) {
    products[(a << 8) | b] = powers[((logs[a] as number) + (logs[b] as number)) % 255] as number;
  }
}
