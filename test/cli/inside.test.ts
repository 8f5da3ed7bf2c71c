/** What `fsb blob|content|index|manifest|object` tell of golden repositories, beside what the real kopia tells. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { blobFiles, flipBit } from "../support/blob-files.ts";
import { assertFailed, exitCodes, fsb, fsbJson, fsbJsonLines, tryFsb } from "../support/fsb.ts";
import { requireGolden } from "../support/golden.ts";
import { requireKopia } from "../support/kopia.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const repositories = ["after-maintenance", "many-sessions", "v1-small", "compression-zstd", "ecc-2-percent"];

describe("stats", () => {
  for (const name of repositories) {
    it(`of ${name} are those of kopia, and are the sums of the lists`, async (t) => {
      const golden = requireGolden(t);
      if (golden === undefined) return;
      const work = temporaryFolder(t);
      const kopia = await requireKopia(t, work);
      if (kopia === undefined) return;
      const repository = golden.copyRepository(name, work);
      const at = ["--repo", repository];
      const blobs = await fsbJson(["blob", "stats", ...at]);
      const blobRows = await fsbJsonLines(["blob", "list", ...at]);
      const contents = await fsbJson(["content", "stats", ...at]);
      const contentRows = await fsbJsonLines(["content", "list", "--deleted", ...at]);
      await kopia.connectFilesystem(repository);
      const kopiaBlobs = await kopia.run("blob", "stats", "--raw");
      const kopiaContents = await kopia.run("content", "stats", "--raw");

      assert.deepEqual([blobs.count, blobs.bytes], [numberIn(kopiaBlobs, "Count"), numberIn(kopiaBlobs, "Total")]);
      assert.deepEqual([blobRows.length, sumOf(blobRows, "length")], [blobs.count, blobs.bytes]);
      assert.deepEqual(
        [contents.count, contents.bytes],
        [numberIn(kopiaContents, "Count"), numberIn(kopiaContents, "Total Bytes")],
      );
      // It leaves this out where packing made nothing smaller.
      const packedBytes = numberIn(kopiaContents, "Total Packed");
      if (Number.isNaN(packedBytes)) assert.ok(Number(contents.packedBytes) >= Number(contents.bytes));
      else assert.equal(contents.packedBytes, packedBytes);
      const live = contentRows.filter(({ deleted }) => deleted === false);
      assert.deepEqual(
        [live.length, sumOf(live, "length"), sumOf(live, "packedLength")],
        [contents.count, contents.bytes, contents.packedBytes],
      );
    });
  }
});

describe("fsb blob", () => {
  it("list tells what each blob is, and picks by id", async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const at = ["--repo", golden.repositoryFolder("default-v3")];
    const rows = await fsbJsonLines(["blob", "list", ...at]);
    const [pack] = rows.filter(({ kind }) => kind === "data pack");
    assert.match(String(pack?.blobId), new RegExp(`-${pack?.session}$`));
    const packs = await fsbJsonLines(["blob", "list", "--prefix", "p", ...at]);
    assert.deepEqual(
      packs,
      rows.filter(({ blobId }) => String(blobId).startsWith("p")),
    );
  });

  it("show opens what is sealed, and gives the stored bytes with --raw", async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const folder = golden.repositoryFolder("default-v3");
    const [index] = blobFiles(folder, "xn");
    assert.ok(index);
    const raw = await tryFsb(["blob", "show", index.id, "--raw", "--repo", folder]);
    assert.deepEqual(raw.stdout, readFileSync(index.path));
    assert.match(await fsb(["blob", "show", index.id, "--repo", folder]), /^00000000 {2}02 /);
    assert.match(await fsb(["blob", "show", "kopia.repository", "--repo", folder]), /"keyAlgo"/);
    const missing = await tryFsb(["blob", "show", "p00", "--repo", folder]);
    assertFailed(missing, exitCodes.failed, /p00 .*BLOB_NOT_FOUND/);
  });
});

describe("fsb content", () => {
  it("show gives a folder's JSON, a manifest expanded, and a file's bytes in hex", async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const at = ["--repo", golden.repositoryFolder("default-v3")];
    const rows = await fsbJsonLines(["content", "list", ...at]);
    const show = async (letter: RegExp, ...flags: string[]): Promise<string> => {
      const row = rows.find(({ contentId, length }) => letter.test(String(contentId)) && Number(length) > 0);
      assert.ok(row);
      return await fsb(["content", "show", String(row.contentId), ...flags, ...at]);
    };
    assert.match(await show(/^k/), /"stream":"kopia:directory"/);
    assert.match(await show(/^m/), /"entries":\[/);
    assert.match(await show(/^[0-9a-f]/), /^00000000 {2}[0-9a-f]{2}/);
    const unknown = await tryFsb(["content", "show", "k00", ...at]);
    assertFailed(unknown, exitCodes.failed, /CONTENT_NOT_FOUND/);
  });

  it("list shows deleted contents only where they are asked for", async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const at = ["--repo", golden.repositoryFolder("after-maintenance")];
    const all = await fsbJsonLines(["content", "list", "--deleted", ...at]);
    const live = await fsbJsonLines(["content", "list", ...at]);
    assert.deepEqual(
      live,
      all.filter(({ deleted }) => deleted === false),
    );
    const stats = await fsbJson(["content", "stats", ...at]);
    assert.equal((stats.deleted as { count: number }).count, all.length - live.length);
  });
});

describe("fsb index list", () => {
  it("tells each blob's epoch and entries, and one that does not open with why", async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const folder = golden.copyRepository("many-sessions", temporaryFolder(t));
    const blobs = blobFiles(folder, "xn");
    const rows = await fsbJsonLines(["index", "list", "--repo", folder]);
    assert.equal(rows.length, blobs.length);
    assert.ok(
      rows.every(({ epoch, counts, entries, problem }) => epoch === 0 && counts && Number(entries) > 0 && !problem),
    );
    const [damaged] = blobs;
    assert.ok(damaged);
    flipBit(damaged.path, 0.5);
    const after = await fsbJsonLines(["index", "list", "--where", "problem!=", "--repo", folder]);
    assert.deepEqual(
      after.map(({ blobId, entries }) => [blobId, entries]),
      [[damaged.id, 0]],
    );
  });

  it("works without epochs", async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const rows = await fsbJsonLines(["index", "list", "--repo", golden.repositoryFolder("v1-small")]);
    assert.ok(rows.length > 0 && rows.every(({ epoch, entries }) => epoch === undefined && Number(entries) > 0));
  });
});

describe("fsb manifest", () => {
  it("list tells labels, and show the document", async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const at = ["--repo", golden.repositoryFolder("many-sessions")];
    const rows = await fsbJsonLines(["manifest", "list", "--where", "labels.type=snapshot", ...at]);
    const ids = golden.snapshots("many-sessions").map(({ id }) => id);
    assert.deepEqual(rows.map(({ manifestId }) => manifestId).toSorted(), ids.toSorted());
    const shown = await fsbJson(["manifest", "show", String(ids[0]), ...at]);
    const [snapshot] = golden.snapshots("many-sessions");
    assert.equal((shown.document as typeof snapshot)?.rootEntry.obj, snapshot?.rootEntry.obj);
    assertFailed(await tryFsb(["manifest", "show", "ffff", ...at]), exitCodes.failed, /CLI_MANIFEST_NOT_FOUND/);
  });
});

describe("fsb object show", () => {
  it("tells the chunks of a large file, which add up to its length", async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const at = ["--repo", golden.repositoryFolder("splitter-dynamic-128k-buzhash")];
    const contents = await fsbJsonLines(["content", "list", "--prefix", "x", ...at]);
    const [list] = contents;
    assert.ok(list, "there is a list");
    const chunks = await fsbJsonLines(["object", "show", `I${list.contentId}`, ...at]);
    assert.ok(chunks.length > 1 && chunks.every(({ pack }) => String(pack).startsWith("p")));
    const last = chunks.at(-1);
    assert.equal(sumOf(chunks, "length"), Number(last?.start) + Number(last?.length));
  });
});

function sumOf(rows: readonly Record<string, unknown>[], field: string): number {
  return rows.reduce((sum, row) => sum + Number(row[field]), 0);
}

function numberIn(text: string, label: string): number {
  return Number(new RegExp(`^ ?${label}: (\\d+)`, "m").exec(text)?.[1] ?? Number.NaN);
}
