import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type CodedError, hasCode, isAbort } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { restore } from "../../src/restore/restore.ts";
import { type MemoryRepository, openMemoryRepository } from "../repository/memory-repository.ts";
import { backUpFolder, restoreEntry, storedEntries } from "../support/engine.ts";
import { asNobody } from "../support/other-user.ts";
import { requireRoot } from "../support/required.ts";
import { SmallVolume } from "../support/small-volume.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { linkTo, type Tree, writeTree } from "../support/tree.ts";
import { assertSameTree, readManifest } from "../support/tree-manifest.ts";

interface Scene {
  readonly memory: MemoryRepository;
  readonly work: string;
  readonly volume: string;
  readonly target: string;
}

async function setScene(t: TestContext, tree: Tree = {}): Promise<Scene> {
  const work = temporaryFolder(t);
  fs.chmodSync(work, 0o755);
  writeTree(join(work, "volume"), tree);
  return { memory: await openMemoryRepository(), work, volume: join(work, "volume"), target: join(work, "target") };
}

async function backUp({ memory, volume }: Scene) {
  return (await backUpFolder(memory, volume)).snapshot.rootEntry;
}

function touch(path: string, time: string): void {
  const done = spawnSync("touch", ["-h", "-d", time, path], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
}

/** Names that a restore makes on its way and must not leave. */
function temporaryNames(folder: string): string[] {
  return fs.readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.includes(".fsb-"));
}

test("every kind of entry comes back with its owner, all bits of its mode and its time to the nanosecond", async (t) => {
  if (!requireRoot(t)) return;
  const scene = await setScene(t, {
    file: "text",
    empty: "",
    large: "x".repeat(300_000),
    link: linkTo("file"),
    dangling: linkTo("../nowhere"),
    folder: { inner: { file: "below" } },
    "empty folder": {},
  });
  const { volume, target } = scene;
  for (const path of ["file", "link", "folder", "folder/inner"]) fs.lchownSync(join(volume, path), 1234, 5678);
  fs.chmodSync(join(volume, "file"), 0o6751);
  fs.chmodSync(join(volume, "empty"), 0);
  fs.chmodSync(join(volume, "folder"), 0o3770);
  fs.chmodSync(join(volume, "folder", "inner"), 0o500);
  fs.chmodSync(volume, 0o1777);
  for (const path of ["file", "link", "folder/inner/file", "folder/inner", "folder", "."]) {
    touch(join(volume, path), "2021-02-03T04:05:06.123456789Z");
  }
  touch(join(volume, "large"), "1931-05-06T07:08:09.000000001Z");
  const { files, folders, symlinks, bytes, differences } = await restoreEntry(
    scene.memory,
    await backUp(scene),
    target,
  );
  assertSameTree(readManifest(volume), readManifest(target));
  assert.deepEqual({ files, folders, symlinks, bytes }, { files: 4, folders: 4, symlinks: 2, bytes: 300_009 });
  assert.equal(differences.count, 0);
});

test("a folder keeps its time although what is in it is written after folders behind it", async (t) => {
  const scene = await setScene(t);
  // More folders than are held open, more files than are in one batch.
  const names = Array.from({ length: 150 }, (_, i) => `folder-${i}`);
  for (const name of names) writeTree(join(scene.volume, name), { sub: { file: name }, file: name });
  writeTree(
    join(scene.volume, "many"),
    Object.fromEntries(Array.from({ length: 4050 }, (_, i) => [`file-${i}`, `${i % 50}`])),
  );
  for (const name of names) touch(join(scene.volume, name), "2020-01-01T00:00:00Z");
  await restoreEntry(scene.memory, await backUp(scene), scene.target);
  assertSameTree(readManifest(scene.volume), readManifest(scene.target));
});

test("what is in the way is replaced and never followed, what is beside it is kept", async (t) => {
  const scene = await setScene(t, {
    file: "restored",
    "file over link": "restored",
    "file over its other name": "restored",
    link: linkTo("elsewhere"),
    "link over file": linkTo("elsewhere"),
    "link over link": linkTo("elsewhere"),
    folder: { file: "restored" },
    "folder over file": { file: "restored" },
    "folder over link": { file: "restored" },
  });
  const { target, work } = scene;
  writeTree(join(work, "outside"), { file: "outside", canary: "outside" });
  writeTree(target, {
    file: "old, and longer than what replaces it",
    "file over link": linkTo("../outside/file"),
    link: linkTo("../outside"),
    "link over file": "old",
    "link over link": linkTo("../outside"),
    folder: { file: "old", beside: "kept" },
    "folder over file": "old",
    "folder over link": linkTo("../outside"),
    beside: "kept",
  });
  fs.linkSync(join(work, "outside", "canary"), join(target, "file over its other name"));
  const outside = readManifest(join(work, "outside"));
  await restoreEntry(scene.memory, await backUp(scene), target);
  assertSameTree(outside, readManifest(join(work, "outside")));
  assert.equal(fs.readFileSync(join(target, "beside"), "utf8"), "kept");
  assert.equal(fs.readFileSync(join(target, "folder", "beside"), "utf8"), "kept");
  const found = new Map(readManifest(target));
  for (const path of ["beside", "folder/beside"]) found.delete(path);
  assertSameTree(readManifest(scene.volume), found);
});

test("a file or a link does not replace a folder: it is named, and all others are restored", async (t) => {
  const scene = await setScene(t, {
    a: "restored",
    blocked: "restored",
    sub: { "blocked link": linkTo("a"), z: "restored" },
  });
  const { target } = scene;
  writeTree(target, { blocked: { file: "kept" }, sub: { "blocked link": { file: "kept" } } });
  await assert.rejects(restoreEntry(scene.memory, await backUp(scene), target), {
    code: "RESTORE_INCOMPLETE",
    detail: { count: 2 },
    message: /^2 entries could not be restored: .*VOLUME_FOLDER_IN_THE_WAY.*; .*VOLUME_FOLDER_IN_THE_WAY/,
  });
  for (const path of ["blocked/file", "sub/blocked link/file"])
    assert.equal(fs.readFileSync(join(target, path), "utf8"), "kept");
  for (const path of ["a", "sub/z"]) assert.equal(fs.readFileSync(join(target, path), "utf8"), "restored");
  const times = [scene.volume, target].map((root) => fs.statSync(join(root, "sub"), { bigint: true }).mtimeNs);
  assert.equal(times[0], times[1], "its folder has its attributes all the same");
  assert.deepEqual(temporaryNames(target), []);
});

test("long runs of zeros are left as holes, or written when that is wanted", async (t) => {
  if (!requireRoot(t)) return;
  const scene = await setScene(t);
  using volume = new SmallVolume(scene.work, 64);
  const zeros = Buffer.alloc(6 << 20);
  zeros.write("in the middle", 3 << 20);
  fs.writeFileSync(join(scene.volume, "zeros"), zeros);
  fs.writeFileSync(join(scene.volume, "all zeros"), Buffer.alloc(1 << 20));
  const entry = await backUp(scene);
  for (const [zerosAre, blocksMax] of [
    ["holes", 1024],
    ["written", Number.POSITIVE_INFINITY],
  ] as const) {
    const target = join(volume.folder, zerosAre);
    await restoreEntry(scene.memory, entry, target, { zeros: zerosAre });
    assertSameTree(readManifest(scene.volume), readManifest(target));
    const { blocks } = fs.statSync(join(target, "zeros"));
    assert.ok(blocks <= blocksMax && (zerosAre === "holes" || blocks >= zeros.length / 512), `${blocks} blocks`);
  }
});

test("a folder below the root, a single file or a single link can be restored", async (t) => {
  const scene = await setScene(t, { sub: { file: "text", link: linkTo("file"), deeper: { file: "deep" } } });
  const entries = await storedEntries(scene.memory, await backUp(scene));
  const restored = async (path: string): Promise<string[]> => {
    const entry = entries.get(path);
    assert.ok(entry);
    const target = join(scene.work, path.replaceAll("/", "-"));
    await restoreEntry(scene.memory, entry, target);
    return fs.readdirSync(target, { recursive: true, encoding: "utf8" }).sort();
  };
  assert.deepEqual(await restored("sub"), ["deeper", "deeper/file", "file", "link"]);
  assertSameTree(readManifest(join(scene.volume, "sub")), readManifest(join(scene.work, "sub")));
  assert.deepEqual(await restored("sub/file"), ["file"]);
  assert.deepEqual(await restored("sub/link"), ["link"]);
  assert.equal(fs.readlinkSync(join(scene.work, "sub-link", "link")), "file");
});

test("a target that is not there or is no folder is named, and nothing is made", async (t) => {
  const scene = await setScene(t, { file: "text" });
  const entry = await backUp(scene);
  const options = {
    repository: scene.memory.repository,
    entry,
    zeros: "holes",
    signal: new AbortController().signal,
    onProgress: () => undefined,
    warn: () => undefined,
  } as const;
  await assert.rejects(restore({ ...options, target: scene.target }), { code: "VOLUME_NOT_FOUND" });
  assert.equal(fs.existsSync(scene.target), false);
  await assert.rejects(restore({ ...options, target: join(scene.volume, "file") }), { code: "VOLUME_NOT_A_FOLDER" });
});

test("attributes that the file system does not take are told, and the contents are there", async (t) => {
  if (!requireRoot(t)) return;
  const scene = await setScene(t, { file: "text", folder: {} });
  fs.chownSync(join(scene.volume, "file"), 1234, 1234);
  const entry = await backUp(scene);
  fs.mkdirSync(scene.target);
  fs.chownSync(scene.target, 65_534, 65_534);
  const { differences } = await asNobody(() => restoreEntry(scene.memory, entry, scene.target));
  assert.equal(fs.readFileSync(join(scene.target, "file"), "utf8"), "text");
  assert.deepEqual(
    differences.named
      .map(({ path, attribute, wanted, found, errno }) => [path, attribute, wanted, found, errno])
      .sort(),
    [
      [".", "owner", "0:0", "65534:65534", "EPERM"],
      ["file", "owner", "1234:1234", "65534:65534", "EPERM"],
      ["folder", "owner", "0:0", "65534:65534", "EPERM"],
    ],
  );
  assert.equal(differences.count, 3);
});

test("a full target ends the restore at once, as that, and leaves no part of a file", async (t) => {
  if (!requireRoot(t)) return;
  const scene = await setScene(t, { a: "small", b: Buffer.alloc(3 << 20, "x"), c: { file: "text" } });
  using volume = new SmallVolume(scene.work, 1);
  await assert.rejects(restoreEntry(scene.memory, await backUp(scene), volume.folder), (error: CodedError) => {
    assert.equal(error.code, "RESTORE_STOPPED");
    assert.match(error.message, /could not restore b$/);
    return hasCode(error, "VOLUME_FULL");
  });
  assert.deepEqual(temporaryNames(volume.folder), []);
  assert.equal(fs.existsSync(join(volume.folder, "b")), false);
});

test("a cancelled restore leaves each file old or new, and no temporary names", async (t) => {
  const names = Array.from({ length: 40 }, (_, i) => `file-${i}`);
  const scene = await setScene(t, Object.fromEntries(names.map((name) => [name, `new ${name}`.padEnd(2000, "n")])));
  fs.writeFileSync(join(scene.volume, "large"), seededRandom("large")(9 << 20));
  const entry = await backUp(scene);
  let cancelled = 0;
  for (const looks of [1, 2, 3, 7, 25, 41]) {
    const target = join(scene.work, `target-${looks}`);
    writeTree(target, Object.fromEntries(names.map((name) => [name, `old ${name}`])));
    writeTree(target, { large: "old large" });
    const controller = new AbortController();
    let seen = 0;
    const run = restoreEntry(scene.memory, entry, target, {
      signal: controller.signal,
      onProgress: () => {
        if (++seen === looks) controller.abort();
      },
    });
    const outcome = await run.catch((error: unknown) => error);
    if (!controller.signal.aborted) break; // A kernel that tells of its progress more rarely was done before.
    assert.ok(isAbort(outcome), `${outcome} after ${looks}`);
    cancelled++;
    assert.deepEqual(temporaryNames(target), []);
    for (const name of [...names, "large"]) {
      const found = fs.readFileSync(join(target, name));
      const isNew = found.equals(fs.readFileSync(join(scene.volume, name)));
      assert.ok(isNew || found.equals(Buffer.from(`old ${name}`)), `${name} after ${looks}`);
    }
  }
  assert.ok(cancelled >= 2, `${cancelled} times`);
});

test("progress counts up to the whole", async (t) => {
  const scene = await setScene(t, { a: { file: "text" }, b: "x".repeat(10_000) });
  const seen: { bytesDone: number; bytesTotal: number; entriesDone: number }[] = [];
  await restoreEntry(scene.memory, await backUp(scene), scene.target, {
    onProgress: (progress) => seen.push(progress),
  });
  assert.ok(seen.every((progress, i) => i === 0 || progress.bytesDone >= (seen[i - 1]?.bytesDone ?? 0)));
  assert.deepEqual(seen.at(-1), { bytesDone: 10_004, bytesTotal: 10_004, entriesDone: 4 });
});

test("temporary files that a killed restore left are taken away, and nothing else is", async (t) => {
  const scene = await setScene(t, { file: "text", folder: { inner: "text" } });
  const left = ".fsb-0123456789abcdef.tmp";
  writeTree(scene.target, { [left]: "half", ".fsb-notes.tmp": "mine", folder: { [left]: "half", kept: "kept" } });
  await restoreEntry(scene.memory, await backUp(scene), scene.target);
  const names = fs.readdirSync(scene.target, { recursive: true, encoding: "utf8" }).sort();
  assert.deepEqual(names, [".fsb-notes.tmp", "file", "folder", "folder/inner", "folder/kept"]);
});
