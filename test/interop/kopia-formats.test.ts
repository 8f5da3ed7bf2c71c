/**
 * Repositories that the real kopia makes with each hash, cipher, splitter, error correction, compression and key derivation
 * that it offers: what it stored is restored, what is stored into them it finds whole, and both give a tree one object id.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { appendFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { blobFiles } from "../support/blob-files.ts";
import { assertFailed, exitCodes, fsb, fsbBackup, fsbJson, fsbRestore, tryFsb } from "../support/fsb.ts";
import { goldenSource } from "../support/golden.ts";
import { type Kopia, requireKopia } from "../support/kopia.ts";
import { requireRoot } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { assertSameTree, readManifest } from "../support/tree-manifest.ts";

const hashes = [
  ...["BLAKE2B-256", "BLAKE2B-256-128", "BLAKE2S-128", "BLAKE2S-256", "BLAKE3-256", "BLAKE3-256-128"],
  ...["HMAC-SHA224", "HMAC-SHA256", "HMAC-SHA256-128", "HMAC-SHA3-224", "HMAC-SHA3-256"],
];
const ciphers = ["CHACHA20-POLY1305-HMAC-SHA256", "AES256-GCM-HMAC-SHA256"];
const splitters = [
  ...["FIXED", "DYNAMIC", "FIXED-128K", "DYNAMIC-128K-BUZHASH", "DYNAMIC-128K-RABINKARP"],
  ...["256K", "512K", "1M", "2M", "4M", "8M"].flatMap((size) => [
    `FIXED-${size}`,
    `DYNAMIC-${size}-BUZHASH`,
    `DYNAMIC-${size}-RABINKARP`,
  ]),
];
const compressions = [
  ...["zstd-best-compression", "zstd", "zstd-fastest", "zstd-better-compression"],
  ...["s2-default", "s2-better", "s2-parallel-4", "s2-parallel-8"],
  ...["gzip", "gzip-best-speed", "gzip-best-compression", "pgzip", "pgzip-best-speed", "pgzip-best-compression"],
  ...["deflate-default", "deflate-best-speed", "deflate-best-compression", "none"],
];
/** 0 for none. Each kind of layout, and some without. */
const overheads = [0, 1, 2, 0, 3, 5, 7, 0, 10, 25];
const derivations = ["scrypt-65536-8-1", "pbkdf2-sha256-600000"];

/** Each choice stands in at least one of them. */
const formats = splitters.map((splitter, i) => ({
  hash: hashes[i % hashes.length] as string,
  cipher: ciphers[i % 2] as string,
  splitter,
  compression: compressions[i % compressions.length] as string,
  overhead: overheads[i % overheads.length] as number,
  derivation: derivations[i % 3 === 0 ? 1 : 0] as string,
}));

for (const format of formats) {
  const { hash, cipher, splitter, compression, overhead, derivation } = format;
  test(`kopia and this share a repository of ${Object.values(format).join(", ")}`, async (t) => {
    const args = ["--block-hash", hash, "--encryption", cipher, "--object-splitter", splitter];
    args.push("--format-block-key-derivation-algorithm", derivation);
    if (overhead > 0) args.push("--ecc", "REED-SOLOMON-CRC32", "--ecc-overhead-percent", String(overhead));
    const shared = await createShared(t, args);
    if (shared === undefined) return;
    const { repository, kopia, folder } = shared;
    await kopia.run("policy", "set", "--global", "--compression", compression, "--metadata-compression", compression);
    const status = await fsbJson(["repo", "status", "--repo", repository]);
    assert.deepEqual([status.hash, status.encryption], [hash, cipher]);
    await storesAlike(shared, await kopia.snapshotCreate(folder, { source: goldenSource }), compression);
  });
}

test("a repository of version 1 holds what kopia compressed below the hash, and takes new data plain", async (t) => {
  const shared = await createShared(t, ["--format-version", "1"]);
  if (shared === undefined) return;
  const { repository, kopia, folder, work } = shared;
  await kopia.run("policy", "set", "--global", "--compression", "s2-better");
  const byKopia = await kopia.snapshotCreate(folder, { source: goldenSource });
  await fsbRestore(byKopia.id, join(work, "restored"), repository);
  assertSameTree(readManifest(folder), readManifest(join(work, "restored")));
  await fsbBackup(folder, repository, "--source", goldenSource, "--parent", "none", "--compression", "zstd");
  await kopia.verify();
});

test("kopia rebuilds lost indexes from packs with a hash of 32 bytes and error correction", async (t) => {
  const shared = await createShared(t, [
    ...["--block-hash", "BLAKE2B-256", "--ecc", "REED-SOLOMON-CRC32", "--ecc-overhead-percent", "2"],
  ]);
  if (shared === undefined) return;
  const { kopia, folder, repository, work } = shared;
  const { snapshotId } = await fsbBackup(folder, repository, "--compression", "zstd-fastest");
  for (const { path } of blobFiles(repository, "x")) rmSync(path);
  await kopia.run("cache", "clear");
  await kopia.run("index", "recover", "--commit", "--dangerous-commands=enabled");
  await kopia.verify();
  await fsbRestore(snapshotId, join(work, "restored"), repository);
  assertSameTree(readManifest(folder), readManifest(join(work, "restored")));
});

test("a repository whose password kopia changed opens with the new one only, and holds what it held", async (t) => {
  const shared = await createShared(t, []);
  if (shared === undefined) return;
  const { kopia, folder, repository, work } = shared;
  const { id } = await kopia.snapshotCreate(folder, { source: goldenSource });
  await kopia.run("repository", "change-password", "--new-password", "another");
  const status = ["repo", "status", "--repo", repository];
  assertFailed(await tryFsb(status), exitCodes.wrongPassword, /password/);
  await fsb(["backup", folder, "--repo", repository, "--parent", "none"], { password: "another" });
  await fsb(["restore", id, join(work, "restored"), "--repo", repository], { password: "another" });
  assertSameTree(readManifest(folder), readManifest(join(work, "restored")));
});

test("a repository that kopia upgraded from version 1 is read and written", async (t) => {
  const shared = await createShared(t, ["--format-version", "1"]);
  if (shared === undefined) return;
  const { kopia, folder, repository } = shared;
  const before = await kopia.snapshotCreate(folder, { source: goldenSource });
  await kopia.run("repository", "set-parameters", "--upgrade");
  await kopia.run("repository", "set-parameters", "--index-version", "2");
  const status = await fsbJson(["repo", "status", "--repo", repository]);
  assert.deepEqual([status.indexVersion, status.epochs, status.passwordChange], [2, true, false]);
  await storesAlike(shared, before, "zstd-fastest");
});

interface Shared {
  readonly work: string;
  readonly repository: string;
  readonly kopia: Kopia;
  /** Files to store. */
  readonly folder: string;
}

/** Undefined when the test was skipped. */
async function createShared(t: TestContext, args: readonly string[]): Promise<Shared | undefined> {
  const work = temporaryFolder(t);
  const kopia = await requireKopia(t, work);
  if (kopia === undefined || !requireRoot(t)) return undefined;
  const repository = join(work, "repository");
  const folder = join(work, "folder");
  for (const made of [repository, folder, join(folder, "below")]) mkdirSync(made);
  writeFileSync(join(folder, "text"), textOf(5_000_000, "first"));
  writeFileSync(join(folder, "noise"), noiseOf(2_000_000, "first"));
  writeFileSync(join(folder, "zeros"), new Uint8Array(5_000_000));
  writeFileSync(join(folder, "below", "empty"), "");
  for (let i = 0; i < 20; i++) writeFileSync(join(folder, "below", `small ${i}`), textOf(i * 100, `${i}`));
  symlinkSync("text", join(folder, "link"));
  await kopia.createFilesystem(repository, ...args);
  return { work, repository, kopia, folder };
}

/** What kopia stored restores; stored anew it is found again; what is new, either of the two reads. */
async function storesAlike(
  { work, repository, kopia, folder }: Shared,
  byKopia: { readonly id: string; readonly rootEntry: { readonly obj: string } },
  compression: string,
): Promise<void> {
  const first = readManifest(folder);
  await fsbRestore(byKopia.id, join(work, "kopia's by fsb"), repository);
  assertSameTree(first, readManifest(join(work, "kopia's by fsb")));

  const args = ["--source", goldenSource, "--parent", "none", "--compression", compression];
  const again = await fsbBackup(folder, repository, ...args);
  assert.equal(again.rootObjectId, byKopia.rootEntry.obj);
  assert.ok(again.uploadedBytes < 300_000, `uploaded ${again.uploadedBytes} of what was there`);

  appendFileSync(join(folder, "noise"), noiseOf(1_000_000, "second"));
  writeFileSync(join(folder, "new text"), textOf(2_000_000, "second"));
  const second = readManifest(folder);
  const more = await fsbBackup(folder, repository, ...args);
  // All of the noise, where it is cut nowhere, and of the text what it compresses to.
  if (compression !== "none") assert.ok(more.uploadedBytes < 4_800_000, `uploaded ${more.uploadedBytes}`);
  await kopia.verify(); // Reads every file of every snapshot.
  await fsbRestore(more.snapshotId, join(work, "fsb's by fsb"), repository);
  assertSameTree(second, readManifest(join(work, "fsb's by fsb")));
}

function noiseOf(length: number, seed: string): Uint8Array {
  return createHash("shake256", { outputLength: length }).update(seed).digest();
}

/** Numbers as people write them: compresses to less than half, and has no period. */
function textOf(length: number, seed: string): Uint8Array {
  return Buffer.from(noiseOf(Math.ceil(length / 3), seed).join(" ")).subarray(0, length);
}
