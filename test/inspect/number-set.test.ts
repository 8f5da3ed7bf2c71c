import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NumberSet } from "../../src/inspect/number-set.ts";

test("a set of numbers is as one of objects", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 999 })), (numbers) => {
      const [set, model] = [new NumberSet(1000), new Set<number>()];
      for (const number of numbers) {
        assert.equal(set.add(number), !model.has(number));
        model.add(number);
      }
      assert.equal(set.size, model.size);
      for (let number = 0; number < 1000; number++) assert.equal(set.has(number), model.has(number));
    }),
  );
});
