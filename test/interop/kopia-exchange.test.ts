/** Fsb and the real kopia share one repository: each reads, continues and keeps what the other stored. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fsb, fsbBackup, fsbJsonLines, fsbRestore } from "../support/fsb.ts";
import { type Golden, goldenSource, requireGolden, type TreeName } from "../support/golden.ts";
import { type Kopia, requireKopia } from "../support/kopia.ts";
import { requireRoot } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { asKopiaRestores, assertSameTree, type Manifest, readManifest } from "../support/tree-manifest.ts";

const makers = ["fsb", "kopia"] as const;

/** The bytes of a manifest, an index blob and a session marker, with room; far below any tree's here. */
const bookkeepingBytesMax = 100_000;

/** A repository that one of the two made, and a kopia connected to it. Undefined when the test was skipped. */
async function shared(
  t: TestContext,
  maker: (typeof makers)[number],
): Promise<{ work: string; repository: string; kopia: Kopia } | undefined> {
  const work = temporaryFolder(t);
  const kopia = await requireKopia(t, work);
  if (kopia === undefined || !requireRoot(t)) return undefined;
  const repository = join(work, "repository");
  mkdirSync(repository);
  if (maker === "kopia") {
    await kopia.createFilesystem(repository);
  } else {
    await fsb(["repo", "create", "--repo", repository]);
    await kopia.connectFilesystem(repository);
  }
  return { work, repository, kopia };
}

async function trees(golden: Golden, work: string): Promise<Record<"small-1" | "small-2", string>> {
  return { "small-1": await golden.makeTree("small-1", work), "small-2": await golden.makeTree("small-2", work) };
}

for (const maker of makers) {
  test(`in a repository that ${maker} made, each takes what the other stored, and full maintenance loses nothing`, async (t) => {
    const golden = requireGolden(t);
    const together = golden && (await shared(t, maker));
    if (golden === undefined || together === undefined) return;
    const { work, repository, kopia } = together;
    const folders = await trees(golden, work);
    const stored: { id: string; tree: TreeName; root: string }[] = [];
    const byKopia = async (tree: "small-1" | "small-2"): Promise<void> => {
      const snapshot = await kopia.snapshotCreate(folders[tree], { source: goldenSource, tags: { tree } });
      stored.push({ id: snapshot.id, tree, root: snapshot.rootEntry.obj });
    };
    const byFsb = async (tree: "small-1" | "small-2", parent: "auto" | "none"): Promise<void> => {
      const args = ["--source", goldenSource, "--tag", `tree:${tree}`, "--parent", parent];
      const snapshot = await fsbBackup(folders[tree], repository, ...args);
      stored.push({ id: snapshot.snapshotId, tree, root: snapshot.rootObjectId });
    };
    const verifyByBoth = async (): Promise<void> => {
      await kopia.verify();
      await fsb(["snapshot", "verify", "--repo", repository]);
    };
    const restoreByBoth = async (): Promise<void> => {
      for (const { id, tree } of stored) {
        const target = mkdtempSync(join(work, "restored-"));
        await fsbRestore(id, join(target, "by-fsb"), repository);
        assertSameTree(golden.manifest(tree), readManifest(join(target, "by-fsb")));
        await kopia.restore(id, join(target, "by-kopia"));
        assertSameTree(golden.manifest(tree), readManifest(join(target, "by-kopia")), asKopiaRestores);
      }
    };

    await byKopia("small-1");
    await byFsb("small-2", "auto");
    await byFsb("small-1", "none");
    await byKopia("small-2");
    for (const tree of ["small-1", "small-2"]) {
      const roots = stored.filter((snapshot) => snapshot.tree === tree).map((snapshot) => snapshot.root);
      assert.equal(new Set(roots).size, 1, `both give ${tree} the same root object`);
    }
    const seenByKopia = await kopia.snapshotList();
    const treesById = new Map(stored.map(({ id, tree }) => [id, [tree]]));
    assert.deepEqual(new Map(seenByKopia.map(({ id, tags }) => [id, Object.values(tags ?? {})])), treesById);
    const seenByFsb = await fsbJsonLines(["snapshot", "list", "--repo", repository]);
    assert.deepEqual(seenByFsb.map((snapshot) => snapshot.snapshotId).sort(), [...treesById.keys()].sort());
    await verifyByBoth();

    await kopia.maintenanceRun("none");
    await byFsb("small-1", "auto");
    await kopia.maintenanceRun("full");
    await byKopia("small-1");
    await byFsb("small-2", "auto");
    await kopia.maintenanceRun("none");
    assert.equal(stored.length, 7);
    await verifyByBoth();
    await restoreByBoth();
  });

  test(`in a repository that ${maker} made, each continues from the other's snapshot without reading files again`, async (t) => {
    const golden = requireGolden(t);
    const together = golden && (await shared(t, maker));
    if (golden === undefined || together === undefined) return;
    const { work, repository, kopia } = together;
    const folders = await trees(golden, work);

    const first = await fsbBackup(folders["small-1"], repository, "--source", goldenSource);
    assert.ok(first.uploadedBytes > 900_000, `uploaded ${first.uploadedBytes}`);
    const afterFsb = await kopia.snapshotCreate(folders["small-1"], { source: goldenSource });
    assert.deepEqual([afterFsb.stats.cachedFiles > 0, afterFsb.stats.nonCachedFiles], [true, 0]);
    const changed = await kopia.snapshotCreate(folders["small-2"], { source: goldenSource });
    assert.ok(changed.stats.nonCachedFiles > 0);
    const afterKopia = await fsbBackup(folders["small-2"], repository, "--source", goldenSource, "--parent", "auto");
    assert.equal(afterKopia.rootObjectId, changed.rootEntry.obj);
    assert.ok(afterKopia.uploadedBytes < bookkeepingBytesMax, `uploaded ${afterKopia.uploadedBytes}`);
    await kopia.verify();
  });

  test(`in a repository that ${maker} made, a large file with edits is stored once, whoever stores it`, async (t) => {
    const together = await shared(t, maker);
    if (together === undefined) return;
    const { work, repository, kopia } = together;
    const folder = join(work, "large");
    mkdirSync(folder);
    const bytes = createHash("shake256", { outputLength: 30_000_000 }).update("a large file").digest();
    writeFileSync(join(folder, "data"), bytes);
    const whole = await fsbBackup(folder, repository, "--source", goldenSource);
    assert.ok(whole.uploadedBytes >= bytes.length, `uploaded ${whole.uploadedBytes}`);

    const edited = Buffer.concat([bytes.subarray(0, 15_000_000), Buffer.from("inserted"), bytes.subarray(15_000_000)]);
    edited.write("changed in place", 29_000_000);
    writeFileSync(join(folder, "data"), edited);
    const before = await kopia.contentStats();
    const byKopia = await kopia.snapshotCreate(folder, { source: goldenSource });
    const added = (await kopia.contentStats()).totalBytes - before.totalBytes;
    assert.ok(added > 0 && added < 18_000_000, `kopia added ${added} bytes to what fsb had stored`);
    const byFsb = await fsbBackup(folder, repository, "--source", goldenSource, "--parent", "none");
    assert.equal(byFsb.rootObjectId, byKopia.rootEntry.obj);
    assert.ok(byFsb.uploadedBytes < bookkeepingBytesMax, `fsb uploaded ${byFsb.uploadedBytes}`);

    edited.write("changed by fsb", 1_000_000);
    writeFileSync(join(folder, "data"), edited);
    const last = await fsbBackup(folder, repository, "--source", goldenSource);
    assert.ok(last.uploadedBytes > 0 && last.uploadedBytes < 9_000_000, `uploaded ${last.uploadedBytes}`);
    await storesAlike(together, folder, readManifest(folder));
  });
}

test("a folder of 6,000 files, whose object takes several contents, and hundreds of folders come back from both", async (t) => {
  const together = await shared(t, "fsb");
  if (together === undefined) return;
  const folder = join(together.work, "many");
  mkdirSync(join(folder, "flat"), { recursive: true });
  // Each "<" takes six bytes in a folder's object: 9 MB in all, and the splitter makes no piece above 8 MiB.
  for (let index = 0; index < 6_000; index++) {
    writeFileSync(join(folder, "flat", `${index}-`.padEnd(255, "<")), `content of file ${index}, short`);
  }
  for (let index = 0; index < 600; index++) {
    const leaf = join(folder, "deep", `${index % 20}`, `${index}`);
    mkdirSync(leaf, { recursive: true });
    writeFileSync(join(leaf, "file"), `${index}`);
  }
  const root = await storesAlike(together, folder, readManifest(folder));
  assert.match(await together.kopia.show(root), /"name":"flat",.*"obj":"Ik/);
  const again = await fsbBackup(folder, together.repository, "--source", goldenSource, "--parent", "auto");
  assert.ok(again.uploadedBytes < bookkeepingBytesMax, `uploaded ${again.uploadedBytes}`);
});

test("names that are not UTF-8 come back from fsb as they were, and from kopia as kopia itself stores them", async (t) => {
  const together = await shared(t, "fsb");
  if (together === undefined) return;
  const { work, repository, kopia } = together;
  const folder = join(work, "names");
  mkdirSync(folder);
  const at = (name: string): Buffer => Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, "latin1")]);
  writeFileSync(at("caf\xe9"), "Latin-1");
  writeFileSync(at("cut-\xe2\x82"), "a character cut off");
  mkdirSync(at("folder-\xff"));
  writeFileSync(at("folder-\xff/plain"), "below a name that is no text");
  symlinkSync(Buffer.from("target-\xfe", "latin1"), at("link"));
  writeFileSync(join(folder, "é🚀"), "UTF-8");
  const replaced = [...readManifest(folder).values()].map((entry) => {
    return { ...entry, path: entry.path.replaceAll(/[\udc80-\udcff]/g, "\ufffd") };
  });
  const asKopiaNames = new Map(replaced.map((entry) => [entry.path, entry]));
  const byFsb = await fsbBackup(folder, repository, "--source", goldenSource);
  const byKopia = await kopia.snapshotCreate(folder, { source: goldenSource, forceHash: true });
  await kopia.verify();
  const target = mkdtempSync(join(work, "restored-"));
  await fsbRestore(byFsb.snapshotId, join(target, "own"), repository);
  assertSameTree(readManifest(folder), readManifest(join(target, "own")));
  await kopia.restore(byFsb.snapshotId, join(target, "by-kopia"));
  assertSameTree(asKopiaNames, readManifest(join(target, "by-kopia")), asKopiaRestores);
  await fsbRestore(byKopia.id, join(target, "by-fsb"), repository);
  assertSameTree(asKopiaNames, readManifest(join(target, "by-fsb")));

  writeFileSync(at("twin-\xfe"), "one of two names that read the same");
  writeFileSync(at("twin-\xff"), "the other");
  const twins = await fsbBackup(folder, repository, "--source", goldenSource);
  await kopia.verify();
  await fsbRestore(twins.snapshotId, join(target, "twins"), repository);
  assertSameTree(readManifest(folder), readManifest(join(target, "twins")));
  await kopia.restore(twins.snapshotId, join(target, "twins-by-kopia"));
  const digests = (tree: string): (string | undefined)[] =>
    [...readManifest(tree).values()].map((entry) => entry.sha256).sort();
  assert.deepEqual(digests(join(target, "twins-by-kopia")), digests(folder));
});

/** Both store the folder as the same object, which it gives, and each restores the other's snapshot as `expected`. */
async function storesAlike(
  { work, repository, kopia }: { work: string; repository: string; kopia: Kopia },
  folder: string,
  expected: Manifest,
): Promise<string> {
  const byFsb = await fsbBackup(folder, repository, "--source", goldenSource, "--parent", "none");
  const byKopia = await kopia.snapshotCreate(folder, { source: goldenSource, forceHash: true });
  assert.equal(byFsb.rootObjectId, byKopia.rootEntry.obj);
  await kopia.verify();
  const target = mkdtempSync(join(work, "restored-"));
  await kopia.restore(byFsb.snapshotId, join(target, "by-kopia"));
  assertSameTree(expected, readManifest(join(target, "by-kopia")), asKopiaRestores);
  await fsbRestore(byKopia.id, join(target, "by-fsb"), repository);
  assertSameTree(expected, readManifest(join(target, "by-fsb")));
  return byFsb.rootObjectId;
}
