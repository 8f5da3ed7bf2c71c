/** A tree that is stored anew gets the root object id that kopia gives it: folder objects agree byte for byte. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { fsbBackup } from "../support/fsb.ts";
import { type Golden, goldenSource, requireGolden, type TreeName } from "../support/golden.ts";
import { requireKopia } from "../support/kopia.ts";
import { requireRoot } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const trees: readonly TreeName[] = ["small-1", "small-2", "large-1", "large-2"];

/** Each holds `small-1`. How contents are compressed does not count for an object's id. */
const formats = [
  ...["v1-small", "v2-small", "flat", "after-maintenance", "cipher-chacha20", "ecc-2-percent"],
  ...["hash-blake2b-256", "hash-blake2s-128", "hash-blake2s-256", "hash-blake3-256", "hash-blake3-256-128"],
  ...["hash-hmac-sha256", "hash-hmac-sha256-128", "hash-hmac-sha3-256"],
  ...["splitter-fixed-1m", "splitter-dynamic-128k-buzhash", "splitter-dynamic-128k-rabinkarp"],
  ...["compression-gzip", "compression-pgzip", "compression-deflate-default"],
  ...["compression-zstd", "compression-zstd-fastest", "compression-s2-default", "compression-s2-better"],
];

for (const repository of formats) {
  test(`a tree stored anew into ${repository} has the root object that kopia recorded, and kopia reads it`, async (t) => {
    const work = temporaryFolder(t);
    const golden = requireGolden(t);
    const kopia = golden && (await requireKopia(t, work));
    if (golden === undefined || kopia === undefined || !requireRoot(t)) return;
    const copy = golden.copyRepository(repository, work);
    const stored = async (tree: TreeName) => {
      const folder = await golden.makeTree(tree, work);
      return await fsbBackup(folder, copy, "--parent", "none", "--source", goldenSource);
    };
    const small = await stored("small-1");
    assert.equal(small.rootObjectId, golden.rootObjects(repository).get("small-1"));
    assert.ok(small.uploadedBytes < 100_000, `stored ${small.uploadedBytes} bytes anew of what was there`);
    await stored("large-1"); // Of which nothing is there.
    await kopia.connectFilesystem(copy);
    await kopia.verify();
  });
}

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
