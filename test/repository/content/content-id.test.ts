import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareBytes, toHex } from "../../../src/base/bytes.ts";
import { contentIdOf, contentIdOfKey, keyOf, parseContentId } from "../../../src/repository/content/content-id.ts";

test("ids are hex, with a letter from g to z in front or none, and are given back in lower case", () => {
  for (const [text, id] of [
    ["ab", "ab"],
    ["ABCD", "abcd"],
    ["kABcd", "kabcd"],
    ["g00", "g00"],
    ["zff", "zff"],
    ["m".padEnd(65, "0"), "m".padEnd(65, "0")],
  ] as const) {
    assert.equal(parseContentId(text), id);
  }
  for (const text of ["", "a", "k", "abc", "kab0", "Kab", "{00", "k k0", "ab\n", "0".repeat(66), "m".padEnd(67, "0")]) {
    assert.throws(() => parseContentId(text), { code: "CONTENT_ID_INVALID" }, JSON.stringify(text));
  }
});

const anyParts = fc.tuple(
  fc.constantFrom("", "g", "k", "m", "x", "z"),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
);

test("the key of an id is its prefix or 0, then its hash, and leads back to it", () => {
  fc.assert(
    fc.property(anyParts, ([prefix, hash]) => {
      const id = parseContentId(contentIdOf(prefix, hash));
      const key = keyOf(id);
      assert.equal(toHex(key), (prefix === "" ? "00" : toHex(Buffer.from(prefix))) + toHex(hash));
      assert.equal(contentIdOfKey(key), id);
    }),
  );
});

test("keys sort as kopia sorts: no prefix first, then by prefix, then by hash", () => {
  fc.assert(
    fc.property(anyParts, anyParts, ([prefixA, hashA], [prefixB, hashB]) => {
      const order = compareBytes(keyOf(contentIdOf(prefixA, hashA)), keyOf(contentIdOf(prefixB, hashB)));
      const expected = prefixA === prefixB ? compareBytes(hashA, hashB) : prefixA < prefixB ? -1 : 1;
      assert.equal(order, expected);
    }),
  );
});
