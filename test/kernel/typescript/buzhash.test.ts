import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { dynamic4M, dynamicSizes, findCut, type SplitterSizes } from "../../../src/kernel/typescript/buzhash.ts";
import { requireGolden } from "../../support/golden.ts";
import { noise, xorshiftBytes } from "../byte-sources.ts";

const mebibyte = 1 << 20;
const input = xorshiftBytes(40 * mebibyte);

function cutOffsets(bytes: Uint8Array, sizes: SplitterSizes): number[] {
  const offsets: number[] = [];
  for (let start = 0; ; ) {
    const length = findCut(bytes.subarray(start), sizes);
    if (length === undefined) return offsets;
    start += length;
    offsets.push(start);
  }
}

test("the input of the splitter vectors is the specification's", () => {
  const digest = createHash("sha256").update(input).digest("hex");
  assert.equal(digest, "4434aef3955f87ebb79647be6652603fd5e5a0fc01f096db47cdbb3fd74ee09b");
});

/** Specification, section 13.4. */
const vectors: readonly (readonly [average: number, offsets: readonly number[]])[] = [
  [
    2 * mebibyte,
    [
      3109452, 6865645, 8348443, 12542747, 13745730, 15081095, 18393820, 20566133, 24298998, 28493302, 29950864,
      34145168, 37069831, 39153423, 41652992,
    ],
  ],
  [4 * mebibyte, [8388608, 13745730, 18393820, 24379324, 29950864, 35096173, 41652992]],
  [8 * mebibyte, [14161041, 30938257]],
];

for (const [average, offsets] of vectors) {
  test(`an average of ${average / mebibyte} MiB cuts where kopia cuts`, () => {
    assert.deepEqual(cutOffsets(input, dynamicSizes(average)), offsets);
  });
}

test("a run of zeros is cut at the least length, again and again", () => {
  const zeros = new Uint8Array(5 * 2 * mebibyte + 17);
  assert.deepEqual(
    cutOffsets(zeros, dynamic4M),
    [1, 2, 3, 4, 5].map((count) => count * 2 * mebibyte),
  );
});

test("bytes below the least length are never cut", () => {
  assert.equal(findCut(new Uint8Array(0), dynamic4M), undefined);
  assert.equal(findCut(new Uint8Array(dynamic4M.minimum - 1), dynamic4M), undefined);
  assert.equal(findCut(new Uint8Array(dynamic4M.minimum), dynamic4M), dynamic4M.minimum);
});

test("a cut does not depend on what follows it, and shorter input is cut there or not at all", () => {
  const sizes = dynamicSizes(64 << 10);
  fc.assert(
    fc.property(fc.nat(8 * mebibyte), fc.nat(3 * sizes.maximum), (start, length) => {
      const whole = findCut(input.subarray(start, start + 4 * sizes.maximum), sizes) as number;
      const part = findCut(input.subarray(start, start + length), sizes);
      assert.equal(part, length >= whole ? whole : undefined);
    }),
    { numRuns: 200 },
  );
});

for (const size of ["128K", "256K", "512K", "1M", "2M", "4M", "8M"]) {
  test(`DYNAMIC-${size}-BUZHASH cuts the golden inputs as kopia does`, (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const average = Number.parseInt(size, 10) * (size.endsWith("M") ? mebibyte : 1024);
    const expected = golden.splitterVectors(`DYNAMIC-${size}-BUZHASH`);
    for (const [bytes, lengths] of [
      [noise(24_000_000), expected.noise],
      [new Uint8Array(12_000_000), expected.zeros],
    ] as const) {
      const offsets = cutOffsets(bytes, dynamicSizes(average));
      // The last length is what is left when there is no further cut.
      assert.deepEqual([...offsets, bytes.byteLength], sumsOf(lengths));
    }
  });
}

function sumsOf(lengths: readonly number[]): number[] {
  let sum = 0;
  return lengths.map((length) => (sum += length));
}
