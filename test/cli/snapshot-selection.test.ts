/** Which snapshots a command sees, and which one is meant. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { assertFailed, exitCodes, fsb, fsbBackup, fsbJson, fsbJsonLines, tryFsb } from "../support/fsb.ts";
import { requireGolden } from "../support/golden.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { writeTree } from "../support/tree.ts";

describe("snapshots that Velero 1.15 stored", () => {
  it("are chosen by backup, pod and volume", async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const repo = ["--repo", golden.copyVeleroRepository(temporaryFolder(t))];
    const all = await fsbJsonLines(["snapshot", "list", ...repo]);
    const expected = golden.veleroSnapshots();
    assert.equal(all.length, expected.length);
    for (const { backup, volume, snapshotId } of expected) {
      const flags = ["--backup", backup, "--volume", volume, "--pod-namespace", "shop"];
      const [found, ...others] = await fsbJsonLines(["snapshot", "list", ...flags, ...repo]);
      assert.deepEqual([found?.snapshotId, found?.backup, found?.volume, others], [snapshotId, backup, volume, []]);
      assert.equal((await fsbJson(["snapshot", "show", ...flags, ...repo])).snapshotId, snapshotId);
      const pod = String(found?.pod);
      assert.ok((await fsb(["snapshot", "list", "--pod", pod, ...repo])).includes(snapshotId), pod);
      const other = await tryFsb(["snapshot", "show", snapshotId, "--pod", "another", ...repo]);
      assertFailed(other, exitCodes.failed, /there is no snapshot of pod another \[SNAPSHOT_NOT_FOUND\]/);
    }
  });
});

describe("snapshots of two sources", () => {
  it("are told apart by source, pod and time, by restore too", async (t) => {
    const folder = temporaryFolder(t);
    const [volume, repository] = [join(folder, "volume"), join(folder, "repository")];
    const repo = ["--repo", repository];
    await fsb(["repo", "create", ...repo]);
    writeTree(volume, { "a.txt": "first", sub: { "10:30": "with a colon" } });
    const source = "default@default:snapshot-pod-volume/kopia/shop/db-0/data";
    const first = await fsbBackup(volume, repository, "--source", source);
    writeTree(volume, { "a.txt": "second" });
    const second = await fsbBackup(volume, repository, "--source", "me@here:/else");
    const cat = async (...args: readonly string[]) => await fsb(["snapshot", "cat", ...args, ...repo]);
    assert.equal(await cat("latest:a.txt"), "second");
    assert.equal(await cat("latest:a.txt", "--pod=db-0"), "first");
    assert.equal(await cat("latest:a.txt", "--source", source), "first");
    assert.equal(await cat("0 seconds ago:a.txt", "--volume=data"), "first");
    const [{ startTime } = {}] = await fsbJsonLines([
      "snapshot",
      "list",
      "--where",
      `snapshotId=${first.snapshotId}`,
      ...repo,
    ]);
    assert.equal(await cat(`${startTime}:sub/10:30`), "with a colon");
    assert.equal(await cat(`${String(startTime).slice(0, 10)}:a.txt`, "--pod-namespace=shop"), "first");
    assertFailed(await tryFsb(["snapshot", "show", "3 weeks ago", ...repo]), exitCodes.failed, /SNAPSHOT_NOT_FOUND/);
    assertFailed(
      await tryFsb(["snapshot", "show", "2026-13-01", ...repo]),
      exitCodes.failed,
      /SNAPSHOT_SELECTOR_INVALID/,
    );
    const restored = await fsbJson(["restore", "latest", join(folder, "target"), "--pod", "db-0", ...repo]);
    assert.equal(restored.snapshotId, first.snapshotId);
    const none = await tryFsb(["snapshot", "list", "--backup", "nightly", ...repo]);
    assert.match(none.stderr, /no snapshot here says which backup it is of/);
    assert.notEqual(first.snapshotId, second.snapshotId);
  });
});
