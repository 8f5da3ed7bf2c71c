/** A repository that kopia made with error correction, damaged: what can be repaired is, and what cannot be is named. */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { seededRandom } from "../../src/base/random.ts";
import { blobFiles } from "../support/blob-files.ts";
import { assertFailed, exitCodes, fsb, fsbBackup, fsbRestore, tryFsb } from "../support/fsb.ts";
import { goldenSource, requireGoldenCopy } from "../support/golden.ts";
import { requireKopia } from "../support/kopia.ts";
import { describeRun } from "../support/program.ts";
import { assertSameTree, compareManifests, readManifest } from "../support/tree-manifest.ts";

/** With 2 percent, two shards of 512 bytes can be lost of every 164: one in each 84,000 bytes and more. */
const repairableEvery = 100_000;

/** All blobs that are sealed under the repository's format. */
function sealedBlobs(repository: string): readonly { readonly id: string; readonly path: string }[] {
  return ["p", "q", "x"].flatMap((prefix) => blobFiles(repository, prefix));
}

function damageAt(path: string, offsets: readonly number[], width = 1): void {
  const bytes = readFileSync(path);
  for (const offset of offsets) for (let i = offset; i < offset + width && i < bytes.length; i++) bytes[i]! ^= 0x5a;
  writeFileSync(path, bytes);
}

test("damage all over every pack and index that the parity can repair is repaired, and left as it is in the store", async (t) => {
  const prepared = requireGoldenCopy(t, "ecc-2-percent");
  if (prepared === undefined) return;
  const { golden, work, repository, snapshot } = prepared;
  const kopia = await requireKopia(t, work);
  if (kopia === undefined) return;
  for (const { path } of sealedBlobs(repository)) {
    const { length } = readFileSync(path);
    const places = Math.max(1, Math.floor(length / repairableEvery));
    damageAt(
      path,
      Array.from({ length: places }, (_, i) => Math.floor(((i + 0.5) * length) / places)),
    );
  }
  const before = readManifest(repository);
  await fsb(["snapshot", "verify", snapshot, "--repo", repository]);
  await fsbRestore(snapshot, join(work, "target"), repository);
  assertSameTree(golden.manifest("small-1"), readManifest(join(work, "target")));
  assert.deepEqual(compareManifests(before, readManifest(repository)), []);

  const folder = await golden.makeTree("small-2", work);
  await fsbBackup(folder, repository, "--source", goldenSource);
  await kopia.connectFilesystem(repository);
  await kopia.verify();
});

test("damage beyond that fails, and what is damaged is named", async (t) => {
  const prepared = requireGoldenCopy(t, "ecc-2-percent");
  if (prepared === undefined) return;
  const { work, repository, snapshot } = prepared;
  const [pack] = blobFiles(repository, "p");
  assert.ok(pack);
  damageAt(pack.path, [Math.floor(readFileSync(pack.path).length / 2)], 4000);
  const at = ["--repo", repository];
  const run = await tryFsb(["restore", snapshot, join(work, "target"), ...at]);
  assertFailed(run, exitCodes.failed, new RegExp(pack.id));
  assertFailed(await tryFsb(["snapshot", "verify", snapshot, ...at]), exitCodes.failed, new RegExp(pack.id));

  for (const { path } of blobFiles(repository, "x")) damageAt(path, [0], 200);
  assertFailed(await tryFsb(["snapshot", "list", ...at]), exitCodes.failed, /INDEX_BLOB_DAMAGED/);
});

for (const [places, outcome] of [
  [8, "is right"],
  [400, "says that it failed"],
] as const) {
  test(`with damage at ${places} random places of the pack of files, a restore ${outcome}`, async (t) => {
    const prepared = requireGoldenCopy(t, "ecc-2-percent");
    if (prepared === undefined) return;
    const { golden, work, repository, snapshot } = prepared;
    const random = seededRandom("damage");
    const draw = (below: number): number => Buffer.from(random(4)).readUInt32BE() % below;
    const [pack] = blobFiles(repository, "p");
    assert.ok(pack);
    const { length } = readFileSync(pack.path);
    damageAt(
      pack.path,
      Array.from({ length: places }, () => draw(length)),
    );
    const target = join(work, "target");
    const run = await tryFsb(["restore", snapshot, target, "--repo", repository]);
    if (outcome === "is right") {
      assert.equal(run.exitCode, exitCodes.ok, describeRun(run));
      assertSameTree(golden.manifest("small-1"), readManifest(target));
    } else {
      assertFailed(run, exitCodes.failed, new RegExp(`${pack.id} is damaged`));
    }
  });
}
