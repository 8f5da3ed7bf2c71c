import assert from "node:assert/strict";
import { test } from "node:test";
import { parseByteSize } from "../../src/base/byte-size.ts";

test("a size is read with the units that people and Kubernetes write", () => {
  for (const [text, bytes] of [
    ["0", 0],
    ["1000000", 1_000_000],
    ["20MB", 20_000_000],
    ["20 mb", 20_000_000],
    ["1.5GiB", 1.5 * 2 ** 30],
    ["256Mi", 256 * 2 ** 20],
    ["256MiB", 256 * 2 ** 20],
    ["7k", 7000],
    ["1TiB", 2 ** 40],
    ["12B", 12],
  ] as const) {
    assert.equal(parseByteSize(text), bytes, text);
  }
});

test("what is no size, or more than can be counted, is none", () => {
  for (const text of ["", "MB", "-1", "1e6", "1,5MB", "1MBit", "0x10", "1 2MB", "1m i", "999999999999999TB", "∞"]) {
    assert.equal(parseByteSize(text), undefined, text);
  }
});
