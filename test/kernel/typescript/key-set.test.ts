import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../../src/base/bytes.ts";
import { KeySet } from "../../../src/kernel/typescript/key-set.ts";

/** Many share their last four bytes, which choose the slot. */
const anyKey = fc
  .tuple(fc.nat(255), fc.constantFrom(0, 1, 255))
  .map(([first, last]) => Uint8Array.of(first, 0, last, last, last, last));

test("a key set is a set", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom("add", "add", "add", "has", "clear"), anyKey)), (commands) => {
      const keys = new KeySet(6);
      const model = new Set<string>();
      for (const [command, key] of commands) {
        const known = model.has(toHex(key));
        if (command === "has") assert.equal(keys.has(key), known);
        if (command === "add") {
          assert.equal(keys.add(key), !known);
          model.add(toHex(key));
        }
        if (command === "clear") {
          keys.clear();
          model.clear();
        }
        assert.equal(keys.count, model.size);
      }
    }),
  );
});

test("a key set grows to a hundred thousand keys and owns what it holds", () => {
  const keys = new KeySet(17);
  const key = Buffer.alloc(17);
  const setKey = (i: number): Buffer => {
    key.writeUInt32BE(Math.imul(i, 2_654_435_761) >>> 0, 13);
    return key;
  };
  for (let i = 0; i < 100_000; i++) assert.equal(keys.add(setKey(i)), true);
  for (let i = 0; i < 100_000; i++) assert.equal(keys.has(setKey(i)), true);
  for (let i = 100_000; i < 101_000; i++) assert.equal(keys.has(setKey(i)), false);
  assert.equal(keys.count, 100_000);
});
