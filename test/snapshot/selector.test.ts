import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { hasCode } from "../../src/base/errors.ts";
import { parseSnapshotSelector, selectParent, selectSnapshot } from "../../src/snapshot/selector.ts";
import type { SnapshotManifest } from "../../src/snapshot/snapshot-manifest.ts";
import { exampleManifest, timeNs } from "./stored-examples.ts";

const nowNs = timeNs("2026-11-24T20:00:00Z");

function snapshot(id: string, startTimeNs: bigint, more: Partial<SnapshotManifest> = {}): SnapshotManifest {
  return { ...exampleManifest, id, startTimeNs, endTimeNs: startTimeNs + 1n, ...more };
}

const select = (text: string, snapshots: readonly SnapshotManifest[]): string =>
  selectSnapshot(parseSnapshotSelector(text, nowNs).snapshot, snapshots).id;

function until(text: string): unknown {
  return { by: "time", untilNs: timeNs(text) };
}

describe("a snapshot selector", () => {
  const cases: [text: string, snapshot: unknown, path: string[]][] = [
    ["latest", { by: "age", back: 0 }, []],
    ["latest~0", { by: "age", back: 0 }, []],
    ["latest~12", { by: "age", back: 12 }, []],
    ["7f3d", { by: "id", prefix: "7f3d" }, []],
    ["7F3D", { by: "id", prefix: "7f3d" }, []],
    ["latest:", { by: "age", back: 0 }, []],
    ["latest:/", { by: "age", back: 0 }, []],
    ["latest:sub/dir", { by: "age", back: 0 }, ["sub", "dir"]],
    ["latest~1:/sub//./dir/", { by: "age", back: 1 }, ["sub", "dir"]],
    ["7f3d:a:b/c", { by: "id", prefix: "7f3d" }, ["a:b", "c"]],
    ["2026", { by: "id", prefix: "2026" }, []],
    ["2026-11-20", until("2026-11-20T23:59:59.999999999Z"), []],
    ["2026-11-20:a/b", until("2026-11-20T23:59:59.999999999Z"), ["a", "b"]],
    ["2026-11-20:10:30", until("2026-11-20T23:59:59.999999999Z"), ["10:30"]],
    ["2026-11-20T10:30", until("2026-11-20T10:30:59.999999999Z"), []],
    ["2026-11-20 10:30:a", until("2026-11-20T10:30:59.999999999Z"), ["a"]],
    ["2026-11-20T10:30:05Z:a:b", until("2026-11-20T10:30:05.999999999Z"), ["a:b"]],
    ["2026-11-20T10:30:05.25Z", until("2026-11-20T10:30:05.25Z"), []],
    ["2026-11-20T10:30:05+02:00:a", until("2026-11-20T08:30:05.999999999Z"), ["a"]],
    ["9999-12-31", until("9999-12-31T23:59:59.999999999Z"), []],
    ["2 days ago", until("2026-11-22T20:00:00Z"), []],
    ["1 hour ago:a b", until("2026-11-24T19:00:00Z"), ["a b"]],
    ["30minutes ago", until("2026-11-24T19:30:00Z"), []],
    ["999999999 weeks ago", until("0000-01-01T00:00:00Z"), []],
  ];
  for (const [text, snapshotPart, path] of cases) {
    it(`reads ${text}`, () => assert.deepEqual(parseSnapshotSelector(text, nowNs), { snapshot: snapshotPart, path }));
  }

  for (const text of [
    "",
    ":sub",
    "newest",
    "latest~",
    "latest~-1",
    "latest~x",
    "latest~1234567890",
    "Latest",
    "7g",
    "a".repeat(65),
    "latest:..",
    "2026-02-30",
    "2026-11-20T25:00Z",
    "2026-11-20T",
    "2026-11",
    "two days ago",
    "2 fortnights ago",
    "-2 days ago",
    "latest:a/../b",
    "latest:a\0b",
  ]) {
    it(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
      assert.throws(() => parseSnapshotSelector(text, nowNs), { code: "SNAPSHOT_SELECTOR_INVALID" });
    });
  }

  it("is a value or a coded error for any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        try {
          parseSnapshotSelector(text, nowNs);
        } catch (error) {
          assert(hasCode(error, "SNAPSHOT_SELECTOR_INVALID"));
        }
      }),
    );
  });
});

describe("selecting a snapshot", () => {
  const snapshots = [
    snapshot("aa01", 10n),
    snapshot("aa02", 30n),
    snapshot("bb01", 40n, { incomplete: "checkpoint" }),
    snapshot("cc01", 20n),
  ];

  it("counts complete ones from the latest start", () => {
    assert.equal(select("latest", snapshots), "aa02");
    assert.equal(select("latest~1", snapshots), "cc01");
    assert.equal(select("latest~2", snapshots), "aa01");
    assert.throws(() => select("latest~3", snapshots), { code: "SNAPSHOT_NOT_FOUND", message: /only 3 complete/ });
    assert.throws(() => select("latest", []), { code: "SNAPSHOT_NOT_FOUND" });
  });

  it("breaks a tie on the start by the end", () => {
    const tied = [snapshot("a1", 5n, { endTimeNs: 6n }), snapshot("a2", 5n, { endTimeNs: 9n })];
    assert.equal(select("latest", tied), "a2");
    assert.equal(select("latest", tied.toReversed()), "a2");
  });

  it("finds one by its id or its beginning, an incomplete one too", () => {
    assert.equal(select("aa01", snapshots), "aa01");
    assert.equal(select("c", snapshots), "cc01");
    assert.equal(select("bb", snapshots), "bb01");
    assert.throws(() => select("dd", snapshots), { code: "SNAPSHOT_NOT_FOUND" });
  });

  it("finds the last complete one that began by a time", () => {
    const day = (text: string, id: string, more = {}) => snapshot(id, timeNs(text), more);
    const kept = [
      day("2026-11-19T01:00:00.5Z", "a1"),
      day("2026-11-20T01:00:00.5Z", "a2"),
      day("2026-11-20T02:00:00Z", "a3", { incomplete: "canceled" }),
      day("2026-11-24T19:30:00Z", "a4"),
    ];
    assert.equal(select("2026-11-20", kept), "a2");
    assert.equal(select("2026-11-20T01:00:00Z", kept), "a2", "as a list tells it, to the second");
    assert.equal(select("2026-11-20T00:59:59Z", kept), "a1");
    assert.equal(select("1 minute ago", kept), "a4");
    assert.equal(select("1 hour ago", kept), "a2");
    assert.throws(() => select("2026-11-18", kept), {
      code: "SNAPSHOT_NOT_FOUND",
      message:
        "no complete snapshot began by 2026-11-18T23:59:59.999999999Z; the first began at 2026-11-19T01:00:00.5Z",
    });
    assert.throws(() => select("2026-11-18", []), { code: "SNAPSHOT_NOT_FOUND", message: /no complete snapshot$/ });
  });

  it("names the candidates of a beginning that several have", () => {
    assert.throws(() => select("aa", snapshots), {
      code: "SNAPSHOT_AMBIGUOUS",
      message: "snapshot aa may be any of aa01, aa02",
    });
    const many = Array.from({ length: 30 }, (_, index) => snapshot(`ab${index + 10}`, 0n));
    assert.throws(() => select("ab", many), { code: "SNAPSHOT_AMBIGUOUS", message: /ab17 and 22 more$/ });
  });

  it("prefers a whole id to those that begin with it", () => {
    assert.equal(select("aa", [snapshot("aabb", 1n), snapshot("aa", 0n)]), "aa");
  });
});

describe("selecting a parent", () => {
  const { source } = exampleManifest;
  const tags = { requester: "r", uploader: "k" };

  it("is the complete one of the source with all tags that started last", () => {
    const snapshots = [
      snapshot("01", 10n, { tags }),
      snapshot("02", 20n, { tags: { ...tags, more: "x" } }),
      snapshot("03", 30n, { tags, incomplete: "canceled" }),
      snapshot("04", 40n, { tags: { requester: "r" } }),
      snapshot("05", 50n, { tags: { ...tags, uploader: "other" } }),
      snapshot("06", 60n, { tags, source: { ...source, path: `${source.path}/` } }),
      snapshot("07", 70n, { tags, source: { ...source, host: "other" } }),
      snapshot("08", 80n, { tags, source: { ...source, userName: "other" } }),
    ];
    assert.equal(selectParent(snapshots, source, tags)?.id, "02");
    assert.equal(selectParent(snapshots, source, {})?.id, "05");
  });

  it("is none where no snapshot will do", () => {
    assert.equal(selectParent([], source, tags), undefined);
    const { tags: _none, ...untagged } = snapshot("01", 1n);
    assert.equal(selectParent([untagged], source, { toString: "x" }), undefined);
  });
});
