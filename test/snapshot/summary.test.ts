import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseLossless } from "../../src/base/go-json.ts";
import { goTimeNsMax } from "../../src/base/go-time.ts";
import { decodeSummary, encodeSummary, failuresListedMax, SummaryBuilder } from "../../src/snapshot/summary.ts";
import { entry, summary } from "./arbitraries.ts";
import { emptyFolder, entryOf, rootFolder, subFolder, summaryOf, timeNs } from "./stored-examples.ts";

const thing = { what: "the summary", code: "FOLDER_INVALID" } as const;

describe("SummaryBuilder", () => {
  for (const [name, folder] of Object.entries({ emptyFolder, subFolder, rootFolder })) {
    it(`adds up ${name} as kopia does`, () => {
      const builder = new SummaryBuilder();
      for (const item of folder.entries) builder.add(item);
      assert.deepEqual(builder.build({ mtimeNs: folder.mtimeNs }), folder.summary);
    });
  }

  it("starts the latest time at the epoch, unless the folder is empty", () => {
    const builder = new SummaryBuilder();
    assert.equal(builder.build({ mtimeNs: -5n }).maxTimeNs, -5n);
    builder.add(entryOf({ name: "old", kind: "file", mtimeNs: -5n }));
    assert.equal(builder.build({ mtimeNs: 7n }).maxTimeNs, 0n);
  });

  it("counts failures apart from ignored ones and lists both by path", () => {
    const builder = new SummaryBuilder();
    builder.addFailure({ path: "sub/b", error: "permission denied", ignored: false });
    builder.addFailure({ path: "a", error: "is a socket", ignored: true });
    const below = summaryOf({ numFailed: 2, numIgnoredErrors: 1, errors: [{ path: "aa", error: "gone" }] });
    builder.add(entryOf({ name: "dir", kind: "folder", summary: below }));
    const built = builder.build({ mtimeNs: 0n, incomplete: "canceled" });
    assert.equal(
      encodeSummary(built),
      '{"size":0,"files":0,"symlinks":0,"dirs":2,"maxTime":"1970-01-01T00:00:00Z","incomplete":"canceled","numFailed":3,"numIgnoredErrors":2,"errors":[{"path":"a","error":"is a socket"},{"path":"aa","error":"gone"},{"path":"sub/b","error":"permission denied"}]}',
    );
  });

  it("does not take over the state of a folder below", () => {
    const builder = new SummaryBuilder();
    builder.add(entryOf({ name: "dir", kind: "folder", summary: summaryOf({ incomplete: "canceled" }) }));
    assert.equal(builder.build({ mtimeNs: 0n }).incomplete, undefined);
  });

  it("counts all failures and lists the first by path, in whatever order they come", () => {
    const failures = Array.from({ length: 5 * failuresListedMax }, (_, index) => ({
      path: `file-${String(index).padStart(4, "0")}`,
      error: "permission denied",
      ignored: false,
    }));
    fc.assert(
      fc.property(fc.shuffledSubarray(failures, { minLength: failures.length }), (shuffled) => {
        const builder = new SummaryBuilder();
        for (const failure of shuffled) builder.addFailure(failure);
        const built = builder.build({ mtimeNs: 0n });
        assert.equal(built.numFailed, failures.length);
        assert.deepEqual(
          built.errors.map((failure) => failure.path),
          failures.slice(0, failuresListedMax).map((failure) => failure.path),
        );
      }),
      { numRuns: 20 },
    );
  });

  it("stays within what can be written, whatever sizes and times are claimed", () => {
    const builder = new SummaryBuilder();
    for (const name of ["a", "b"]) {
      builder.add(entryOf({ name, kind: "file", size: Number.MAX_SAFE_INTEGER, mtimeNs: goTimeNsMax + 5n }));
    }
    const built = builder.build({ mtimeNs: 0n });
    assert.deepEqual(decodeSummary(parseLossless(encodeSummary(built)), thing), built);
  });

  it("goes its own way in a copy", () => {
    const builder = new SummaryBuilder();
    builder.add(entryOf({ name: "a", kind: "file", size: 1, mtimeNs: 1n }));
    builder.addFailure({ path: "b", error: "gone", ignored: false });
    const before = builder.build({ mtimeNs: 0n });
    const copy = builder.copy();
    copy.add(entryOf({ name: "c", kind: "symlink", mtimeNs: 9n }));
    copy.addFailure({ path: "d", error: "gone", ignored: true });
    assert.deepEqual(builder.build({ mtimeNs: 0n }), before);
    assert.deepEqual(builder.copy().build({ mtimeNs: 0n }), before);
    assert.equal(copy.build({ mtimeNs: 0n }).errors.length, 2);
  });

  it("gives the same for any order of the same entries", () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
        const sum = (list: typeof entries) => {
          const builder = new SummaryBuilder();
          for (const item of list) builder.add(item);
          return builder.build({ mtimeNs: 3n });
        };
        assert.deepEqual(sum(entries), sum(entries.toReversed()));
      }),
    );
  });
});

describe("stored summaries", () => {
  it("read back as they were", () => {
    fc.assert(
      fc.property(summary, (value) => {
        assert.deepEqual(decodeSummary(parseLossless(encodeSummary(value)), thing), value);
      }),
    );
  });

  it("may lack anything, have unknown keys and keys in another case", () => {
    assert.deepEqual(decodeSummary({}, thing), summaryOf({ dirs: 0 }));
    assert.deepEqual(
      decodeSummary({ SIZE: 3, maxtime: "1970-01-01T01:00:00+01:00", errors: null, more: [] }, thing),
      summaryOf({ size: 3, dirs: 0, maxTimeNs: timeNs("1970-01-01T00:00:00Z") }),
    );
  });

  for (const text of [
    '{"size":1.0}',
    '{"size":1e3}',
    '{"size":-1}',
    '{"size":"1"}',
    '{"size":9007199254740993}',
    '{"maxTime":5}',
    '{"errors":{}}',
    '{"errors":[1]}',
    '{"incomplete":1}',
    "[]",
    "null",
    "1.5",
  ]) {
    it(`refuse ${text}`, () =>
      assert.throws(() => decodeSummary(parseLossless(text), thing), { code: "FOLDER_INVALID" }));
  }
});
