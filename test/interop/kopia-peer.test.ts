import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { goldenSource, requireGolden, treeOf } from "../support/golden.ts";
import { requireKopia } from "../support/kopia.ts";
import { requireRoot } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { asKopiaRestores, assertSameTree, readManifest } from "../support/tree-manifest.ts";

test("the peer is the kopia that made the golden data: it stores the same root object and restores the same tree", async (t) => {
  const work = temporaryFolder(t);
  const golden = requireGolden(t);
  const kopia = await requireKopia(t, work);
  if (golden === undefined || kopia === undefined || !requireRoot(t)) return;

  await kopia.connectFilesystem(golden.copyRepository("many-sessions", work));
  const tree = await golden.makeTree("small-1", work);
  const stored = await kopia.snapshotCreate(tree, { source: goldenSource, tags: { tree: "small-1" }, forceHash: true });
  assert.equal(stored.rootEntry.obj, golden.rootObjects("many-sessions").get("small-1"));
  assert.equal(treeOf(stored), "small-1");

  const target = join(work, "restored");
  await kopia.restore(stored.id, target);
  assertSameTree(golden.manifest("small-1"), readManifest(target), asKopiaRestores);
  await kopia.verify();
  assert.ok((await kopia.contentStats()).count > 100);
});

test("the bucket that Velero left opens as a filesystem repository and holds the snapshots its backups name", async (t) => {
  const work = temporaryFolder(t);
  const golden = requireGolden(t);
  const kopia = await requireKopia(t, work);
  if (golden === undefined || kopia === undefined) return;

  await kopia.connectFilesystem(golden.copyVeleroRepository(work), "--flat");
  const ids = (await kopia.snapshotList()).map((snapshot) => snapshot.id);
  const named = golden.veleroSnapshots();
  assert.deepEqual(ids.sort(), named.map((snapshot) => snapshot.snapshotId).sort());
  assert.deepEqual(named.map((snapshot) => `${snapshot.backup}/${snapshot.volume}`).sort(), [
    "b1/data",
    "b1/scratch",
    "b2/data",
    "b2/scratch",
  ]);
});
