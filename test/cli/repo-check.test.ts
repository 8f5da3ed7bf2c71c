/** `fsb repo check` on golden repositories, whole and damaged in every way: what is damaged is named, and the files it touches. */

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext, test } from "node:test";
import { blobFiles, cutInHalf, flipBit } from "../support/blob-files.ts";
import { assertFailed, exitCodes, fsb, fsbBackup, fsbJson, tryFsb } from "../support/fsb.ts";
import { type Golden, requireGolden } from "../support/golden.ts";
import { describeRun } from "../support/program.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

type Line = Record<string, unknown>;

interface Checked {
  readonly exitCode: number | null;
  readonly damage: readonly Line[];
  readonly touched: readonly Line[];
  readonly summary: Line;
}

async function check(repository: string, ...flags: readonly string[]): Promise<Checked> {
  const run = await tryFsb(["repo", "check", "--json", "--repo", repository, ...flags]);
  const lines = run.stdout
    .toString()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
  const summary = lines.at(-1);
  assert.equal(summary?.what, "summary", describeRun(run));
  if (run.exitCode !== 0) assertFailed(run, exitCodes.failed, /CLI_CHECK_FAILED/);
  const rows = lines.slice(0, -1);
  return {
    exitCode: run.exitCode,
    damage: rows.filter(({ snapshotId }) => snapshotId === ""),
    touched: rows.filter(({ snapshotId }) => snapshotId !== ""),
    summary,
  };
}

/** A backup of a few files, whose two packs are known: of files, and of folders and manifests. */
async function madeRepository(t: TestContext): Promise<{ readonly repository: string; readonly volume: string }> {
  const work = temporaryFolder(t);
  const [volume, repository] = [join(work, "volume"), join(work, "repository")];
  await fsb(["repo", "create", "--repo", repository]);
  mkdirSync(join(volume, "sub"), { recursive: true });
  for (const name of ["a", "b", "sub/c"]) writeFileSync(join(volume, name), name.repeat(1000));
  await fsbBackup(volume, repository);
  return { repository, volume };
}

/** Where a file's only content lies. */
async function placeOf(repository: string, path: string): Promise<{ readonly pack: string; readonly at: number }> {
  const folder = path.includes("/") ? `:${path.slice(0, path.lastIndexOf("/"))}` : "";
  const listing = await fsb(["snapshot", "ls", `latest${folder}`, "--json", "--repo", repository]);
  const entry = listing
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line)
    .find(({ name }) => name === path.split("/").at(-1));
  const { pack, packOffset, packedLength } = await fsbJson([
    ...["object", "show", String(entry?.objectId), "--repo", repository],
  ]);
  return { pack: String(pack), at: Number(packOffset) + Math.floor(Number(packedLength) / 2) };
}

function flipByte(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0x5a, at);
  writeFileSync(path, bytes);
}

describe("a whole repository", () => {
  for (const name of ["many-sessions", "after-maintenance", "v1-small", "ecc-2-percent", "compression-zstd", "empty"]) {
    it(`${name} has no damage, and all of it can be read`, async (t) => {
      const golden = requireGolden(t);
      if (golden === undefined) return;
      const { exitCode, damage, touched, summary } = await check(golden.repositoryFolder(name), "--read-data");
      assert.deepEqual([exitCode, damage, touched], [0, [], []]);
      assert.equal(summary.snapshots, golden.snapshots(name).length);
      assert.equal(summary.unnamedPacks, 0);
      if (name !== "empty") assert.ok(Number(summary.contentsRead) > 0);
    });
  }

  it("is read in part with a percentage, and not at all without", async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const folder = golden.repositoryFolder("many-sessions");
    const all = Number((await check(folder, "--read-data")).summary.contentsRead);
    const half = Number((await check(folder, "--read-data=50")).summary.contentsRead);
    assert.ok(half > 0 && half < all, `${half} of ${all}`);
    assert.equal((await check(folder)).summary.contentsRead, 0);
    assertFailed(await tryFsb(["repo", "check", "--read-data=0", "--repo", folder]), exitCodes.failed, /CLI_USAGE/);
  });
});

describe("contents that many files share", () => {
  it("are read once", async (t) => {
    const { repository, volume } = await madeRepository(t);
    for (let i = 0; i < 20; i++) writeFileSync(join(volume, `copy-${i}`), "a".repeat(1000));
    await fsbBackup(volume, repository);
    const { summary } = await check(repository, "--read-data");
    assert.equal(summary.contentsRead, 3);
    assert.equal(summary.bytesRead, 1000 + 1000 + 5000);
  });
});

describe("damage in a made repository", () => {
  it("of one file's bytes is found by reading, and only that file is named, in each snapshot that has it", async (t) => {
    const { repository, volume } = await madeRepository(t);
    writeFileSync(join(volume, "new"), "new");
    await fsbBackup(volume, repository);
    const { pack, at } = await placeOf(repository, "sub/c");
    const file = blobFiles(repository, "p").find(({ id }) => id === pack);
    assert.ok(file);
    flipByte(file.path, at);
    assert.equal((await check(repository)).exitCode, 0, "it takes reading to find it");
    const { damage, touched, summary } = await check(repository, "--read-data");
    assert.deepEqual(
      damage.map(({ what }) => what),
      ["content"],
    );
    assert.match(String(damage[0]?.problem), new RegExp(`${pack} is damaged`));
    assert.ok(touched.every(({ problem }) => problem === damage[0]?.problem));
    assert.deepEqual(
      touched.map(({ path, what }) => [path, what]),
      [
        ["sub/c", "file"],
        ["sub/c", "file"],
      ],
    );
    assert.equal(new Set(touched.map(({ snapshotId }) => snapshotId)).size, 2);
    assert.deepEqual([summary.touchedEntries, summary.touchedSnapshots, summary.damaged], [2, 2, 1]);
  });

  it("of a lost pack of files is found without reading, and names all of them", async (t) => {
    const { repository } = await madeRepository(t);
    const [pack] = blobFiles(repository, "p");
    assert.ok(pack);
    rmSync(pack.path);
    const { damage, touched } = await check(repository);
    assert.deepEqual(
      damage.map(({ what, id }) => [what, id]),
      [["pack", pack.id]],
    );
    assert.deepEqual(touched.map(({ path }) => path).toSorted(), ["a", "b", "sub/c"]);
    assert.ok(touched.every(({ problem }) => problem === `pack ${pack.id} is lost`));
  });

  it("of a pack that is cut off names the files whose bytes are missing", async (t) => {
    const { repository } = await madeRepository(t);
    const [pack] = blobFiles(repository, "p");
    assert.ok(pack);
    const places = await Promise.all(
      ["a", "b", "sub/c"].map(async (path) => ({ path, ...(await placeOf(repository, path)) })),
    );
    const [first, ...others] = places.toSorted((x, y) => x.at - y.at);
    assert.ok(first && others[0]);
    writeFileSync(pack.path, readFileSync(pack.path).subarray(0, others[0].at));
    const { damage, touched } = await check(repository, "--read-data");
    assert.match(String(damage[0]?.problem), /^is cut off: /);
    assert.deepEqual(touched.map(({ path }) => path).toSorted(), others.map(({ path }) => path).toSorted());
  });

  it("of a lost index names what is in no index", async (t) => {
    const { repository, volume } = await madeRepository(t);
    const before = new Set(blobFiles(repository, "xn").map(({ id }) => id));
    writeFileSync(join(volume, "later"), "later".repeat(100));
    await fsbBackup(volume, repository);
    const first = blobFiles(repository, "xn").filter(({ id }) => before.has(id));
    // The one that has the files, not the one of the repository's making.
    const largest = first.toSorted((x, y) => readFileSync(y.path).length - readFileSync(x.path).length)[0];
    assert.ok(largest);
    rmSync(largest.path);
    const { exitCode, damage, touched } = await check(repository);
    assert.equal(exitCode, exitCodes.failed);
    assert.ok(
      damage.some(
        ({ what, problem }) => what === "content" && /^content [0-9a-z]+ is in no index$/.test(String(problem)),
      ),
    );
    assert.ok(touched.some(({ path }) => path === "a" || path === "sub"));
    assert.ok(!touched.some(({ path }) => path === "later"));
  });

  it("of an index blob that does not open is told as that", async (t) => {
    const { repository } = await madeRepository(t);
    const indexes = blobFiles(repository, "xn");
    for (const { path } of indexes) flipBit(path, 0.5);
    const { exitCode, damage } = await check(repository);
    assert.equal(exitCode, exitCodes.failed);
    assert.deepEqual(
      damage
        .filter(({ what }) => what === "index")
        .map(({ id }) => id)
        .toSorted(),
      indexes.map(({ id }) => id),
    );
  });

  it("of a folder names the folder, and what is beside it is fine", async (t) => {
    const { repository } = await madeRepository(t);
    const { pack, at } = await placeOf(repository, "sub");
    const file = blobFiles(repository, "q").find(({ id }) => id === pack);
    assert.ok(file);
    flipByte(file.path, at);
    const { damage, touched } = await check(repository);
    assert.deepEqual(
      damage.map(({ what }) => what),
      ["content"],
    );
    assert.deepEqual(
      touched.map(({ path, what }) => [path, what]),
      [["sub", "folder"]],
    );
  });
});

describe("one damaged blob of a golden repository", () => {
  // Those that are looked at: of format blobs a repository does not open, which other tests show.
  for (const name of ["many-sessions", "v1-small"]) {
    for (const [harm, damageIt] of [
      ["a flipped bit", (path: string) => flipBit(path, 0.5)],
      ["its second half gone", cutInHalf],
      ["itself gone", (path: string) => rmSync(path)],
    ] as const) {
      it(`${name} with ${harm}: a coded answer, the blob or its contents named, and what is not named restores`, async (t) => {
        const golden = requireGolden(t);
        if (golden === undefined) return;
        const work = temporaryFolder(t);
        for (const prefix of ["p", "q", golden.status(name).contentFormat.version === 1 ? "n" : "xn"]) {
          const repository = copyAgain(golden, name, work);
          const all = blobFiles(repository, prefix);
          const largest = all.toSorted((x, y) => readFileSync(y.path).length - readFileSync(x.path).length)[0];
          assert.ok(largest);
          damageIt(largest.path);
          const { exitCode, damage, touched, summary } = await check(repository, "--read-data");
          if (exitCode === 0) {
            // Without the index of its manifests a repository has no snapshots; that packs are left tells of it.
            assert.ok(prefix === "n" || prefix === "xn");
            assert.deepEqual([summary.snapshots, Number(summary.unnamedPacks) > 0], [0, true]);
            continue;
          }
          const told = JSON.stringify([...damage, ...touched]);
          assert.equal(exitCode, exitCodes.failed, `${prefix} ${harm}`);
          assert.ok(told.includes(largest.id) || /is in no index/.test(told), `${prefix}: ${told.slice(0, 400)}`);
          await assertOthersRead(repository, touched);
        }
      });
    }
  }
});

test("the pods whose volumes are touched are named, and one damaged pack is told once for all their snapshots", async (t) => {
  const golden = requireGolden(t);
  if (golden === undefined) return;
  const repository = golden.copyVeleroRepository(temporaryFolder(t));
  const largest = blobFiles(repository, "p").toSorted(
    (x, y) => readFileSync(y.path).length - readFileSync(x.path).length,
  )[0];
  assert.ok(largest);
  rmSync(largest.path);
  const { damage, touched } = await check(repository);
  assert.deepEqual(
    damage.map(({ what, id }) => [what, id]),
    [["pack", largest.id]],
  );
  const stored = new Map(
    golden.veleroSnapshots().map(({ snapshotId, backup, volume }) => [snapshotId, { backup, volume }]),
  );
  assert.ok(touched.length > 0);
  for (const { snapshotId, backup, namespace, pod, volume } of touched) {
    assert.deepEqual({ backup, volume }, stored.get(String(snapshotId)));
    assert.deepEqual([namespace, typeof pod], ["shop", "string"]);
  }
});

test("error correction repairs what it can, which is no damage; beyond it the files are named", async (t) => {
  const golden = requireGolden(t);
  if (golden === undefined) return;
  const work = temporaryFolder(t);
  const repository = golden.copyRepository("ecc-2-percent", work);
  const [pack] = blobFiles(repository, "p");
  assert.ok(pack);
  const middle = Math.floor(readFileSync(pack.path).length / 2);
  flipByte(pack.path, middle);
  assert.equal((await check(repository, "--read-data")).exitCode, 0);
  for (let at = middle; at < middle + 4000; at++) flipByte(pack.path, at);
  const { exitCode, touched } = await check(repository, "--read-data");
  assert.equal(exitCode, exitCodes.failed);
  assert.ok(touched.length > 0);
});

function copyAgain(golden: Golden, name: string, work: string): string {
  rmSync(join(work, `repository-${name}`), { recursive: true, force: true });
  assert.ok(!readdirSync(work).includes(`repository-${name}`));
  return golden.copyRepository(name, work);
}

/** One file that is not named, of a snapshot whose root is not, reads whole. */
async function assertOthersRead(repository: string, touched: readonly Line[]): Promise<void> {
  const named = new Set(touched.map(({ path }) => String(path)));
  if (named.has("")) return;
  const listing = await tryFsb(["snapshot", "ls", "latest", "--json", "--repo", repository]);
  if (listing.exitCode !== 0) return;
  const files = listing.stdout
    .toString()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line)
    .filter(({ type, name }) => type === "file" && !named.has(String(name)));
  const [file] = files;
  if (file !== undefined) await fsb(["snapshot", "cat", `latest:${file.name}`, "--repo", repository]);
}
