import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatMode, parseMode } from "../../src/snapshot/mode.ts";

describe("stored modes", () => {
  const cases: [mode: number, text: string][] = [
    [0o644, "0644"],
    [0o1777, "04000777"],
    [0o2775, "020000775"],
    [0o4755, "040000755"],
    [0o7777, "064000777"],
    [0o777, "0777"],
    [0o001, "01"],
    [0, "00"],
  ];
  for (const [mode, text] of cases) {
    it(`writes ${mode.toString(8)} as ${text}`, () => {
      assert.equal(formatMode(mode), text);
      assert.equal(parseMode(text), mode);
    });
  }

  it("reads what Go reads: octal by 0 or 0o, hex by 0x, and decimal without a prefix", () => {
    assert.equal(parseMode("0o755"), 0o755);
    assert.equal(parseMode("0O755"), 0o755);
    assert.equal(parseMode("0x1ED"), 0o755);
    assert.equal(parseMode("493"), 0o755);
    assert.equal(parseMode("755"), 755 & 0o777);
    assert.equal(parseMode("0"), 0);
  });

  it("drops bits that are not among the twelve", () => {
    assert.equal(parseMode("017777777777"), 0o7777);
  });

  for (const text of [
    "",
    "0o",
    "0x",
    "08",
    "rwx",
    "-1",
    "+1",
    " 0644",
    "0644\n",
    "1e3",
    "0_644",
    "020000000000",
    "0".repeat(99),
  ]) {
    it(`does not read ${JSON.stringify(text)}`, () => assert.equal(parseMode(text), undefined));
  }

  it("reads back every mode", () => {
    fc.assert(fc.property(fc.nat(0o7777), (mode) => assert.equal(parseMode(formatMode(mode)), mode)));
  });
});
