/** `fsb snapshot diff`: what it says is what differs. */

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assertFailed, exitCodes, fsb, fsbBackup, fsbJsonLines, tryFsb } from "../support/fsb.ts";
import { requireGolden } from "../support/golden.ts";
import { requireRoot } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { linkTo, writeTree } from "../support/tree.ts";
import type { Manifest, ManifestEntry } from "../support/tree-manifest.ts";

describe("the difference of two snapshots of kopia's", () => {
  it("is that of the trees that were backed up", async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const repo = ["--repo", golden.repositoryFolder("many-sessions")];
    const listed = await fsbJsonLines(["snapshot", "list", ...repo]);
    const [one, two] = ["small-1", "small-2"].map((tree) => {
      return String(listed.find(({ tags }) => (tags as Record<string, string>)["tag:tree"] === tree)?.snapshotId);
    }) as [string, string];
    const [small1, small2] = [golden.manifest("small-1"), golden.manifest("small-2")];
    const expected = differencesOf(small1, small2);
    assert.ok(expected.length > 5);
    assert.deepEqual(await differences(one, two, ...repo), expected);
    assert.deepEqual(await differences(two, one, ...repo), differencesOf(small2, small1));
    assert.deepEqual(await differences(one, one, ...repo), []);
  });
});

describe("the difference of a snapshot and a folder here", () => {
  it("is none for the tree that was backed up", async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined || !requireRoot(t)) return;
    const tree = await golden.makeTree("small-1", temporaryFolder(t));
    const repo = ["--repo", golden.repositoryFolder("many-sessions")];
    const listed = await fsbJsonLines(["snapshot", "list", ...repo]);
    const stored = listed.find(({ tags }) => (tags as Record<string, string>)["tag:tree"] === "small-1");
    assert.deepEqual(await differences(String(stored?.snapshotId), "--folder", tree, "--read-data", ...repo), []);
  });

  it("names contents, links, modes and kinds, and what is hidden behind the same size and time when it is read", async (t) => {
    const folder = temporaryFolder(t);
    const [volume, repository] = [join(folder, "volume"), join(folder, "repository")];
    const repo = ["--repo", repository];
    writeTree(volume, { same: "same", silent: "aaaa", touched: "t", link: linkTo("one"), kind: "x", gone: { a: "1" } });
    const old = new Date("2026-01-01T00:00:00Z");
    for (const name of ["silent", "same", "touched", "."]) utimesSync(join(volume, name), old, old);
    await fsb(["repo", "create", ...repo]);
    await fsbBackup(volume, repository);
    assert.deepEqual(await differences("latest", "--folder", volume, "--read-data", ...repo), []);

    writeFileSync(join(volume, "silent"), "bbbb");
    utimesSync(join(volume, "silent"), old, old);
    utimesSync(join(volume, "touched"), old, new Date("2026-01-02T00:00:00Z"));
    chmodSync(join(volume, "same"), 0o600);
    rmSync(join(volume, "gone"), { recursive: true });
    rmSync(join(volume, "kind"));
    mkdirSync(join(volume, "kind"));
    writeFileSync(join(volume, "kind", "new"), "1");
    rmSync(join(volume, "link"));
    symlinkSync("two", join(volume, "link"));
    utimesSync(volume, old, old);
    const found = [
      "removed gone ",
      "removed gone/a ",
      "removed kind ",
      "added kind ",
      "added kind/new ",
      "changed link contents,time",
      "changed same mode",
      "changed touched time",
    ];
    assert.deepEqual(await differences("latest", "--folder", volume, ...repo), found);
    assert.deepEqual(await differences("latest", "--folder", volume, "--read-data", ...repo), [
      ...found.slice(0, 7),
      "changed silent contents",
      "changed touched time",
    ]);
    assert.deepEqual(await differences("latest:gone", "latest:gone", ...repo), []);
    assert.deepEqual(await differences("latest:same", "latest:touched", ...repo), ["changed  contents,size"]);
  });

  it("wants one other side, and a folder that is there", async (t) => {
    const folder = temporaryFolder(t);
    const [volume, repository] = [join(folder, "volume"), join(folder, "repository")];
    const repo = ["--repo", repository];
    writeTree(volume, { a: "1" });
    await fsb(["repo", "create", ...repo]);
    await fsbBackup(volume, repository);
    const run = (...args: readonly string[]) => tryFsb(["snapshot", "diff", ...args, ...repo]);
    assertFailed(await run("latest"), exitCodes.failed, /CLI_USAGE/);
    assertFailed(await run("latest", "latest", "--folder", volume), exitCodes.failed, /CLI_USAGE/);
    assertFailed(await run("latest", "--folder", join(folder, "none")), exitCodes.failed, /VOLUME_NOT_FOUND/);
    assert.equal(readFileSync(join(volume, "a"), "utf8"), "1");
  });
});

async function differences(...args: readonly string[]): Promise<readonly string[]> {
  const rows = await fsbJsonLines(["snapshot", "diff", ...args]);
  return rows.map(({ change, path, what }) => `${change} ${path} ${(what as readonly string[]).join(",")}`);
}

/** In the order of the command: by the bytes of names, folder by folder. */
function differencesOf(before: Manifest, after: Manifest): readonly string[] {
  const found = new Map<string, string>();
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const [one, two] = [before.get(path), after.get(path)];
    const change = one === undefined ? "added" : two === undefined ? "removed" : "changed";
    const what = one && two ? aspectsOf(one, two) : [];
    if (change === "changed" && what.length === 0) continue;
    found.set(path, `${change} ${path === "." ? "" : path} ${what.join(",")}`);
  }
  const key = (path: string) => (path === "." ? "" : path.replaceAll("/", "\0"));
  return [...found].sort(([a], [b]) => (key(a) < key(b) ? -1 : 1)).map(([, text]) => text);
}

function aspectsOf(one: ManifestEntry, two: ManifestEntry): readonly string[] {
  assert.equal(one.type, two.type, one.path);
  const changed: readonly [string, boolean][] = [
    ["contents", one.sha256 !== two.sha256 || one.target !== two.target],
    ["size", one.size !== two.size],
    ["mode", one.mode !== two.mode],
    ["owner", one.uid !== two.uid || one.gid !== two.gid],
    ["time", one.mtimeNs !== two.mtimeNs],
  ];
  return changed.flatMap(([aspect, isSo]) => (isSo ? [aspect] : []));
}
