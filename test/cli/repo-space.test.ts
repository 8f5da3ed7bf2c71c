/** `fsb repo space`: its parts add up to the bytes in the store, and are what the real kopia says of it. */

import assert from "node:assert/strict";
import { mkdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { seededRandom } from "../../src/base/random.ts";
import { blobFiles } from "../support/blob-files.ts";
import { fsb, fsbBackup, fsbJsonLines } from "../support/fsb.ts";
import { requireGolden } from "../support/golden.ts";
import { requireKopia } from "../support/kopia.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

async function partsOf(repository: string): Promise<ReadonlyMap<string, number>> {
  const rows = await fsbJsonLines(["repo", "space", "--repo", repository]);
  return new Map(rows.map(({ part, bytes }) => [String(part), Number(bytes)]));
}

function sumOfParts(parts: ReadonlyMap<string, number>): number {
  return [...parts].reduce((sum, [part, bytes]) => (part === "total" ? sum : sum + bytes), 0);
}

/** Each is 0 where there is none. */
function bytesOf(parts: ReadonlyMap<string, number>, ...names: readonly string[]): number {
  return names.reduce((sum, name) => sum + (parts.get(name) ?? 0), 0);
}

function storedBytes(repository: string): number {
  return blobFiles(repository, "").reduce((sum, { path }) => sum + statSync(path).size, 0);
}

async function groupsBy(what: "snapshot" | "source", repository: string): Promise<readonly Record<string, unknown>[]> {
  return await fsbJsonLines(["repo", "space", "--by", what, "--repo", repository]);
}

function sumOf(rows: readonly Record<string, unknown>[], field: string): number {
  return rows.reduce((sum, row) => sum + Number(row[field]), 0);
}

describe("the parts of a golden repository", () => {
  for (const name of ["many-sessions", "after-maintenance", "v1-small", "ecc-2-percent", "empty"]) {
    it(`${name} add up to its bytes, and agree with kopia`, async (t) => {
      const golden = requireGolden(t);
      if (golden === undefined) return;
      const work = temporaryFolder(t);
      const kopia = await requireKopia(t, work);
      if (kopia === undefined) return;
      const repository = golden.copyRepository(name, work);
      const parts = await partsOf(repository);
      assert.equal(sumOfParts(parts), storedBytes(repository));
      assert.equal(parts.get("total"), storedBytes(repository));
      await kopia.connectFilesystem(repository);
      const total = /^Total: (\d+)$/m.exec(await kopia.run("blob", "stats", "--raw"))?.[1];
      assert.equal(parts.get("total"), Number(total));
      // Not deleted, whether or not a snapshot reaches it.
      const listed = await kopia.run("content", "list", "-l");
      const packedLengths = [...listed.matchAll(/ \d+\+(\d+) /g)].map(([, length]) => Number(length));
      assert.equal(packedLengths.length, listed.trimEnd() === "" ? 0 : listed.trimEnd().split("\n").length);
      assert.equal(
        bytesOf(parts, "live", "manifests", "too young to collect", "unreferenced"),
        packedLengths.reduce((sum, length) => sum + length, 0),
      );
      for (const what of ["snapshot", "source"] as const) {
        assert.equal(sumOf(await groupsBy(what, repository), "addedBytes"), bytesOf(parts, "live"), what);
      }
    });
  }
});

describe("in a made repository", () => {
  it("what a snapshot has for itself is what goes with it, and what it added is what grew", async (t) => {
    const work = temporaryFolder(t);
    const [volume, repository] = [join(work, "volume"), join(work, "repository")];
    await fsb(["repo", "create", "--repo", repository]);
    mkdirSync(join(volume, "same"), { recursive: true });
    const random = seededRandom("space");
    const write = (path: string, bytes: number): void => writeFileSync(join(volume, path), random(bytes));
    write("same/kept", 50_000);
    write("first-only", 10_000);
    await fsbBackup(volume, repository, "--source", "a@b:/one");
    const afterFirst = await partsOf(repository);
    write("first-only", 20_000);
    await fsbBackup(volume, repository, "--source", "a@b:/one");
    const rows = await groupsBy("snapshot", repository);
    const [first, second] = rows;
    assert.equal(rows.length, 2);
    assert.equal(first?.addedBytes, afterFirst.get("live"));
    const live = Number((await partsOf(repository)).get("live"));
    assert.equal(second?.addedBytes, live - Number(first?.addedBytes));
    // A file and a folder above it; the seal of each takes a few bytes, the folder's JSON some hundred.
    assert.ok(isNear(first?.uniqueBytes, 10_000) && isNear(second?.uniqueBytes, 20_000), JSON.stringify(rows));
    const [source, ...others] = await groupsBy("source", repository);
    assert.deepEqual([others, source?.snapshots, source?.uniqueBytes], [[], 2, live]);
  });

  it("what no snapshot reaches is told as too young, with until when, and packs that no index names", async (t) => {
    const work = temporaryFolder(t);
    const kopia = await requireKopia(t, work);
    if (kopia === undefined) return;
    const [volume, repository] = [join(work, "volume"), join(work, "repository")];
    await fsb(["repo", "create", "--repo", repository]);
    mkdirSync(volume);
    writeFileSync(join(volume, "file"), seededRandom("gone")(30_000));
    const { snapshotId } = await fsbBackup(volume, repository);
    await kopia.connectFilesystem(repository);
    await kopia.run("snapshot", "delete", snapshotId, "--delete");
    const folder = join(repository, "p", "000");
    mkdirSync(folder, { recursive: true });
    const [young, old] = ["0".repeat(29), `${"0".repeat(28)}1`].map((rest) =>
      join(folder, `${rest}-s00000000000000000.f`),
    );
    assert.ok(young && old);
    for (const path of [young, old]) writeFileSync(path, "never indexed");
    const twoDaysAgo = new Date(Date.now() - 48 * 3_600_000);
    utimesSync(old, twoDaysAgo, twoDaysAgo);

    const rows = await fsbJsonLines(["repo", "space", "--repo", repository]);
    const parts = new Map(rows.map(({ part, bytes }) => [String(part), Number(bytes)]));
    assert.equal(sumOfParts(parts), storedBytes(repository));
    assert.equal(bytesOf(parts, "live"), 0);
    assert.ok(bytesOf(parts, "too young to collect") > 30_000);
    const until = Date.parse(String(rows.find(({ part }) => part === "too young to collect")?.until));
    assert.ok(until > Date.now() + 20 * 3_600_000 && until < Date.now() + 25 * 3_600_000);
    assert.equal(parts.get("unnamed packs too young to collect"), "never indexed".length);
    assert.equal(parts.get("unnamed packs"), "never indexed".length);
  });
});

function isNear(bytes: unknown, wanted: number): boolean {
  return Number(bytes) >= wanted && Number(bytes) < wanted + 2000;
}
