import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { clampGoTime, formatGoTime, goTimeNsMax, goTimeNsMin, parseGoTime } from "../../src/base/go-time.ts";

describe("Go times", () => {
  const cases: [text: string, timeNs: bigint][] = [
    ["1970-01-01T00:00:00Z", 0n],
    ["2025-03-04T05:06:07Z", 1741064767_000000000n],
    ["2025-03-04T05:06:07.12Z", 1741064767_120000000n],
    ["2025-01-15T10:30:00.000000001Z", 1736937000_000000001n],
    ["1969-12-31T23:59:59.999999999Z", -1n],
    ["1969-12-31T23:59:59Z", -1_000_000_000n],
    ["1754-08-30T22:43:41.128654848Z", -6795364578871345152n],
    ["2262-04-11T23:47:16.854775807Z", 9223372036854775807n],
    ["2024-02-29T12:00:00.5Z", 1709208000_500000000n],
    ["0000-01-01T00:00:00Z", goTimeNsMin],
    ["9999-12-31T23:59:59.999999999Z", goTimeNsMax],
  ];
  for (const [text, timeNs] of cases) {
    it(`writes and reads ${text}`, () => {
      assert.equal(formatGoTime(timeNs), text);
      assert.equal(parseGoTime(text), timeNs);
    });
  }

  it("reads any offset, zeros at the end, and drops digits past the ninth", () => {
    assert.equal(parseGoTime("1970-01-01T01:30:00+01:30"), 0n);
    assert.equal(parseGoTime("1969-12-31T16:00:00.5-08:00"), 500_000_000n);
    assert.equal(parseGoTime("1970-01-01T00:00:00.100000000Z"), 100_000_000n);
    assert.equal(parseGoTime("1970-01-01T00:00:00.1234567899Z"), 123_456_789n);
    assert.equal(parseGoTime("1970-01-01T00:00:00-00:00"), 0n);
  });

  const refused = [
    "",
    "null",
    "1970-01-01",
    "1970-01-01T00:00:00",
    "1970-01-01t00:00:00z",
    "1970-01-01 00:00:00Z",
    "1970-01-01T00:00:00.Z",
    "1970-01-01T00:00:00,5Z",
    "1970-1-01T00:00:00Z",
    "1970-13-01T00:00:00Z",
    "1970-00-01T00:00:00Z",
    "1970-04-31T00:00:00Z",
    "1970-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "1970-01-00T00:00:00Z",
    "1970-01-01T24:00:00Z",
    "1970-01-01T00:60:00Z",
    "1970-01-01T00:00:60Z",
    "1970-01-01T00:00:00+24:00",
    "1970-01-01T00:00:00+00:60",
    "10000-01-01T00:00:00Z",
    "-001-01-01T00:00:00Z",
    "0000-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "1970-01-01T00:00:00Z\n",
  ];
  for (const text of refused) {
    it(`does not read ${JSON.stringify(text)}`, () => assert.equal(parseGoTime(text), undefined));
  }

  it("reads back any time that it wrote, in the shortest form", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: goTimeNsMin, max: goTimeNsMax }), (timeNs) => {
        const text = formatGoTime(timeNs);
        assert.equal(parseGoTime(text), timeNs);
        assert.doesNotMatch(text, /\.Z|\.\d*0Z/);
      }),
    );
  });

  it("writes years outside 0 to 9999 only after they were clamped", () => {
    for (const timeNs of [goTimeNsMin - 1n, goTimeNsMax + 1n]) assert.throws(() => formatGoTime(timeNs));
    assert.equal(clampGoTime(goTimeNsMin - 1n), goTimeNsMin);
    assert.equal(clampGoTime(goTimeNsMax + 1n), goTimeNsMax);
    assert.equal(clampGoTime(-1n), -1n);
  });
});
