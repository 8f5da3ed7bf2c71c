/** Examples of the specification, section 13.6. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseObjectId, takeApart } from "../../../src/repository/object/object-id.ts";

test("object ids are read, and printed without the marker of old", () => {
  for (const [text, printed, indirections, compressed, contentId] of [
    ["f0f0", "f0f0", 0, false, "f0f0"],
    ["Df0f0", "f0f0", 0, false, "f0f0"],
    ["IDf0f0", "If0f0", 1, false, "f0f0"],
    ["IIDxf0f0", "IIxf0f0", 2, false, "xf0f0"],
    ["Dabcd", "abcd", 0, false, "abcd"],
    ["Zabcd", "Zabcd", 0, true, "abcd"],
    ["ZDabcd", "Zabcd", 0, true, "abcd"],
    ["IIabcd", "IIabcd", 2, false, "abcd"],
    ["kABCD", "kabcd", 0, false, "kabcd"],
  ] as const) {
    assert.equal(parseObjectId(text), printed, text);
    assert.deepEqual(takeApart(text), { indirections, compressed, contentId }, text);
  }
});

test("what is no object id is refused, and the empty text is no object", () => {
  const invalid = [
    "",
    "Dxf0f",
    "Da",
    "Daf0f0",
    "I1",
    "IZabcd",
    "ZIabcd",
    "ZZabcd",
    "X",
    "I",
    "Z",
    "D",
    "Tabcd",
    "ab cd",
  ];
  for (const text of [...invalid, `${"I".repeat(17)}abcd`, "abcd\n", "a".repeat(66), "ab/../cd"]) {
    assert.throws(() => parseObjectId(text), { code: "OBJECT_ID_INVALID" }, JSON.stringify(text));
  }
  assert.throws(
    () => parseObjectId("q".repeat(100_000)),
    ({ message }: Error) => message.length < 200,
  );
});
