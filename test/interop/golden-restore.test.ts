/** What kopia and Velero's own agent stored is restored as it was: contents, types, sizes, modes, owners, times, links. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fsbJson, fsbJsonLines, fsbRestore } from "../support/fsb.ts";
import { requireGolden, type TreeName, treeOf } from "../support/golden.ts";
import { requireRoot } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { assertSameTree, readManifest } from "../support/tree-manifest.ts";

const repositories = [
  ...["default-v3", "v1-small", "v2-small", "many-sessions", "after-maintenance", "flat", "empty"],
  ...["hash-blake2b-256", "hash-blake2s-128", "hash-blake2s-256", "hash-blake3-256", "hash-blake3-256-128"],
  ...["hash-hmac-sha256", "hash-hmac-sha256-128", "hash-hmac-sha3-256", "cipher-chacha20", "ecc-2-percent"],
  ...["splitter-fixed-1m", "splitter-dynamic-128k-buzhash", "splitter-dynamic-128k-rabinkarp"],
  ...["compression-gzip", "compression-pgzip", "compression-deflate-default"],
  ...["compression-zstd", "compression-zstd-fastest", "compression-s2-default", "compression-s2-better"],
];

test("no golden repository is left out", (t) => {
  const golden = requireGolden(t);
  if (golden !== undefined) assert.deepEqual(golden.repositories().toSorted(), repositories.toSorted());
});

for (const name of repositories) {
  test(`every snapshot that kopia stored in ${name} is listed and restores as its tree`, async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined || !requireRoot(t)) return;
    const work = temporaryFolder(t);
    const repository = golden.copyRepository(name, work);
    const status = JSON.stringify(await fsbJson(["repo", "status", "--repo", repository]));
    for (const choice of golden.formatChoices(name)) assert.ok(status.includes(choice), `${choice} in ${status}`);
    const expected = golden.snapshots(name).map((snapshot) => [snapshot.id, treeOf(snapshot)] as const);
    const listed = await fsbJsonLines(["snapshot", "list", "--repo", repository]);
    const found = listed.map((snapshot) => [snapshot.snapshotId, treeOf(snapshot)] as const);
    assert.deepEqual(new Map(found), new Map(expected));
    assert.equal(found.length, expected.length);

    for (const [id, tree] of expected) {
      await t.test(`${id} is ${tree}`, async () => {
        const target = join(work, id);
        await fsbRestore(id, target, repository);
        assertSameTree(golden.manifest(tree), readManifest(target));
      });
    }
  });
}

test("every snapshot that Velero 1.15 left in its bucket restores as its tree", async (t) => {
  const golden = requireGolden(t);
  if (golden === undefined || !requireRoot(t)) return;
  const work = temporaryFolder(t);
  const repository = golden.copyVeleroRepository(work);
  const listed = await fsbJsonLines(["snapshot", "list", "--repo", repository]);
  const named = golden.veleroSnapshots();
  assert.deepEqual(
    listed.map((snapshot) => snapshot.snapshotId).sort(),
    named.map((snapshot) => snapshot.snapshotId).sort(),
  );

  for (const { backup, volume, snapshotId, tree } of named) {
    await t.test(`${backup}/${volume} is ${tree}`, async () => {
      const target = join(work, snapshotId);
      await fsbRestore(snapshotId, target, repository);
      assertSameTree(golden.manifest(tree satisfies TreeName), readManifest(target));
    });
  }
});
