import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { toBase64 } from "../../src/base/bytes.ts";
import { readFolder } from "../../src/snapshot/snapshots.ts";
import { type MemoryRepository, openMemoryRepository } from "../repository/memory-repository.ts";
import { backUpFolder, restoreEntry, storedEntries, visibleSnapshots } from "../support/engine.ts";
import { requireRoot } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { linkTo, type Tree, writeTree } from "../support/tree.ts";
import { assertSameTree, readManifest } from "../support/tree-manifest.ts";

const { signal } = new AbortController();

async function setScene(
  t: TestContext,
  tree: Tree = {},
): Promise<{ memory: MemoryRepository; work: string; volume: string }> {
  const work = temporaryFolder(t);
  writeTree(join(work, "volume"), tree);
  return { memory: await openMemoryRepository(), work, volume: join(work, "volume") };
}

function run(command: string, ...args: readonly string[]): void {
  const done = spawnSync(command, args, { encoding: "utf8" });
  assert.equal(done.status, 0, `${command}: ${done.stderr}`);
}

test("a folder on disk becomes the objects that kopia's specification names, byte for byte", async (t) => {
  if (!requireRoot(t)) return;
  const work = temporaryFolder(t);
  const volume = join(work, "6c0e0b7e-2f0e-4a55-9a3e-6f1f0e0f7a11");
  writeTree(volume, {
    empty: {},
    sub: { "b&w.bin": "world" },
    "a.txt": "hello\n",
    link: linkTo("a.txt"),
    "zero.dat": "",
  });
  const attributes: [path: string, mode: number, owner: number, time: string][] = [
    ["empty", 0o700, 0, "2025-01-10T08:00:00.5Z"],
    ["sub/b&w.bin", 0o640, 1000, "2025-01-12T12:00:00.123456789Z"],
    ["sub", 0o2775, 1000, "2025-01-14T07:00:00Z"],
    ["a.txt", 0o644, 1000, "2025-01-11T09:30:00.25Z"],
    ["link", 0o777, 1000, "2025-01-11T09:31:00Z"],
    ["zero.dat", 0o600, 0, "2025-01-09T00:00:00Z"],
  ];
  for (const [path, mode, owner, time] of attributes) {
    fs.lchownSync(join(volume, path), owner, owner);
    if (path !== "link") fs.chmodSync(join(volume, path), mode);
    run("touch", "-h", "-d", time, join(volume, path));
  }
  const secret = toBase64(Uint8Array.from({ length: 32 }, (_, i) => i));
  const memory = await openMemoryRepository({ inner: { secret } });

  const { snapshot, readBytes } = await backUpFolder(memory, volume);

  const stored = await storedEntries(memory, snapshot.rootEntry);
  assert.deepEqual(Object.fromEntries([...stored].map(([path, { objectId }]) => [path, objectId])), {
    empty: "k918e885597637d0328de41f390122bdf",
    sub: "k1db879ecc6b43ff9dd59183cffca79eb",
    "sub/b&w.bin": "27818f7ddb8d35444627e099045bc0dd",
    "a.txt": "bc392cb6dc62013ef767027e8964392e",
    link: "71b0f341ad9b22f127f30e4cb1316a4a",
    "zero.dat": "4e51e7a913fc80137da52880fecca175",
  });
  assert.equal(snapshot.rootEntry.objectId, "k3c0277ab05c1a06a8a846e0dc63b4086");
  assert.equal(snapshot.rootEntry.name, "");
  assert.equal(Buffer.from(snapshot.rootEntry.nameBytes).toString(), "6c0e0b7e-2f0e-4a55-9a3e-6f1f0e0f7a11");
  assert.deepEqual(
    [snapshot.stats.totalSize, snapshot.stats.fileCount, snapshot.stats.dirCount, readBytes],
    [11, 3, 3, 11],
  );
});

test("the manifest that is found again is the one that was told", async (t) => {
  const { memory, volume } = await setScene(t, { file: "text" });
  const options = { description: "why", tags: { requester: "test" }, pins: ["velero-pin"] };
  const { snapshot } = await backUpFolder(memory, volume, options);
  const [found, ...others] = await visibleSnapshots(memory);
  assert.deepEqual(others, []);
  assert.deepEqual(
    [found?.id, found?.description, found?.tags, found?.pins, found?.rootEntry.objectId],
    [snapshot.id, "why", options.tags, options.pins, snapshot.rootEntry.objectId],
  );
});

test("an empty volume is a snapshot too", async (t) => {
  const { memory, volume, work } = await setScene(t);
  const { snapshot } = await backUpFolder(memory, volume);
  assert.equal((await storedEntries(memory, snapshot.rootEntry)).size, 0);
  await restoreEntry(memory, snapshot.rootEntry, join(work, "target"));
  assertSameTree(readManifest(volume), readManifest(join(work, "target")));
});

test("sockets, pipes and devices are left out and counted, and do not make the backup wait", async (t) => {
  if (!requireRoot(t)) return;
  const { memory, volume } = await setScene(t, { file: "text", sub: {} });
  run("mkfifo", join(volume, "sub", "pipe"));
  run("mknod", join(volume, "zero"), "c", "1", "5");
  const server = createServer().listen(join(volume, "socket"));
  t.after(() => server.close());
  const { snapshot, skipped, failures } = await backUpFolder(memory, volume);
  assert.deepEqual([...(await storedEntries(memory, snapshot.rootEntry)).keys()], ["sub", "file"]);
  assert.deepEqual([skipped.count, skipped.named], [3, ["sub/pipe", "socket", "zero"]]);
  assert.equal(failures.count, 0);
});

test("each name of a file with several is stored, its bytes once", async (t) => {
  const { memory, volume } = await setScene(t, { first: "x".repeat(1000), folder: {} });
  fs.linkSync(join(volume, "first"), join(volume, "folder", "second"));
  const { snapshot } = await backUpFolder(memory, volume);
  const stored = await storedEntries(memory, snapshot.rootEntry);
  assert.equal(stored.get("first")?.objectId, stored.get("folder/second")?.objectId);
  assert.equal(snapshot.rootEntry.summary?.size, 2000);
});

test("names that are not UTF-8 come back as they were, also where kopia would see the same name twice", async (t) => {
  const { memory, volume, work } = await setScene(t);
  const names = ["a\xff", "a\xfe", "a\xef\xbf\xbd", "caf\xe9", "\x80", "line\nbreak", '"quoted" & <tagged>'];
  for (const name of names) fs.writeFileSync(Buffer.from(`${volume}/${name}`, "latin1"), `of ${name}`);
  fs.mkdirSync(Buffer.from(`${volume}/folder\xff`, "latin1"));
  fs.writeFileSync(Buffer.from(`${volume}/folder\xff/file\xfe`, "latin1"), "below");
  fs.symlinkSync(Buffer.from("to\xff", "latin1"), Buffer.from(`${volume}/link\xff`, "latin1"));
  const { snapshot } = await backUpFolder(memory, volume);
  const shown = [...(await storedEntries(memory, snapshot.rootEntry)).keys()];
  assert.equal(new Set(shown).size, names.length + 3, "kopia shows each of them");
  await restoreEntry(memory, snapshot.rootEntry, join(work, "target"));
  assertSameTree(readManifest(volume), readManifest(join(work, "target")));
  const again = await backUpFolder(memory, volume, { parent: snapshot });
  assert.equal(again.readBytes, 0, "and finds each unchanged");
});

test("names of 255 bytes and paths longer than PATH_MAX are stored and restored", async (t) => {
  const { memory, work, volume } = await setScene(t);
  const name = "ä".repeat(127).concat("x");
  const depth = 20;
  inDepth(volume, () => {
    for (let level = 0; level < depth; level++) {
      fs.mkdirSync(name);
      process.chdir(name);
    }
    fs.writeFileSync("file", "deep down");
  });
  const { snapshot, failures } = await backUpFolder(memory, volume);
  assert.equal(failures.count, 0);
  assert.equal(snapshot.rootEntry.summary?.dirs, depth + 1);
  await restoreEntry(memory, snapshot.rootEntry, join(work, "target"));
  inDepth(join(work, "target"), () => {
    for (let level = 0; level < depth; level++) process.chdir(name);
    assert.equal(fs.readFileSync("file", "utf8"), "deep down");
  });
});

function inDepth(folder: string, work: () => void): void {
  const before = process.cwd();
  process.chdir(folder);
  try {
    work();
  } finally {
    process.chdir(before);
  }
}

test("a folder of more entries than a batch is stored whole, folders first, each in the order of its bytes", async (t) => {
  const { memory, work, volume } = await setScene(t);
  const names = Array.from({ length: 2300 }, (_, i) => `${(i * 7919) % 2300}${i % 3 === 0 ? "é" : "\u{1f600}"}`);
  for (const [i, name] of names.entries()) {
    if (i % 8 === 0) fs.mkdirSync(join(volume, name));
    else if (i % 9 === 0) fs.symlinkSync(name, join(volume, name));
    else fs.writeFileSync(join(volume, name), `${i % 100}`);
  }
  const { snapshot } = await backUpFolder(memory, volume);
  const { entries } = await readFolder(memory.repository, snapshot.rootEntry.objectId, signal);
  const stored = [...entries].map(
    ({ kind, nameBytes }) => [kind === "folder" ? 0 : 1, Buffer.from(nameBytes)] as const,
  );
  assert.equal(stored.length, names.length);
  assert.deepEqual(
    stored,
    stored.toSorted((a, b) => a[0] - b[0] || Buffer.compare(a[1], b[1])),
  );
  await restoreEntry(memory, snapshot.rootEntry, join(work, "target"));
  assertSameTree(readManifest(volume), readManifest(join(work, "target")));
});

test("progress never goes back, and ends at what there is", async (t) => {
  const { memory, volume } = await setScene(t, { a: { one: "1".repeat(300_000) }, two: "22" });
  const seen: number[] = [];
  let last = { bytesDone: 0, bytesTotal: 0, filesDone: 0 };
  await backUpFolder(memory, volume, {
    onProgress: (progress) => {
      seen.push(progress.bytesDone);
      last = { ...progress };
    },
  });
  assert.deepEqual(
    seen,
    seen.toSorted((a, b) => a - b),
  );
  assert.deepEqual(last, { bytesDone: 300_002, bytesTotal: 300_002, filesDone: 2 });
});

test("progress counts bytes that are read of a large file, also where the repository has them all", async (t) => {
  const { memory, volume } = await setScene(t);
  const bytes = 30 * 1024 * 1024;
  fs.writeFileSync(join(volume, "large"), Buffer.alloc(bytes, "0123456789abcdef"));
  await backUpFolder(memory, volume);
  const seen: number[] = [];
  const { uploadedBytes, readBytes } = await backUpFolder(memory, volume, {
    parent: undefined,
    onProgress: ({ bytesDone }) => void seen.push(bytesDone),
  });
  assert.equal(readBytes, bytes);
  assert.ok(uploadedBytes < 64 * 1024, `${uploadedBytes} bytes are the snapshot itself`);
  assert.ok(new Set(seen).size > 3, `told at ${seen}`);
});
