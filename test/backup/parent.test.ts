/** What a backup takes over from the snapshot before, and what it reads anew. */

import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { comparePlace, ParentFolder } from "../../src/backup/parent-folder.ts";
import { toUtf8 } from "../../src/base/bytes.ts";
import { parseObjectId } from "../../src/repository/object/object-id.ts";
import type { DirectoryEntry } from "../../src/snapshot/directory-entry.ts";
import type { SnapshotManifest } from "../../src/snapshot/snapshot-manifest.ts";
import { idOfText, type MemoryRepository, openMemoryRepository } from "../repository/memory-repository.ts";
import { backUpFolder, folderEntry, restoreEntry, storeObject, storeRawFolder } from "../support/engine.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { linkTo, type Tree, writeTree } from "../support/tree.ts";
import { assertSameTree, readManifest } from "../support/tree-manifest.ts";

const { signal } = new AbortController();

interface Scene {
  readonly memory: MemoryRepository;
  readonly volume: string;
  readonly work: string;
  readonly parent: SnapshotManifest;
}

/** The tree, backed up once. */
async function setScene(t: TestContext, tree: Tree): Promise<Scene> {
  const work = temporaryFolder(t);
  const volume = join(work, "volume");
  writeTree(volume, tree);
  const memory = await openMemoryRepository();
  return { memory, volume, work, parent: (await backUpFolder(memory, volume)).snapshot };
}

test("files that are as they were keep their objects and are not read", async (t) => {
  const { memory, volume, parent } = await setScene(t, { sub: { file: "text" }, empty: "", link: linkTo("sub") });
  const again = await backUpFolder(memory, volume, { parent });
  assert.equal(again.readBytes, 0);
  assert.equal(again.snapshot.rootEntry.objectId, parent.rootEntry.objectId);
  const { cachedFiles, nonCachedFiles, fileCount, totalSize } = again.snapshot.stats;
  assert.deepEqual(
    { cachedFiles, nonCachedFiles, fileCount, totalSize },
    { cachedFiles: 3, nonCachedFiles: 0, fileCount: 0, totalSize: 7 },
  );
});

test("a file of the same size, mode, owner and time is not looked into, as with kopia", async (t) => {
  const { memory, volume, parent } = await setScene(t, { file: "before" });
  const { atime, mtime } = fs.statSync(join(volume, "file"));
  fs.utimesSync(join(volume, "file"), atime, mtime); // Node cannot set nanoseconds: whole microseconds for both.
  const { snapshot } = await backUpFolder(memory, volume, { parent });
  fs.writeFileSync(join(volume, "file"), "secret");
  fs.utimesSync(join(volume, "file"), atime, mtime);
  const again = await backUpFolder(memory, volume, { parent: snapshot });
  assert.equal(again.readBytes, 0);
  assert.equal(again.snapshot.rootEntry.objectId, snapshot.rootEntry.objectId);
});

for (const [what, change] of [
  ["mode", (path: string) => fs.chmodSync(path, 0o751)],
  ["owner", (path: string) => fs.chownSync(path, 12, 0)],
  ["group", (path: string) => fs.chownSync(path, 0, 12)],
  ["time", (path: string) => fs.utimesSync(path, 1, 1)],
] as const) {
  test(`a file whose ${what} differs is read again and stored with it`, async (t) => {
    if (process.getuid?.() !== 0) return t.skip("needs root, for owners");
    const { memory, volume, work, parent } = await setScene(t, { file: "text", other: "text" });
    change(join(volume, "file"));
    const { snapshot, readBytes } = await backUpFolder(memory, volume, { parent });
    assert.equal(readBytes, 4);
    await restoreEntry(memory, snapshot.rootEntry, join(work, "target"));
    assertSameTree(readManifest(volume), readManifest(join(work, "target")));
  });
}

test("each entry is compared with the one of its own name and kind, whatever came and went around it", async (t) => {
  const { memory, volume, work, parent } = await setScene(t, {
    "a.txt": "a.txt",
    a: { below: "a/below" },
    b: "b, a file",
    c: { below: "c, a folder" },
    d: linkTo("a"),
    e: "e, a file",
    ab: "ab",
    z: "z",
    é: "é",
  });
  for (const name of ["a.txt", "c", "d", "b", "e", "z"]) fs.rmSync(join(volume, name), { recursive: true });
  writeTree(volume, {
    A: "new first",
    aa: "new between",
    b: { below: "b, a folder" },
    c: "c, a file",
    d: "d, a file",
    e: linkTo("aa"),
    zz: "new last",
    "\u{1f600}": "new behind",
  });
  const { snapshot, readBytes } = await backUpFolder(memory, volume, { parent });
  const unread = "a/below".length + "ab".length + "é".length + 1;
  assert.equal(readBytes, (snapshot.rootEntry.summary?.size ?? 0) - unread);
  assert.equal(snapshot.stats.cachedFiles, 3);
  await restoreEntry(memory, snapshot.rootEntry, join(work, "target"));
  assertSameTree(readManifest(volume), readManifest(join(work, "target")));
});

test("asked for in its order, a parent folder finds what it has and nothing else", () => {
  const place = fc.tuple(fc.boolean(), fc.stringMatching(/^[ab\xff]{1,3}$/));
  const places = fc.uniqueArray(place, { selector: String, maxLength: 30 });
  fc.assert(
    fc.property(places, places, (stored, asked) => {
      const inOrder = (list: typeof stored) =>
        list.map(([a, b]) => [a, toUtf8(b)] as const).sort((a, b) => comparePlace(...a, ...b));
      const entryOf = ([isFolder, nameBytes]: readonly [boolean, Uint8Array]): DirectoryEntry => {
        return { ...folderEntry("k00"), kind: isFolder ? "folder" : "file", nameBytes };
      };
      const parent = new ParentFolder(inOrder(stored).map(entryOf));
      const known = new Set(stored.map(String));
      for (const [isFolder, name] of inOrder(asked)) {
        const found = parent.find(isFolder, name);
        const text = String([isFolder, Buffer.from(name).toString()]);
        assert.equal(found !== undefined, known.has(text), text);
        if (found !== undefined) assert.deepEqual([found.kind === "folder", found.nameBytes], [isFolder, name]);
      }
    }),
  );
});

for (const [what, rootOf] of [
  ["is not in the repository", async () => folderEntry(`k${"0".repeat(32)}`)],
  ["has an id that is none", async () => folderEntry("../../etc")],
  ["is no folder", async (memory: MemoryRepository) => folderEntry(await storeObject(memory, "{}", "k"))],
] as const) {
  test(`a parent whose root ${what} is warned about, and everything is read`, async (t) => {
    const { memory, volume, parent } = await setScene(t, { file: "text" });
    const warnings: string[] = [];
    const { snapshot, readBytes } = await backUpFolder(memory, volume, {
      parent: { ...parent, rootEntry: await rootOf(memory) },
      warn: (message) => warnings.push(message),
    });
    assert.equal(readBytes, 4);
    assert.equal(snapshot.rootEntry.objectId, parent.rootEntry.objectId);
    assert.equal(warnings.length, 1);
  });
}

test("a parent folder that is damaged in its middle counts up to there", async (t) => {
  const { memory, volume, parent } = await setScene(t, { a: "aa", b: "bbb", c: "cccc" });
  const json = await rawEntriesOf(memory, parent.rootEntry);
  const root = await storeRawFolder(memory, [json[0] ?? {}, { ...json[1], size: "many" }, json[2] ?? {}]);
  const { readBytes } = await backUpFolder(memory, volume, { parent: { ...parent, rootEntry: root } });
  assert.equal(readBytes, 7);
});

for (const [what, objectIdOf] of [
  ["is in no index", ({ format }: MemoryRepository) => idOfText(format, "never stored")],
  ["is a list in no index", ({ format }: MemoryRepository) => `Ix${idOfText(format, "never stored")}`],
  ["has an id that is none", () => "nowhere"],
] as const) {
  test(`a file that looks unchanged is read when its object in the parent ${what}`, async (t) => {
    const { memory, volume, parent } = await setScene(t, { file: "text" });
    const [json] = await rawEntriesOf(memory, parent.rootEntry);
    const root = await storeRawFolder(memory, [{ ...json, obj: objectIdOf(memory) }]);
    const { snapshot, readBytes } = await backUpFolder(memory, volume, { parent: { ...parent, rootEntry: root } });
    assert.equal(readBytes, 4);
    assert.equal(snapshot.rootEntry.objectId, parent.rootEntry.objectId);
  });
}

/** The entries of a stored folder as they stand there. */
async function rawEntriesOf(
  { repository }: MemoryRepository,
  folder: DirectoryEntry,
): Promise<Record<string, unknown>[]> {
  const bytes = await repository.objects.readWhole(parseObjectId(folder.objectId), 1 << 20, signal);
  return JSON.parse(Buffer.from(bytes).toString("utf8")).entries;
}
