/** A tree that is stored anew gets the root object id that kopia gives it: folder objects agree byte for byte. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { fsbBackup } from "../support/fsb.ts";
import { type Golden, goldenSource, requireGolden, type TreeName } from "../support/golden.ts";
import { requireKopia } from "../support/kopia.ts";
import { requireRoot } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const trees: readonly TreeName[] = ["small-1", "small-2", "large-1", "large-2"];

for (const repository of ["default-v3", "many-sessions"]) {
  test(`every golden tree stored anew into ${repository} has the root object that kopia gives it`, async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined || !requireRoot(t)) return;
    const work = temporaryFolder(t);
    const copy = golden.copyRepository(repository, work);

    for (const tree of trees) {
      const recorded = golden.rootObjects(repository).get(tree);
      const says = recorded === undefined ? "kopia gives it in a copy" : "is recorded";
      await t.test(`${tree} gets the id that ${says}`, async (t) => {
        const folder = await golden.makeTree(tree, work);
        const expected = recorded ?? (await rootObjectByKopia(t, golden, repository, folder));
        if (expected === undefined) return;
        const stored = await fsbBackup(folder, copy, "--parent", "none", "--source", goldenSource);
        assert.equal(stored.rootObjectId, expected);
      });
    }
  });
}

/** Stores the folder into another copy with the real kopia. Undefined when there is none and the test was skipped. */
async function rootObjectByKopia(
  t: TestContext,
  golden: Golden,
  repository: string,
  folder: string,
): Promise<string | undefined> {
  const work = temporaryFolder(t);
  const kopia = await requireKopia(t, work);
  if (kopia === undefined) return undefined;
  await kopia.connectFilesystem(golden.copyRepository(repository, work));
  const stored = await kopia.snapshotCreate(folder, { source: "other@other:/tree" });
  return stored.rootEntry.obj;
}
