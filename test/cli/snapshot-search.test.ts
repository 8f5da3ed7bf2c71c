/** `fsb snapshot du`, `find` and `history`: what they say is what was backed up. */

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { assertFailed, exitCodes, fsb, fsbBackup, fsbJsonLines, tryFsb } from "../support/fsb.ts";
import { type Golden, requireGolden } from "../support/golden.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { writeTree } from "../support/tree.ts";
import type { Manifest } from "../support/tree-manifest.ts";

describe("du of a snapshot of kopia's", () => {
  it("is what the files of the tree add up to, in each folder", async (t) => {
    const scene = await goldenScene(t);
    if (scene === undefined) return;
    const { manifest, snapshotId, repo } = scene;
    const rows = await fsbJsonLines(["snapshot", "du", snapshotId, "--depth=100", ...repo]);
    const folders = [...manifest.values()].filter(({ type }) => type === "directory").map(({ path }) => path);
    assert.deepEqual(rows.map(({ path }) => (path === "" ? "." : path)).sort(), folders.sort());
    for (const row of rows) {
      const below = [...manifest.values()].filter(({ path }) => row.path === "" || path.startsWith(`${row.path}/`));
      const files = below.filter(({ type }) => type === "file");
      assert.equal(
        row.size,
        files.reduce((sum, { size = 0 }) => sum + size, 0),
        String(row.path),
      );
      assert.equal(row.files, files.length, String(row.path));
      assert.equal(row.symlinks, below.filter(({ type }) => type === "symlink").length, String(row.path));
    }
    const top = await fsbJsonLines(["snapshot", "du", snapshotId, ...repo]);
    assert.deepEqual(
      top,
      rows.filter(({ path }) => !String(path).includes("/")),
    );
    const [only, ...others] = await fsbJsonLines(["snapshot", "du", `${snapshotId}:many`, "--depth=0", ...repo]);
    assert.deepEqual([only, others], [rows.find(({ path }) => path === "many"), []]);
  });
});

describe("find in snapshots of kopia's", () => {
  it("names every entry of the tree, and of those the ones that match", async (t) => {
    const scene = await goldenScene(t);
    if (scene === undefined) return;
    const { manifest, snapshotId, repo } = scene;
    const rows = await fsbJsonLines(["snapshot", "find", "*", snapshotId, ...repo]);
    const expected = [...manifest.keys()].filter((path) => path !== ".").map((path) => path.toWellFormed());
    assert.deepEqual(rows.map(({ path }) => path).sort(), expected.sort());
    const texts = await fsbJsonLines(["snapshot", "find", "*.TXT", snapshotId, "--ignore-case", ...repo]);
    assert.deepEqual(
      texts.map(({ path }) => path),
      rows.map(({ path }) => path).filter((path) => /\.txt$/i.test(String(path))),
    );
    const deep = await fsbJsonLines(["snapshot", "find", "nested/**/deep.*", snapshotId, ...repo]);
    assert.deepEqual(
      deep.map(({ path }) => path),
      ["nested/a/b/c/d/e/f/g/deep.txt"],
    );
    const below = await fsbJsonLines(["snapshot", "find", "deep.txt", `${snapshotId}:nested/a`, ...repo]);
    assert.deepEqual(below, deep);
  });

  it("finds in all what it finds in each", async (t) => {
    const scene = await goldenScene(t);
    if (scene === undefined) return;
    const { repo, snapshots } = scene;
    const all = await fsbJsonLines(["snapshot", "find", "new-file", "--all", ...repo]);
    assert.ok(all.length > 1 && all.length < snapshots.length, `${all.length} of ${snapshots.length}`);
    const withIt = snapshots.filter(({ tags }) => (tags as Record<string, string>)["tag:tree"] === "small-2");
    assert.deepEqual(
      all.map(({ snapshotId, path }) => [snapshotId, path]),
      withIt.map(({ snapshotId }) => [snapshotId, "added/new-file"]),
    );
    assertFailed(await tryFsb(["snapshot", "find", "x", "latest", "--all", ...repo]), exitCodes.failed, /CLI_USAGE/);
  });
});

describe("the history of a path", () => {
  it("is when it appeared, changed and vanished, source by source", async (t) => {
    const folder = temporaryFolder(t);
    const [volume, repository] = [join(folder, "volume"), join(folder, "repository")];
    const repo = ["--repo", repository];
    await fsb(["repo", "create", ...repo]);
    const ids: string[] = [];
    const backUp = async (source: string) => {
      ids.push((await fsbBackup(volume, repository, "--source", source)).snapshotId);
    };
    writeTree(volume, { other: "x" });
    await backUp("a@a:/a");
    writeTree(volume, { sub: { file: "one" } });
    await backUp("a@a:/a");
    await backUp("a@a:/a");
    writeTree(volume, { sub: { file: "three" } });
    await backUp("a@a:/a");
    await backUp("b@b:/b");
    rmSync(join(volume, "sub"), { recursive: true });
    await backUp("a@a:/a");
    writeTree(volume, { sub: { file: "again" } });
    await backUp("a@a:/a");
    const rows = await fsbJsonLines(["snapshot", "history", "/sub/file", ...repo]);
    assert.deepEqual(
      rows.map(({ source, change, snapshotId, lastSnapshotId, snapshots, size }) => {
        const [first, last] = [snapshotId, lastSnapshotId].map((id) => ids.indexOf(String(id)));
        return [source, change, first, last, snapshots, size];
      }),
      [
        ["a@a:/a", "appeared", 1, 2, 2, 3],
        ["a@a:/a", "changed", 3, 3, 1, 5],
        ["a@a:/a", "vanished", 5, 5, 1, undefined],
        ["a@a:/a", "appeared", 6, 6, 1, 5],
        ["b@b:/b", "appeared", 4, 4, 1, 5],
      ],
    );
    assert.deepEqual(rows[1]?.what, ["contents", "size", "time"]);
    const ofB = await fsbJsonLines(["snapshot", "history", "sub/file", "--source=b@b:/b", ...repo]);
    assert.deepEqual(ofB, rows.slice(4));
    const none = await tryFsb(["snapshot", "history", "sub/none", ...repo]);
    assertFailed(none, exitCodes.failed, /SNAPSHOT_PATH_NOT_FOUND/);
  });
});

interface Scene {
  readonly golden: Golden;
  readonly repo: readonly string[];
  readonly snapshots: readonly Record<string, unknown>[];
  /** Of small-1. */
  readonly manifest: Manifest;
  readonly snapshotId: string;
}

async function goldenScene(t: TestContext): Promise<Scene | undefined> {
  const golden = requireGolden(t);
  if (golden === undefined) return undefined;
  const repo = ["--repo", golden.repositoryFolder("many-sessions")];
  const snapshots = await fsbJsonLines(["snapshot", "list", ...repo]);
  const stored = snapshots.find(({ tags }) => (tags as Record<string, string>)["tag:tree"] === "small-1");
  return { golden, repo, snapshots, manifest: golden.manifest("small-1"), snapshotId: String(stored?.snapshotId) };
}
