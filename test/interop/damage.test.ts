/** What goes wrong is told by exit code, code and name, and a restore never calls wrong bytes a success. */

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { blobFiles, cutInHalf, flipBit } from "../support/blob-files.ts";
import { assertFailed, exitCodes, fsb, fsbBackup, fsbRestore, tryFsb } from "../support/fsb.ts";
import { type Golden, requireGoldenCopy } from "../support/golden.ts";
import { requireRoot } from "../support/required.ts";
import { SmallVolume } from "../support/small-volume.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { assertSameTree, compareManifests, readManifest } from "../support/tree-manifest.ts";

/** Every command that opens a repository, in a form that changes nothing but the repository. */
function commands(work: string, repository: string): readonly (readonly string[])[] {
  const id = "0123456789abcdef0123456789abcdef";
  const at = ["--repo", repository];
  return [
    ["repo", "status", ...at],
    ["backup", work, ...at],
    ["restore", id, join(work, "target"), ...at],
    ["snapshot", "list", ...at],
    ["snapshot", "verify", ...at],
  ];
}

test("a wrong password is told as that by every command", async (t) => {
  const prepared = requireGoldenCopy(t, "v2-small");
  if (prepared === undefined) return;
  const { work, repository } = prepared;
  const before = readManifest(repository);
  for (const args of commands(work, repository)) {
    assertFailed(await tryFsb(args, { password: "not-the-password" }), exitCodes.wrongPassword, /password/i);
  }
  assert.deepEqual(compareManifests(before, readManifest(repository)), []);
});

test("a folder without a repository, and a folder that is not there, are told as that and stay as they are", async (t) => {
  const work = temporaryFolder(t);
  const empty = join(work, "empty");
  mkdirSync(empty);
  for (const repository of [empty, join(work, "missing")]) {
    for (const args of commands(empty, repository)) {
      assertFailed(await tryFsb(args), exitCodes.noRepository, new RegExp(repository));
    }
  }
  assert.deepEqual([...readManifest(empty).keys()], ["."]);
  assert.equal(existsSync(join(work, "missing")), false);
});

test("a snapshot that is not there is told by its id", async (t) => {
  const prepared = requireGoldenCopy(t, "v2-small");
  if (prepared === undefined) return;
  const id = "0123456789abcdef0123456789abcdef";
  const run = await tryFsb(["restore", id, join(prepared.work, "target"), "--repo", prepared.repository]);
  assertFailed(run, exitCodes.failed, new RegExp(id));
});

for (const [damage, harm] of [
  ["a truncated pack", cutInHalf],
  ["a flipped bit in a pack", (path: string) => flipBit(path, 0.3)],
] as const) {
  test(`${damage} fails restore, cat and verify, and the pack is named`, async (t) => {
    const prepared = requireGoldenCopy(t, "v2-small");
    if (prepared === undefined) return;
    const { work, repository, snapshot } = prepared;
    const [pack] = blobFiles(repository, "p");
    assert.ok(pack);
    harm(pack.path);
    const named = new RegExp(pack.id);
    const at = ["--repo", repository];
    assertFailed(await tryFsb(["restore", snapshot, join(work, "target"), ...at]), exitCodes.failed, named);
    assertFailed(await tryFsb(["snapshot", "verify", snapshot, ...at]), exitCodes.failed, named);
    const files = ["hello.txt", "noise.bin", "compressible.log", "zeros", "bin/tool", "many/file-059"];
    const runs = [];
    for (const file of files) runs.push({ file, run: await tryFsb(["snapshot", "cat", `${snapshot}:${file}`, ...at]) });
    for (const { file, run } of runs) {
      if (run.exitCode === exitCodes.ok) assertSameBytes(prepared.golden, file, run.stdout);
      else assertFailed(run, exitCodes.failed, named);
    }
    assert.ok(runs.some(({ run }) => run.exitCode !== exitCodes.ok));
  });
}

test("a flipped bit in every index blob fails the restore, and one of them is named", async (t) => {
  const prepared = requireGoldenCopy(t, "v2-small");
  if (prepared === undefined) return;
  const { work, repository, snapshot } = prepared;
  const indexes = blobFiles(repository, "x");
  assert.notEqual(indexes.length, 0);
  for (const index of indexes) flipBit(index.path, 0.5);
  const run = await tryFsb(["restore", snapshot, join(work, "target"), "--repo", repository]);
  assertFailed(run, exitCodes.failed, new RegExp(indexes.map((index) => index.id).join("|")));
});

test("whatever one blob is damaged, and wherever, a restore is right or says that it failed", async (t) => {
  const prepared = requireGoldenCopy(t, "v2-small");
  if (prepared === undefined) return;
  const { golden, work, repository, snapshot } = prepared;
  const expected = golden.manifest("small-1");
  let failures = 0;
  const harms: [string, (path: string) => void][] = [
    ["first bit", (path) => flipBit(path, 0)],
    ["middle bit", (path) => flipBit(path, 0.6)],
    ["last bit", (path) => flipBit(path, 1)],
    ["cut", cutInHalf],
  ];
  for (const blob of blobFiles(repository, "").filter(({ id }) => !id.startsWith("kopia.maintenance"))) {
    for (const [harmed, harm] of harms) {
      const name = `${blob.id}-${harmed.replaceAll(" ", "-")}`;
      const copy = join(work, `copy-${name}`);
      cpSync(repository, copy, { recursive: true });
      const [damaged] = blobFiles(copy, blob.id);
      assert.ok(damaged);
      harm(damaged.path);
      const target = join(work, `target-${name}`);
      const run = await tryFsb(["restore", snapshot, target, "--repo", copy]);
      if (run.exitCode === exitCodes.ok) {
        assertSameTree(expected, readManifest(target));
      } else {
        failures++;
        const codes: number[] = [exitCodes.failed, exitCodes.wrongPassword];
        assertFailed(run, codes.includes(run.exitCode) ? run.exitCode : exitCodes.failed, /./);
      }
    }
  }
  assert.ok(failures >= 4, `${failures} failures`);
});

test("a repository in a read-only folder can be restored from, and a backup into it fails naming it", async (t) => {
  const prepared = requireGoldenCopy(t, "v2-small");
  if (prepared === undefined) return;
  const { golden, work, repository, snapshot } = prepared;
  using volume = new SmallVolume(work, 64);
  const readOnly = join(volume.folder, "repository");
  cpSync(repository, readOnly, { recursive: true });
  volume.makeReadOnly();
  const target = join(work, "target");
  await fsbRestore(snapshot, target, readOnly);
  assertSameTree(golden.manifest("small-1"), readManifest(target));
  assertFailed(await tryFsb(["backup", target, "--repo", readOnly]), exitCodes.failed, new RegExp(readOnly));
});

test("a backup into a full store fails as that, and what was stored before is still restored", async (t) => {
  if (!requireRoot(t)) return;
  const work = temporaryFolder(t);
  using store = new SmallVolume(work, 16);
  const volume = join(work, "volume");
  mkdirSync(volume);
  writeFileSync(join(volume, "small"), "fits");
  await fsb(["repo", "create", "--repo", store.folder]);
  const stored = await fsbBackup(volume, store.folder);
  const before = readManifest(volume);

  writeFileSync(join(volume, "large"), randomBytes(40_000_000));
  const run = await tryFsb(["backup", volume, "--repo", store.folder]);
  assertFailed(run, exitCodes.failed, /\[BLOB_STORE_FULL\]/);
  assert.match(run.stderr, new RegExp(store.folder));
  const target = join(work, "target");
  await fsbRestore(stored.snapshotId, target, store.folder);
  assertSameTree(before, readManifest(target));
});

test("a restore into a full target fails as that and names a path there", async (t) => {
  const prepared = requireGoldenCopy(t, "v2-small");
  if (prepared === undefined) return;
  const { work, repository, snapshot } = prepared;
  using target = new SmallVolume(work, 1);
  const run = await tryFsb(["restore", snapshot, target.folder, "--repo", repository]);
  assertFailed(run, exitCodes.failed, /ENOSPC|no space|full/i);
  assert.match(
    run.stderr,
    new RegExp(`${target.folder}|\\b(noise\\.bin|copy-of-noise\\.bin|zeros|compressible\\.log)`),
  );
});

test("a volume that is not there fails the backup and is named", async (t) => {
  const prepared = requireGoldenCopy(t, "v2-small");
  if (prepared === undefined) return;
  const missing = join(prepared.work, "vanished");
  const run = await tryFsb(["backup", missing, "--repo", prepared.repository]);
  assertFailed(run, exitCodes.failed, new RegExp(missing));
});

test("a target that is a file fails the restore, is named and stays as it is", async (t) => {
  const prepared = requireGoldenCopy(t, "v2-small");
  if (prepared === undefined) return;
  const target = join(prepared.work, "taken");
  writeFileSync(target, "mine");
  const run = await tryFsb(["restore", prepared.snapshot, target, "--repo", prepared.repository]);
  assertFailed(run, exitCodes.failed, new RegExp(target));
  assert.equal(readFileSync(target, "utf8"), "mine");
});

function assertSameBytes(golden: Golden, file: string, bytes: Buffer): void {
  const entry = golden.manifest("small-1").get(file);
  assert.equal(createHash("sha256").update(bytes).digest("hex"), entry?.sha256, file);
}
