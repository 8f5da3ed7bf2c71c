import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bufferOf, concatBytes } from "../../../src/base/bytes.ts";
import { protectedLength, protectInto, recover, shardsFor } from "../../../src/kernel/typescript/error-correction.ts";
import { noise } from "../byte-sources.ts";

const crcBytes = 4;

function withParity(bytes: Uint8Array, percent: number): Uint8Array {
  const before = 3;
  const target = new Uint8Array(before + protectedLength(bytes.byteLength, percent));
  protectInto(target, before, bytes, percent);
  assert.deepEqual([...target.subarray(0, before)], [0, 0, 0]);
  return target.subarray(before);
}

/** Specification, section 13.5. */
for (const [percent, shardBytesMax, dataShards, parityShards] of [
  [1, 1024, 254, 2],
  [2, 512, 164, 2],
  [3, 256, 139, 2],
  [5, 128, 128, 2],
  [6, 128, 128, 3],
  [7, 64, 254, 2],
  [10, 64, 128, 4],
  [20, 64, 128, 17],
  [50, 64, 128, 56],
  [100, 64, 128, 120],
] as const) {
  test(`${percent} percent make ${parityShards} shards of parity for ${dataShards} of data`, () => {
    assert.deepEqual(shardsFor(percent), { shardBytesMax, dataShards, parityShards });
  });
}

test("a few bytes have two shards of parity for six of data, each with its CRC", () => {
  // 8 shards of 4 + 1 bytes.
  assert.equal(protectedLength(1, 2), 1 + 39);
  const stored = withParity(Uint8Array.of(0xab), 2);
  const data = Array.from({ length: 6 }, (_, i) => stored[(2 + i) * 5 + crcBytes]);
  assert.deepEqual(data, [0, 0, 0, 1, 0xab, 0]);
});

/** Around every border between layouts. */
const anyPercent = fc.constantFrom(1, 2, 3, 5, 7, 10, 20, 100);
const anyLength = fc.oneof(fc.nat(1100), fc.nat(40_000), fc.integer({ min: 83_000, max: 170_000 }));
const source = noise(300_000);

test("whatever is protected is recovered, and takes what was said", () => {
  fc.assert(
    fc.property(anyPercent, anyLength, fc.nat(1000), (percent, length, start) => {
      const bytes = source.subarray(start, start + length);
      assert.deepEqual(bufferOf(recover(withParity(bytes, percent), percent) as Uint8Array), bufferOf(bytes));
    }),
    { numRuns: 60 },
  );
});

test("as many damaged shards as there are of parity are repaired in each block, wherever they are", () => {
  fc.assert(
    fc.property(anyPercent, anyLength, fc.nat(), (percent, length, seed) => {
      const bytes = source.subarray(0, length);
      const stored = withParity(bytes, percent);
      const blocks = shardsOf(stored.byteLength, length, percent);
      for (const [block, { shards, parityShards }] of blocks.entries()) {
        for (const shard of pick(shards, parityShards, seed + block)) damage(stored, shard, seed);
      }
      assert.deepEqual(bufferOf(recover(stored, percent) as Uint8Array), bufferOf(bytes));
    }),
    { numRuns: 60 },
  );
});

test("one damaged shard more than there is parity for is too much", () => {
  fc.assert(
    fc.property(anyPercent, anyLength, fc.nat(), (percent, length, seed) => {
      const stored = withParity(source.subarray(0, length), percent);
      const blocks = shardsOf(stored.byteLength, length, percent);
      const { shards, parityShards } = blocks[seed % blocks.length] as Block;
      const data = shards.slice(parityShards);
      const lost = [
        data[seed % data.length] as Shard,
        ...pick(
          shards.filter((one) => one !== data[seed % data.length]),
          parityShards,
          seed,
        ),
      ];
      if (lost.length <= parityShards) return; // A short last block has no more shards than that.
      for (const shard of lost) damage(stored, shard, seed);
      assert.equal(recover(stored, percent), undefined);
    }),
    { numRuns: 60 },
  );
});

test("bytes that no one protected, or that were cut off or added to, never give more than they are", () => {
  const stored = withParity(source.subarray(0, 5000), 2);
  fc.assert(
    fc.property(anyPercent, fc.uint8Array({ maxLength: 3000 }), fc.nat(5000), (percent, bytes, kept) => {
      for (const given of [bytes, stored.subarray(0, kept), concatBytes([stored, bytes])]) {
        const answer = recover(given, percent);
        assert.ok(answer === undefined || answer.byteLength <= given.byteLength + 254 * 1024);
      }
    }),
  );
  assert.equal(recover(new Uint8Array(0), 2), undefined);
});

interface Shard {
  readonly start: number;
  readonly end: number;
}

interface Block {
  readonly shards: readonly Shard[];
  readonly parityShards: number;
}

/** Where each block's shards lie, parity first, told from the layout's description and not from the code. */
function shardsOf(storedBytes: number, inputBytes: number, percent: number): Block[] {
  const { dataShards, parityShards, shardBytesMax } = shardsFor(percent);
  const length = 4 + inputBytes;
  const isSmall = length <= 8 * (dataShards + parityShards);
  const [d, p] = isSmall ? [6, 2] : [dataShards, parityShards];
  const isSingle = length <= dataShards * shardBytesMax;
  const shardBytes = isSingle ? Math.ceil(length / d) : shardBytesMax;
  const blocks = isSingle ? 1 : Math.ceil(length / (dataShards * shardBytesMax));
  const stride = crcBytes + shardBytes;
  const shard = (number: number): Shard => ({
    start: number * stride,
    end: Math.min((number + 1) * stride, storedBytes),
  });
  return Array.from({ length: blocks }, (_, block) => {
    const parity = Array.from({ length: p }, (_, i) => shard(block * p + i));
    const data = Array.from({ length: d }, (_, i) => shard(blocks * p + block * d + i));
    return { shards: [...parity, ...data.filter(({ start }) => start < storedBytes)], parityShards: p };
  });
}

function pick<T>(items: readonly T[], count: number, seed: number): T[] {
  const step = Math.max(1, Math.floor(items.length / count));
  return Array.from({ length: Math.min(count, items.length) }, (_, i) => items[(seed + i * step) % items.length] as T);
}

function damage(stored: Uint8Array, { start, end }: Shard, seed: number): void {
  stored[start + (seed % (end - start))]! ^= 1 << (seed % 8);
}
