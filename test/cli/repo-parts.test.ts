/** `fsb repo epochs|sessions|formats`. */

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { nextEpoch } from "../../src/inspect/index-blobs.ts";
import { blobFiles } from "../support/blob-files.ts";
import { fsb, fsbJson, fsbJsonLines } from "../support/fsb.ts";
import { requireGolden } from "../support/golden.ts";
import { createRepositoryIn, sealMarkerIn } from "../support/session-marker.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const advance = { minDurationMs: 1000, blobCount: 10, bytes: 5000 };
const current = { epoch: 0, isCurrent: true, firstMs: 0, lastMs: 1000 };

test("the next epoch waits for a time, and for blobs or bytes", () => {
  const isDue = (blobs: number, bytes: number, lastMs = 1000): boolean =>
    nextEpoch({ ...current, blobs, bytes, lastMs }, advance).isDue;
  assert.ok(isDue(10, 0) && isDue(1, 5000));
  assert.ok(!isDue(9, 4999) && !isDue(10, 5000, 999) && !isDue(0, 0));
  assert.deepEqual(nextEpoch({ ...current, blobs: 4, bytes: 2000, lastMs: 400 }, advance), {
    isDue: false,
    blobsMissing: 6,
    bytesMissing: 3000,
    spanMissingMs: 600,
  });
});

test("epochs tells the index blobs of the store", async (t) => {
  const golden = requireGolden(t);
  if (golden === undefined) return;
  const folder = golden.repositoryFolder("many-sessions");
  const rows = await fsbJsonLines(["repo", "epochs", "--repo", folder]);
  assert.deepEqual(
    rows.map(({ epoch, blobs, isCurrent }) => [epoch, blobs, isCurrent]),
    [[0, blobFiles(folder, "xn").length, true]],
  );
  const missing = 20 - blobFiles(folder, "xn").length;
  assert.match(await fsb(["repo", "epochs", "--repo", folder]), new RegExp(`at ${missing} blobs or .* MiB more`));
});

test("sessions tells who writes, and a marker that does not open with why", async (t) => {
  const folder = await createRepositoryIn(temporaryFolder(t));
  assert.deepEqual(await fsbJsonLines(["repo", "sessions", "--repo", folder]), []);
  const session = await sealMarkerIn(folder, { userName: "ann", hostName: "node-1" });
  mkdirSync(join(folder, "s", "000"), { recursive: true });
  writeFileSync(join(folder, "s", "000", "00000000000000000000000000000-s00000000000000000.f"), "not a marker");
  const rows = await fsbJsonLines(["repo", "sessions", "--sort", "owner", "--repo", folder]);
  assert.deepEqual(
    rows.map(({ session: id, owner, expired }) => [id, owner, expired]),
    [
      ["s00000000000000000", "", false],
      [session, "ann@node-1", false],
    ],
  );
  assert.match(String(rows[0]?.problem), /is damaged \[INDEX_BLOB_DAMAGED\]/);
});

test("formats tells what each golden repository uses, as kopia's status does", async (t) => {
  const golden = requireGolden(t);
  if (golden === undefined) return;
  for (const name of ["default-v3", "cipher-chacha20", "ecc-2-percent", "hash-hmac-sha3-256", "v1-small"]) {
    const at = ["--repo", golden.repositoryFolder(name)];
    const used = await fsbJsonLines(["repo", "formats", "--where", "used=true", ...at]);
    const names = used.filter(({ kind }) => kind !== "compression").map((row) => row.name);
    for (const choice of golden.formatChoices(name)) assert.ok(names.includes(choice), `${name}: ${choice}`);
    assert.ok(names.includes(String((await fsbJson(["repo", "status", ...at])).formatVersion)));
  }
});
