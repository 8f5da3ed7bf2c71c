/** Volumes that cannot be read in part, or do not hold still. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { BackupOptions, BackupResult } from "../../src/backup/backup.ts";
import { errnoOf, hasCode } from "../../src/base/errors.ts";
import { type MemoryRepository, openMemoryRepository } from "../repository/memory-repository.ts";
import { backUpFolder, restoreEntry, storedEntries, visibleSnapshots } from "../support/engine.ts";
import { asNobody } from "../support/other-user.ts";
import { requireRoot } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { linkTo, type Tree, writeTree } from "../support/tree.ts";
import { assertSameTree, readManifest } from "../support/tree-manifest.ts";

/** Above what is read ahead whole; the rest of such a file is read while the test does something to it. */
const largeBytes = 3 << 20;

interface Scene {
  readonly memory: MemoryRepository;
  readonly volume: string;
  readonly target: string;
}

async function setScene(t: TestContext, tree: Tree): Promise<Scene> {
  const work = temporaryFolder(t);
  fs.chmodSync(work, 0o755);
  const volume = join(work, "volume");
  writeTree(volume, tree);
  return { memory: await openMemoryRepository(), volume, target: join(work, "target") };
}

/** A file, a folder, what lies in a folder that can be listed but not searched, and a root that can. */
const partlyForbidden: Tree = {
  readable: "text",
  secret: "secret",
  closed: { file: "out of reach" },
  listed: { file: "no attributes" },
  open: { file: "text", secret: "secret" },
};

function forbid(volume: string): void {
  fs.chmodSync(join(volume, "secret"), 0o600);
  fs.chmodSync(join(volume, "open", "secret"), 0o200);
  fs.chmodSync(join(volume, "closed"), 0o700);
  fs.chmodSync(join(volume, "listed"), 0o744);
}

test("an unreadable file fails the volume, after all others were read and all such were named", async (t) => {
  if (!requireRoot(t)) return;
  const { memory, volume } = await setScene(t, partlyForbidden);
  forbid(volume);
  await assert.rejects(
    asNobody(() => backUpFolder(memory, volume)),
    {
      code: "BACKUP_FILES_UNREADABLE",
      message:
        "4 files could not be read: closed: list: EACCES; listed/file: lstat: EACCES; " +
        "open/secret: open: EACCES; secret: open: EACCES",
      detail: { count: 4 },
    },
  );
  assert.deepEqual(await visibleSnapshots(memory), []);
  const again = await backUpFolder(memory, volume, { onFileError: "fail" });
  assert.ok(again.uploadedBytes > 0);
});

test("told to continue, a backup stores the rest, and the snapshot says what is missing", async (t) => {
  if (!requireRoot(t)) return;
  const { memory, volume } = await setScene(t, partlyForbidden);
  forbid(volume);
  const { snapshot, failures } = await asNobody(() => backUpFolder(memory, volume, { onFileError: "continue" }));
  assert.deepEqual(
    failures.named.map(({ path, operation, errno }) => `${path} ${operation} ${errno}`),
    ["closed list EACCES", "listed/file lstat EACCES", "open/secret open EACCES", "secret open EACCES"],
  );
  assert.deepEqual(
    [...(await storedEntries(memory, snapshot.rootEntry)).keys()],
    ["listed", "open", "open/file", "readable"],
  );
  assert.equal(snapshot.stats.ignoredErrorCount, 4);
  const { summary } = snapshot.rootEntry;
  assert.deepEqual([summary?.numFailed, summary?.numIgnoredErrors], [0, 4]);
  assert.deepEqual(summary?.errors.at(-1), { path: "secret", error: "open: EACCES" });
});

/** Regular files that open and whose first byte cannot be read; the second only where no security module answers. */
for (const [errno, broken] of [
  ["EIO", "mem"],
  ["EINVAL", "attr/exec"],
] as const) {
  test(`a file that cannot be read once it is open (${errno}) is a failure, not taken for one that vanished`, async (t) => {
    if (!requireRoot(t)) return;
    const path = `/proc/${process.pid}/${broken}`;
    if (errnoOfReading(path) !== errno) return t.skip(`${path} does not fail with ${errno} here`);
    const { memory, volume } = await setScene(t, { broken: "", whole: "text" });
    run("mount", "--bind", path, join(volume, "broken"));
    const backup = backUpFolder(memory, volume, { onFileError: "continue" });
    const { failures, vanished, snapshot } = await backup.finally(() => run("umount", join(volume, "broken")));
    assert.deepEqual(failures.named, [{ path: "broken", operation: "read", errno }]);
    assert.equal(vanished.count, 0);
    assert.deepEqual([...(await storedEntries(memory, snapshot.rootEntry)).keys()], ["whole"]);
  });
}

function errnoOfReading(path: string): string | undefined {
  try {
    fs.readFileSync(path);
    return undefined;
  } catch (error) {
    return errnoOf(error);
  }
}

test("of many unreadable files a hundred are named and the rest is counted", async (t) => {
  if (!requireRoot(t)) return;
  const names = Array.from({ length: 250 }, (_, i) => `file-${`${i}`.padStart(3, "0")}`);
  const { memory, volume } = await setScene(t, Object.fromEntries(names.map((name) => [name, "secret"])));
  for (const name of names) fs.chmodSync(join(volume, name), 0);
  const { failures, snapshot } = await asNobody(() => backUpFolder(memory, volume, { onFileError: "continue" }));
  assert.deepEqual([failures.count, failures.named.length], [250, 100]);
  assert.deepEqual(
    [snapshot.rootEntry.summary?.numIgnoredErrors, snapshot.rootEntry.summary?.errors.length],
    [250, 100],
  );
  await assert.rejects(
    asNobody(() => backUpFolder(memory, volume)),
    { code: "BACKUP_FILES_UNREADABLE", message: /^250 files .* file-009: open: EACCES; and 240 more$/ },
  );
});

test("a name that would steer a terminal is told escaped", async (t) => {
  if (!requireRoot(t)) return;
  const { memory, volume } = await setScene(t, { "\u001b[2Jgone\nnext": "secret" });
  fs.chmodSync(join(volume, "\u001b[2Jgone\nnext"), 0);
  await assert.rejects(
    asNobody(() => backUpFolder(memory, volume)),
    { message: "1 file could not be read: \\u{1b}[2Jgone\\u{a}next: open: EACCES" },
  );
});

test("a failure far below is told by the two ends of its path, so that no folder above grows with it", async (t) => {
  if (!requireRoot(t)) return;
  const { memory, volume } = await setScene(t, {});
  const before = process.cwd();
  process.chdir(volume);
  for (let level = 0; level < 20; level++) {
    fs.mkdirSync("d".repeat(255));
    process.chdir("d".repeat(255));
  }
  fs.writeFileSync("secret", "");
  fs.chmodSync("secret", 0);
  process.chdir(before);
  const { failures, snapshot } = await asNobody(() => backUpFolder(memory, volume, { onFileError: "continue" }));
  const [failure] = failures.named;
  assert.match(failure?.path ?? "", /^d+\/?….*d\/secret$/);
  assert.ok((failure?.path.length ?? 0) <= 1024);
  assert.equal(snapshot.rootEntry.summary?.errors[0]?.path, failure?.path);
});

test("a root that cannot be listed fails the backup by its name", async (t) => {
  if (!requireRoot(t)) return;
  const { memory, volume } = await setScene(t, { file: "text" });
  fs.chmodSync(volume, 0o700);
  await assert.rejects(
    asNobody(() => backUpFolder(memory, volume, { onFileError: "continue" })),
    (error: unknown) => hasCode(error, "VOLUME_ACCESS_DENIED") && String(error).includes(volume),
  );
});

/** Backs up; `meddle` is called when the folder `first` is read, and everything beside it was listed before. */
async function backUpMeddling(
  scene: Scene,
  meddle: () => void,
  options: Partial<BackupOptions> = {},
): Promise<BackupResult> {
  let left = 1;
  return await backUpFolder(scene.memory, scene.volume, {
    onProgress: () => {
      if (left-- > 0) meddle();
    },
    ...options,
  });
}

test("what vanishes or becomes a folder, or no folder, after it was listed is left out and told", async (t) => {
  const scene = await setScene(t, {
    first: { file: "text" },
    second: { file: "text" },
    third: { file: "text" },
    gone: "text",
    "gone link": linkTo("gone"),
    "to a folder": "text",
    "to a link": "text",
    "to a pipe": "text",
    "link to a file": linkTo("gone"),
    stays: "text",
  });
  const at = (name: string): string => join(scene.volume, name);
  const { snapshot, vanished, skipped, failures } = await backUpMeddling(scene, () => {
    for (const name of [
      "second",
      "third",
      "gone",
      "gone link",
      "to a folder",
      "to a link",
      "to a pipe",
      "link to a file",
    ]) {
      fs.rmSync(at(name), { recursive: true });
    }
    fs.symlinkSync("/", at("third"));
    fs.mkdirSync(at("to a folder"));
    fs.symlinkSync("stays", at("to a link"));
    run("mkfifo", at("to a pipe"));
    fs.writeFileSync(at("link to a file"), "text");
  });
  assert.deepEqual(vanished.named.toSorted(), ["gone", "gone link", "second", "third", "to a folder"]);
  // What is no folder before and after is stored as what it is when it is looked at.
  assert.deepEqual(skipped.named, ["to a pipe"]);
  assert.equal(failures.count, 0);
  assert.deepEqual(
    [...(await storedEntries(scene.memory, snapshot.rootEntry))].map(([path, { kind }]) => `${path}: ${kind}`).sort(),
    ["first/file: file", "first: folder", "link to a file: file", "stays: file", "to a link: symlink"],
  );
});

test("a file that was replaced by another after it was listed is stored as it is now", async (t) => {
  const scene = await setScene(t, { first: { file: "text" }, file: "before" });
  const { snapshot } = await backUpMeddling(scene, () => {
    fs.rmSync(join(scene.volume, "file"));
    fs.writeFileSync(join(scene.volume, "file"), "afterwards");
  });
  await restoreEntry(scene.memory, snapshot.rootEntry, scene.target);
  assert.equal(fs.readFileSync(join(scene.target, "file"), "utf8"), "afterwards");
});

/** Backs up while the large file `log` grows by a byte with each of the first `times` looks at the progress. */
async function backUpGrowing({ memory, volume }: Scene, times: number): Promise<BackupResult> {
  let left = times;
  return await backUpFolder(memory, volume, {
    onProgress: () => {
      if (left-- > 0) fs.appendFileSync(join(volume, "log"), "+");
    },
  });
}

test("a file that changed while it was read is read again, and stored as it is then", async (t) => {
  const scene = await setScene(t, { log: "x".repeat(largeBytes) });
  const { snapshot, changed } = await backUpGrowing(scene, 1);
  assert.equal(changed.count, 0);
  await restoreEntry(scene.memory, snapshot.rootEntry, scene.target);
  assertSameTree(readManifest(scene.volume), readManifest(scene.target));
});

test("a file that keeps changing is stored as it was last read, told, and read again by the next backup", async (t) => {
  const scene = await setScene(t, { log: "x".repeat(largeBytes) });
  const { snapshot, changed, readBytes } = await backUpGrowing(scene, 100);
  assert.deepEqual(changed.named, ["log"]);
  assert.ok(readBytes > largeBytes && readBytes < fs.statSync(join(scene.volume, "log")).size, `read ${readBytes}`);
  await restoreEntry(scene.memory, snapshot.rootEntry, scene.target);
  assert.equal(fs.readFileSync(join(scene.target, "log"), "utf8"), "x".repeat(largeBytes).padEnd(readBytes, "+"));
  const next = await backUpFolder(scene.memory, scene.volume, { parent: snapshot });
  assert.ok(next.readBytes > readBytes);
  assert.equal(next.changed.count, 0);
});

for (const [how, takeAway] of [
  ["renamed", (volume: string) => fs.renameSync(volume, `${volume}.deleting`)],
  ["removed", (volume: string) => fs.rmSync(volume, { recursive: true })],
  [
    "replaced",
    (volume: string) => {
      fs.renameSync(volume, `${volume}.old`);
      writeTree(volume, { other: "of another pod" });
    },
  ],
] as const) {
  for (const onFileError of ["fail", "continue"] as const) {
    test(`a volume that is ${how} while it is read makes no snapshot, whatever is done about file errors (${onFileError})`, async (t) => {
      const scene = await setScene(t, { first: { file: "text" }, later: { file: "text" }, file: "text" });
      await assert.rejects(
        backUpMeddling(scene, () => takeAway(scene.volume), { onFileError }),
        { code: "BACKUP_VOLUME_VANISHED" },
      );
      assert.deepEqual(await visibleSnapshots(scene.memory), []);
    });
  }
}

function run(command: string, ...args: readonly string[]): void {
  const done = spawnSync(command, args, { encoding: "utf8" });
  assert.equal(done.status, 0, `${command}: ${done.stderr}`);
}
