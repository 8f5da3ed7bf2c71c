import assert from "node:assert/strict";
import { test } from "node:test";
import { type ContentId, contentIdOfKey, keyOf } from "../../../src/repository/content/content-id.ts";
import { IndexView } from "../../../src/repository/index/index-view.ts";
import { recordOf, tableOf } from "../memory-repository.ts";

const one = "00112233445566778899aabbccddeeff";
const two = "k0112233445566778899aabbccddeeff0";
const three = "m0112233445566778899aabbccddeeff0";

function idsOf(view: IndexView): string[] {
  return [...view.records()].map(({ record }) => contentIdOfKey(record.key)).sort();
}

test("each content has one number, that of its winning entry, by which it is found again", () => {
  const older = tableOf(recordOf(one, { timestampSeconds: 5, packOffset: 1 }), recordOf(two, { timestampSeconds: 5 }));
  const younger = tableOf(recordOf(one, { timestampSeconds: 6, packOffset: 2 }), recordOf(three));
  const view = new IndexView([older, younger], 0);
  assert.equal(view.count, 4);
  assert.deepEqual(idsOf(view), [one, two, three].sort());
  const numbers = [...view.records()].map(({ number }) => number);
  assert.equal(new Set(numbers).size, 3);
  for (const { number, record } of view.records()) {
    assert.deepEqual(view.at(number), record);
    assert.equal(view.find(record.key)?.number, number);
  }
  assert.equal(view.find(keyOf(one as ContentId))?.record.packOffset, 2);
});

test("a tombstone shows until the watermark has passed it", () => {
  const table = tableOf(recordOf(one, { timestampSeconds: 5, deleted: true }), recordOf(two, { timestampSeconds: 5 }));
  assert.deepEqual(idsOf(new IndexView([table], 4)), [one, two]);
  assert.deepEqual(idsOf(new IndexView([table], 5)), [two]);
});

test("numbers are ordered by where their bytes lie", () => {
  const table = tableOf(
    recordOf(one, { packId: "p1", packOffset: 70 }),
    recordOf(two, { packId: "p2", packOffset: 10 }),
    recordOf(three, { packId: "p1", packOffset: 20 }),
  );
  const view = new IndexView([table], 0);
  const numbers = [...view.records()].map(({ number }) => number).sort((a, b) => view.comparePlaces(a, b));
  const places = numbers.map((number) => view.at(number)).map(({ packId, packOffset }) => [packId, packOffset]);
  const [p1, p2] = [places.filter(([pack]) => pack === "p1"), places.filter(([pack]) => pack === "p2")];
  assert.deepEqual(
    [p1, p2],
    [
      [
        ["p1", 20],
        ["p1", 70],
      ],
      [["p2", 10]],
    ],
  );
  assert.ok(
    [
      [...p1, ...p2],
      [...p2, ...p1],
    ].some((order) => JSON.stringify(order) === JSON.stringify(places)),
  );
});
