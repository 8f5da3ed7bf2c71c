import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type BlobId, type BlobMetadata, parseBlobId } from "../../../src/repository/blob/blob-store.ts";
import { epochOf, epochStateOf, firstCompleteSet, uncompactedPrefix } from "../../../src/repository/index/epochs.ts";

function listing(ids: readonly string[]): BlobMetadata[] {
  return ids.map((id) => ({ id: parseBlobId(id), length: 1, modifiedMs: 0 }));
}

function activeOf(...ids: readonly string[]): string[] {
  return [...epochStateOf(listing(ids)).active].sort();
}

const table: readonly (readonly [sentence: string, listed: readonly string[], active: readonly string[]])[] = [
  ["nothing is nothing", [], []],
  ["without a marker the epoch is 0", ["xn0_a", "xn0_b"], ["xn0_a", "xn0_b"]],
  [
    "the epoch behind the current one counts too, the one behind that does not",
    ["xn0_a", "xn1_b", "xn2_c"],
    ["xn0_a", "xn1_b"],
  ],
  [
    "blobs of every epoch count until they are compacted",
    ["xe3", "xn0_a", "xn1_b", "xn2_c", "xn3_d"],
    ["xn0_a", "xn1_b", "xn2_c", "xn3_d"],
  ],
  ["a compacted epoch takes the place of its blobs", ["xe2", "xn0_a", "xn0_b", "xs0_c", "xn2_d"], ["xn2_d", "xs0_c"]],
  ["a compacted epoch that is not settled is not used", ["xe1", "xn0_a", "xs0_b"], ["xn0_a"]],
  [
    "compacted epochs need not follow each other",
    ["xe4", "xn0_a", "xs1_b", "xn1_c", "xn2_d", "xs2_e"],
    ["xn0_a", "xs1_b", "xs2_e"],
  ],
  ["an incomplete set is not used", ["xe2", "xn0_a", "xs0_b-s1-c2"], ["xn0_a"]],
  ["a complete set is used whole", ["xe2", "xn0_a", "xs0_b-s1-c2", "xs0_c-s1-c2"], ["xs0_b-s1-c2", "xs0_c-s1-c2"]],
  ["of several complete sets one is used", ["xe2", "xs0_a-s1-c1", "xs0_b-s2-c1"], ["xs0_a-s1-c1"]],
  ["a complete set is used beside an incomplete one", ["xe2", "xs0_a-s1-c2", "xs0_b-s2-c1", "xn0_c"], ["xs0_b-s2-c1"]],
  ["epoch 12 is not epoch 1", ["xe14", "xs1_a", "xn12_b", "xn1_c"], ["xn12_b", "xs1_a"]],
  [
    "a range takes the place of all its epochs",
    ["xe4", "xn0_a", "xs1_b", "xr0_1_c", "xn2_d", "xn3_e"],
    ["xn2_d", "xn3_e", "xr0_1_c"],
  ],
  ["ranges follow each other", ["xe9", "xr0_2_a", "xr3_6_b", "xn7_c", "xn5_d"], ["xn7_c", "xr0_2_a", "xr3_6_b"]],
  [
    "a range that does not connect is not used",
    ["xe9", "xr0_2_a", "xr4_6_b", "xn3_c", "xn4_d"],
    ["xn3_c", "xn4_d", "xr0_2_a"],
  ],
  ["a range that does not begin at 0 is not used", ["xe9", "xr1_6_a", "xn1_b"], ["xn1_b"]],
  ["the chain that reaches farthest is used", ["xe9", "xr0_1_a", "xr0_2_b", "xr2_6_c"], ["xr0_1_a", "xr2_6_c"]],
  ["of chains that reach as far the shorter is used", ["xe9", "xr0_1_a", "xr2_6_b", "xr0_6_c"], ["xr0_6_c"]],
  ["an incomplete range is not used", ["xe9", "xr0_1_a-s1-c2", "xn0_b", "xs1_c"], ["xn0_b", "xs1_c"]],
  [
    "a range of several blobs is used whole",
    ["xe9", "xr0_1_a-s1-c2", "xr0_1_b-s1-c2", "xn0_c"],
    ["xr0_1_a-s1-c2", "xr0_1_b-s1-c2"],
  ],
  [
    "a range of one epoch hides nothing",
    ["xe9", "xr0_0_a", "xn0_b", "xr1_3_c", "xn4_d"],
    ["xn4_d", "xr0_0_a", "xr1_3_c"],
  ],
  ["a range that ends before it begins is none", ["xe9", "xr0_1_a", "xr2_1_b", "xn2_c"], ["xn2_c", "xr0_1_a"]],
  [
    "names that mean nothing are passed over",
    ["xn_a", "xnx1x_b", "xe", "xq0_c", "xr0_d", "xwx", "x", "xn0_e"],
    ["xn0_e"],
  ],
];

for (const [sentence, listed, active] of table) {
  test(`active index blobs: ${sentence}`, () => {
    assert.deepEqual(activeOf(...listed), active);
  });
}

test("the epoch to write into is the greatest that a marker names", () => {
  const epochFrom = (...ids: string[]): number => epochStateOf(listing(ids)).writeEpoch;
  assert.equal(epochFrom("xn7_a"), 0);
  assert.equal(epochFrom("xe2", "xe10", "xe9"), 10);
  assert.equal(uncompactedPrefix(10), "xn10_");
});

test("the watermark is the latest that a marker names", () => {
  const watermarkFrom = (...ids: string[]): number => epochStateOf(listing(ids)).watermarkSeconds;
  assert.equal(watermarkFrom(), 0);
  assert.equal(watermarkFrom("xw1700000000", "xw999", "xw1700000001x", "xw-5"), 1_700_000_000);
});

test("a marker that names an epoch beyond counting neither stops nor hides anything", () => {
  for (const marker of ["xe9007199254740991", `xe${"9".repeat(200)}`, "xr0_9007199254740992_a-s1-c2"]) {
    const { active, writeEpoch } = epochStateOf(listing([marker, "xn0_a", "xs1_b"]));
    assert.ok(active.includes(parseBlobId("xn0_a")), marker);
    assert.ok(Number.isSafeInteger(writeEpoch), marker);
  }
});

test("the epoch of a blob is the number between its letters and the first underscore", () => {
  for (const [id, epoch] of [
    ["x01234_1235", 1234],
    ["pppp9", 9],
    ["abc1234_xxxx-sadfasd", 1234],
    ["_", undefined],
    ["a_", undefined],
    ["x123x_", undefined],
    ["", undefined],
  ] as const) {
    assert.equal(epochOf(id), epoch, id);
  }
});

test("sets are complete when as many blobs are there as their names say", () => {
  const first = (...ids: string[]): string[] | undefined => firstCompleteSet(ids as BlobId[]);
  assert.deepEqual(first("a-s0-c2", "b-s0-c2"), ["a-s0-c2", "b-s0-c2"]);
  assert.equal(first("a-s0-c2"), undefined);
  assert.deepEqual(first("a-s0-c2", "malformed", "b-s0-c2"), ["malformed"]);
  assert.deepEqual(first("a-s0-c2", "b-s0-c2", "malformed"), ["a-s0-c2", "b-s0-c2"]);
  assert.deepEqual(first("a-s0-c3", "b-s1-c1", "c-s0-c3"), ["b-s1-c1"]);
  assert.deepEqual(first("a-x0-c2"), ["a-x0-c2"]);
  assert.deepEqual(first("a-s0-2"), ["a-s0-2"]);
  assert.deepEqual(first("a-s0-c2-more", "b-s0-c2-more"), ["a-s0-c2-more", "b-s0-c2-more"]);
});

test("no epoch is ever left out: each with blobs is there itself, compacted, or in a range", () => {
  const epochs = fc.nat(8);
  const anyId = fc.oneof(
    epochs.map((epoch) => `xn${epoch}_a`),
    epochs.map((epoch) => `xs${epoch}_a-s1-c1`),
    epochs.map((epoch) => `xs${epoch}_b-s2-c2`),
    fc.tuple(epochs, epochs).map(([first, last]) => `xr${first}_${last}_a-s1-c1`),
    epochs.map((epoch) => `xe${epoch}`),
  );
  fc.assert(
    fc.property(fc.uniqueArray(anyId, { maxLength: 30, size: "max" }), (ids) => {
      const { active, writeEpoch } = epochStateOf(listing(ids));
      assert.equal(new Set(active).size, active.length);
      for (const id of ids) {
        const epoch = id.startsWith("xn") ? (epochOf(id) as number) : undefined;
        if (epoch === undefined || epoch > writeEpoch + 1) continue;
        const covered = active.some((other) => {
          const range = /^xr(\d+)_(\d+)_/.exec(other);
          if (range !== null) return Number(range[1]) <= epoch && epoch <= Number(range[2]);
          return other === id || other.startsWith(`xs${epoch}_`);
        });
        assert.ok(covered, `${id} with ${ids.join(" ")}`);
      }
    }),
    { numRuns: 500 },
  );
});
