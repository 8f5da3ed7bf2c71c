/** Snapshots that someone made to do harm, and repositories in which something is damaged. */

import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { hasCode } from "../../src/base/errors.ts";
import { seededRandom } from "../../src/base/random.ts";
import { BlobError } from "../../src/repository/blob/blob-store.ts";
import { MemoryBlobStore } from "../../src/repository/blob/memory.ts";
import type { DirectoryEntry } from "../../src/snapshot/directory-entry.ts";
import {
  InterruptedBlobStore,
  idOfText,
  listIds,
  type MemoryRepository,
  openAgain,
  openMemoryRepository,
} from "../repository/memory-repository.ts";
import { backUpFolder, folderEntry, restoreEntry, storeObject, storeRawFolder } from "../support/engine.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { type Tree, writeTree } from "../support/tree.ts";
import { readManifest } from "../support/tree-manifest.ts";

const { signal } = new AbortController();
const random = seededRandom("hostile");

interface Scene {
  readonly memory: MemoryRepository;
  readonly work: string;
  readonly target: string;
  /** Object id of the file contents `evil`. */
  readonly evil: string;
}

/** Beside the target lies what must stay as it is. */
async function setScene(t: TestContext): Promise<Scene> {
  const work = temporaryFolder(t);
  writeTree(work, { outside: { file: "outside" }, target: {} });
  const memory = await openMemoryRepository();
  return { memory, work, target: join(work, "target"), evil: await storeObject(memory, "evil") };
}

/** Restores, which is to name as many entries; nothing beside the target changes. Gives the message. */
async function restoreIncomplete(
  { memory, work, target }: Scene,
  entry: DirectoryEntry,
  count: number,
): Promise<string> {
  const outside = readManifest(join(work, "outside"));
  let message = "";
  await assert.rejects(restoreEntry(memory, entry, target), (error: Error & { detail?: unknown }) => {
    message = error.message;
    assert.ok(hasCode(error, "RESTORE_INCOMPLETE"), `${error.stack}`);
    assert.deepEqual(error.detail, { count }, message);
    return true;
  });
  assert.deepEqual(readManifest(join(work, "outside")), outside);
  assert.deepEqual(fs.readdirSync(work).sort(), ["outside", "target"]);
  assert.deepEqual(
    namesIn(target).filter((name) => name.includes(".fsb-")),
    [],
  );
  return message;
}

function namesIn(folder: string): string[] {
  return fs.readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
}

test("names that lead anywhere but down are refused and named, and the others are restored", async (t) => {
  const scene = await setScene(t);
  const names = [
    "..",
    ".",
    "",
    "/",
    "/etc/evil",
    "../outside/file",
    "a/b",
    "a/../../outside/file",
    "nul\0byte",
    "x".repeat(256),
  ];
  const file = (name: string) => ({ name, type: "f", mode: "0644", size: 4, obj: scene.evil });
  const below = await storeRawFolder(scene.memory, [file("evil")]);
  const folder = (name: string) => ({ name, type: "d", mode: "0755", obj: below.objectId });
  const link = (name: string) => ({ name, type: "s", mode: "0777", size: 4, obj: scene.evil });
  const root = await storeRawFolder(scene.memory, [
    ...names.flatMap((name) => [file(name), folder(name), link(name)]),
    file("good"),
  ]);
  const message = await restoreIncomplete(scene, root, 3 * names.length);
  assert.deepEqual(namesIn(scene.target), ["good"]);
  assert.match(message, /RESTORE_ENTRY_INVALID/);
  assert.ok(message.length < 8000, `a message of ${message.length} characters`);
});

test("a name of megabytes does not make a message of megabytes, nor steer a terminal", async (t) => {
  const scene = await setScene(t);
  const name = `\u001b[2J/${"long".repeat(1_000_000)}`;
  const root = await storeRawFolder(scene.memory, [{ name, type: "f", size: 4, obj: scene.evil }]);
  const message = await restoreIncomplete(scene, root, 1);
  assert.ok(message.length < 2000, `a message of ${message.length} characters`);
  assert.ok(!message.includes("\u001b"));
});

test("a link and a folder of one name do not lead out, in whatever order they come", async (t) => {
  const scene = await setScene(t);
  const link = { name: "way", type: "s", mode: "0777", size: 10, obj: await storeObject(scene.memory, "../outside") };
  const below = await storeRawFolder(scene.memory, [
    { name: "file", type: "f", mode: "0644", size: 4, obj: scene.evil },
  ]);
  const folder = { name: "way", type: "d", mode: "0755", obj: below.objectId };
  for (const entries of [
    [link, folder],
    [folder, link],
    [link, folder, link, folder],
  ]) {
    const root = await storeRawFolder(scene.memory, entries);
    await restoreIncomplete(scene, root, entries.length / 2);
    assert.deepEqual(namesIn(scene.target), ["way", "way/file"]);
    assert.ok(fs.lstatSync(join(scene.target, "way")).isDirectory());
  }
});

test("of two files of one name there is one afterwards, whole", async (t) => {
  const scene = await setScene(t);
  const other = await storeObject(scene.memory, "other");
  const root = await storeRawFolder(scene.memory, [
    { name: "twice", type: "f", size: 4, obj: scene.evil },
    { name: "twice", type: "f", size: 5, obj: other },
  ]);
  await restoreEntry(scene.memory, root, scene.target);
  assert.ok(["evil", "other"].includes(fs.readFileSync(join(scene.target, "twice"), "utf8")));
  assert.deepEqual(namesIn(scene.target), ["twice"]);
});

test("entries of an unknown kind are named", async (t) => {
  const scene = await setScene(t);
  const root = await storeRawFolder(scene.memory, [
    { name: "device", type: "b", size: 4, obj: scene.evil },
    { name: "good", type: "f", size: 4, obj: scene.evil },
  ]);
  const message = await restoreIncomplete(scene, root, 1);
  assert.match(
    message,
    /^1 entry could not be restored: device: it is of a kind that is not known \[RESTORE_ENTRY_INVALID\]/,
  );
  assert.deepEqual(namesIn(scene.target), ["good"]);
});

test("a file whose entry tells another size than it has is not put in place", async (t) => {
  const scene = await setScene(t);
  writeTree(scene.target, { larger: "old" });
  const root = await storeRawFolder(scene.memory, [
    { name: "larger", type: "f", size: 3, obj: scene.evil },
    { name: "smaller", type: "f", size: Number.MAX_SAFE_INTEGER, obj: scene.evil },
    { name: "empty", type: "f", obj: scene.evil },
    { name: "good", type: "f", size: 4, obj: scene.evil },
  ]);
  const message = await restoreIncomplete(scene, root, 3);
  assert.match(message, /larger: the stored file has at least 4 bytes, its entry says 3 \[RESTORE_SIZE_MISMATCH\]/);
  assert.deepEqual(namesIn(scene.target), ["good", "larger"]);
  assert.equal(fs.readFileSync(join(scene.target, "larger"), "utf8"), "old");
});

test("links whose target is empty, has a zero byte or is too long are named", async (t) => {
  const scene = await setScene(t);
  const targets = ["", "a\0b", "x".repeat(4096), "x".repeat(1_000_000)];
  const entries = [];
  for (const [i, target] of targets.entries()) {
    entries.push({ name: `link-${i}`, type: "s", size: target.length, obj: await storeObject(scene.memory, target) });
  }
  const fits = { name: "fits", type: "s", size: 4095, obj: await storeObject(scene.memory, "x".repeat(4095)) };
  await restoreIncomplete(scene, await storeRawFolder(scene.memory, [...entries, fits]), targets.length);
  assert.deepEqual(namesIn(scene.target), ["fits"]);
});

test("objects that are not there, have an id that is none, or are no folder are named one by one", async (t) => {
  const scene = await setScene(t);
  const { memory } = scene;
  const missing = idOfText(memory.format, "never stored");
  const notAList = `I${await storeObject(memory, "no list", "x")}`;
  const root = await storeRawFolder(memory, [
    { name: "a folder that is a file", type: "d", mode: "0750", obj: scene.evil },
    { name: "a missing folder", type: "d", mode: "0750", obj: `k${missing}` },
    { name: "a good folder", type: "d", mode: "0750", obj: (await storeRawFolder(memory, [])).objectId },
    { name: "a missing file", type: "f", size: 4, obj: missing },
    { name: "a missing link", type: "s", size: 4, obj: missing },
    { name: "a list that is none", type: "f", size: 4, obj: notAList },
    { name: "no id", type: "f", size: 4, obj: "../../etc/passwd" },
    { name: "no object", type: "f", size: 4 },
    { name: "good", type: "f", size: 4, obj: scene.evil },
  ]);
  await restoreIncomplete(scene, root, 7);
  assert.deepEqual(namesIn(scene.target), ["a folder that is a file", "a good folder", "a missing folder", "good"]);
  for (const name of ["a folder that is a file", "a missing folder"]) {
    assert.equal(
      fs.statSync(join(scene.target, name)).mode & 0o7777,
      0o750,
      "it has its attributes, though nothing is in it",
    );
  }
});

test("a root that cannot be read is named as that", async (t) => {
  const scene = await setScene(t);
  const message = await restoreIncomplete(scene, folderEntry(`k${idOfText(scene.memory.format, "never stored")}`), 1);
  assert.match(message, /^1 entry could not be restored: \.: .*CONTENT_NOT_FOUND/);
});

test("of a folder that is damaged in its middle the entries before are restored", async (t) => {
  const scene = await setScene(t);
  const below = await storeRawFolder(scene.memory, [
    { name: "a", type: "f", size: 4, obj: scene.evil },
    { name: "b", type: "f", size: "many", obj: scene.evil },
    { name: "c", type: "f", size: 4, obj: scene.evil },
  ]);
  const root = await storeRawFolder(scene.memory, [
    { name: "sub", type: "d", mode: "0750", obj: below.objectId },
    { name: "z", type: "f", size: 4, obj: scene.evil },
  ]);
  const message = await restoreIncomplete(scene, root, 1);
  assert.match(message, /: sub: .*FOLDER_INVALID/);
  assert.deepEqual(namesIn(scene.target), ["sub", "sub/a", "z"]);
  assert.equal(fs.statSync(join(scene.target, "sub")).mode & 0o7777, 0o750);
});

test("folders nested deeper than any path reaches end in a name, not in the stack", async (t) => {
  const scene = await setScene(t);
  let objectId = (await storeRawFolder(scene.memory, [])).objectId;
  await using writer = scene.memory.repository.createWriter();
  for (let level = 0; level < 2100; level++) {
    const json = JSON.stringify({
      stream: "kopia:directory",
      entries: [{ name: "d", type: "d", mode: "0755", obj: objectId }],
    });
    [objectId = ""] = await writer.writeObjects([{ prefix: "k", bytes: Buffer.from(json) }], signal);
  }
  await writer.flush(signal);
  const message = await restoreIncomplete(scene, folderEntry(objectId), 1);
  assert.match(message, /RESTORE_ENTRY_INVALID/);
});

test("damage in the middle of a batch fails the files that it touches, and no wrong bytes bear a name", async (t) => {
  const work = temporaryFolder(t);
  const names = Array.from({ length: 30 }, (_, i) => `file-${`${i}`.padStart(2, "0")}`);
  const tree: Tree = Object.fromEntries(names.map((name) => [name, random(10_000)]));
  writeTree(join(work, "volume"), { one: tree, two: { other: random(10_000) } });
  const memory = await openMemoryRepository({ packBytesMax: 90_000 });
  const { snapshot } = await backUpFolder(memory, join(work, "volume"));
  const packs = await listIds(memory.store, "p");
  assert.ok(packs.length > 3, `${packs.length} packs`);
  const stored = await Promise.all(packs.map(async (id) => ({ id, bytes: await memory.store.get(id, { signal }) })));
  const full = stored.find(({ bytes }) => bytes.byteLength > 90_000); // The last one may hold a single file.
  assert.ok(full);
  const { id: pack, bytes } = full;
  for (const at of [25_000, 55_000]) bytes[at] = (bytes[at] ?? 0) ^ 1;
  await memory.store.put(pack, [bytes], { signal });

  const target = join(work, "target");
  writeTree(target, { one: { [names[0] ?? ""]: "old", [names[29] ?? ""]: "old" } });
  let message = "";
  await assert.rejects(
    restoreEntry(await openAgain(memory, { packBytesMax: 90_000 }), snapshot.rootEntry, target),
    (error: Error) => {
      message = error.message;
      return hasCode(error, "RESTORE_INCOMPLETE");
    },
  );
  const [expected, found] = [readManifest(join(work, "volume")), readManifest(target)];
  const wrong = [...expected.values()]
    .filter(({ path, sha256 }) => found.get(path)?.sha256 !== sha256)
    .map(({ path }) => path);
  assert.equal(wrong.length, 2, wrong.join());
  for (const path of wrong) {
    assert.match(message, new RegExp(`${path}: content [0-9a-f]+ in pack ${pack} is damaged \\[CONTENT_CORRUPT\\]`));
    const entry = found.get(path);
    assert.ok(entry === undefined || entry.size === 3, `${path} is not there, or old`);
  }
});

test("a store that cannot be reached ends the restore as that", async (t) => {
  const work = temporaryFolder(t);
  writeTree(join(work, "volume"), { sub: { file: "text" }, file: "text" });
  const store = new InterruptedBlobStore(new MemoryBlobStore());
  const memory = await openMemoryRepository({ store });
  const { snapshot } = await backUpFolder(memory, join(work, "volume"));
  const again = await openAgain(memory);
  store.before = (operation, id) => {
    if (operation === "get" && id.startsWith("p")) throw new BlobError("BLOB_STORE_UNAVAILABLE", "nobody is there");
  };
  await assert.rejects(restoreEntry(again, snapshot.rootEntry, join(work, "target")), {
    code: "BLOB_STORE_UNAVAILABLE",
  });
});
