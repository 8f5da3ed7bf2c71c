import assert from "node:assert/strict";
import { test } from "node:test";
import { parseGoDuration } from "../../src/base/go-duration.ts";

test("durations are those that Go writes and people type", () => {
  const known: Readonly<Record<string, number>> = {
    "10m0s": 600_000,
    "10m": 600_000,
    "1h15m30.5s": 4_530_500,
    ".5s": 500,
    "1.s": 1000,
    "300ms": 300,
    "250us": 0.25,
    "+4h": 14_400_000,
    "0": 0,
    "0s": 0,
  };
  for (const [text, ms] of Object.entries(known)) assert.equal(parseGoDuration(text), ms, text);
});

test("what is none is none", () => {
  for (const text of ["", "10", "m", "10m5", "-1s", "1 s", "1d", "++1s", ".s", "1e3s", `${"9".repeat(400)}h`]) {
    assert.equal(parseGoDuration(text), undefined, text);
  }
});
