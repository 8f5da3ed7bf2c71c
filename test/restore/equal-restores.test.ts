/** What the kernel restores by itself is what the reference restores, of good trees and of bad ones. */

import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { toUtf8 } from "../../src/base/bytes.ts";
import { goTimeNsMax, goTimeNsMin } from "../../src/base/go-time.ts";
import { seededRandom } from "../../src/base/random.ts";
import { ContentTableBuilder } from "../../src/kernel/content-table.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { createNativeKernel } from "../../src/kernel/native/kernel.ts";
import { typescriptKernel } from "../../src/kernel/typescript/kernel.ts";
import { parseBlobId } from "../../src/repository/blob/blob-store.ts";
import { openFilesystemStore } from "../../src/repository/blob/filesystem.ts";
import { RestoreError } from "../../src/restore/restore-error.ts";
import type { DirectoryEntry } from "../../src/snapshot/directory-entry.ts";
import { encodeFolder } from "../../src/snapshot/folder-object.ts";
import { openVolume } from "../../src/volume/open-folder.ts";
import { removeTree } from "../../src/volume/remove-tree.ts";
import { nativeAddon } from "../kernel/native/native-addon.ts";
import {
  idOfText,
  listIds,
  type MemoryRepository,
  openAgain,
  openMemoryRepository,
  putIndexBlob,
} from "../repository/memory-repository.ts";
import { entry as anyEntry, mutated, nameBytes } from "../snapshot/arbitraries.ts";
import { summaryOf } from "../snapshot/stored-examples.ts";
import { backUpFolder, folderEntry, restoreEntry, storeObject, storeRawFolder } from "../support/engine.ts";
import { lacking, requireRoot } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { linkTo, writeTree } from "../support/tree.ts";
import { assertSameTree, readManifest } from "../support/tree-manifest.ts";

const { signal } = new AbortController();
const random = seededRandom("equal restores");
const threads = 3;

interface Kernels {
  readonly native: Kernel;
  readonly typescript: Kernel;
}

/** Undefined when the test was skipped because there is no native kernel. */
function requireKernels(t: TestContext): Kernels | undefined {
  if (nativeAddon instanceof Error) return lacking(t, `no native kernel: ${nativeAddon.message}`);
  return { native: createNativeKernel(nativeAddon, { parallelism: threads }), typescript: typescriptKernel };
}

type Outcome = { readonly counts: Readonly<Record<string, number>> } | { readonly failures: readonly string[] };

async function outcomeOf(
  memory: MemoryRepository,
  kernel: Kernel,
  entry: DirectoryEntry,
  target: string,
): Promise<Outcome> {
  const opened = await openAgain(memory, { kernel });
  try {
    const { files, folders, symlinks, bytes, differences } = await restoreEntry(opened, entry, target);
    return { counts: { files, folders, symlinks, bytes, differences: differences.count } };
  } catch (error) {
    if (!(error instanceof RestoreError) || error.code !== "RESTORE_INCOMPLETE") throw error;
    return { failures: error.failures.map(({ path, cause }) => `${path}: ${cause}`).sort() };
  }
}

let restores = 0;

/** Restores with both kernels, and gives where the native one has written. */
async function restoreEqually(
  work: string,
  memory: MemoryRepository,
  kernels: Kernels,
  entry: DirectoryEntry,
): Promise<string> {
  const number = restores++;
  const [native, reference] = [join(work, `native-${number}`), join(work, `typescript-${number}`)];
  const expected = await outcomeOf(memory, kernels.typescript, entry, reference);
  const outcome = await outcomeOf(memory, kernels.native, entry, native);
  // Messages name the target.
  assert.deepEqual(JSON.parse(JSON.stringify(outcome).replaceAll(native, reference)), expected);
  assertSameTree(readManifest(reference), readManifest(native));
  assert.deepEqual(blocksOf(native).sort(), blocksOf(reference).sort());
  return native;
}

/** How much each file takes, which tells of holes. */
function blocksOf(folder: string | Buffer): string[] {
  return fs.readdirSync(folder, { encoding: "buffer" }).flatMap((name) => {
    const path = Buffer.concat([Buffer.from(folder), toUtf8("/"), name]);
    const stats = fs.lstatSync(path);
    if (stats.isDirectory()) return blocksOf(path).map((below) => `${name.toString("latin1")}/${below}`);
    return stats.isFile() ? [`${name.toString("latin1")} ${stats.blocks}`] : [];
  });
}

/** More than one chunk, with a hole in it. */
const large = random(9 << 20).fill(0, 2 << 20, 5 << 20);

type StoredTree = { readonly entry: DirectoryEntry; readonly below: readonly StoredTree[] | Uint8Array };

const contents: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 20, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  { weight: 2, arbitrary: fc.nat(300_000).map((length) => new Uint8Array(length)) },
  { weight: 1, arbitrary: fc.nat(9 << 20).map((length) => large.subarray(0, length)) },
);

/** Times as far as every file system here takes them: to 2446, with the oldest before the epoch. */
const timeNs = fc.bigInt({ min: -2_000_000_000_000_000_000n, max: 15_000_000_000_000_000_000n });

const { tree } = fc.letrec<{ tree: StoredTree; folder: StoredTree; leaf: StoredTree }>((tie) => ({
  tree: fc.oneof({ depthSize: "small", withCrossShrink: true }, tie("leaf"), tie("folder")),
  folder: fc
    .tuple(
      anyEntry,
      timeNs,
      fc.uniqueArray(tie("tree"), { maxLength: 8, selector: ({ entry }) => entry.nameBytes.join() }),
    )
    .map(([entry, mtimeNs, below]) => ({ entry: { ...entry, kind: "folder" as const, mtimeNs, size: 0 }, below })),
  leaf: fc
    .tuple(anyEntry, timeNs, fc.boolean(), contents, nameBytes)
    .map(([entry, mtimeNs, isLink, bytes, target]): StoredTree => {
      const below = isLink ? target : bytes;
      return {
        entry: { ...entry, kind: isLink ? "symlink" : "file", mtimeNs, size: below.byteLength },
        below,
      };
    }),
}));

async function store(memory: MemoryRepository, { entry, below }: StoredTree): Promise<DirectoryEntry> {
  if (below instanceof Uint8Array) return { ...entry, objectId: await storeObject(memory, below) };
  const entries: DirectoryEntry[] = [];
  for (const child of below) entries.push(await store(memory, child));
  const objectId = await storeObject(memory, encodeFolder(entries, summaryOf({})), "k");
  return { ...entry, objectId };
}

test("any tree is restored the same: contents, holes, owners, modes, times to the nanosecond, links", async (t) => {
  const kernels = requireKernels(t);
  if (kernels === undefined || !requireRoot(t)) return;
  assert.ok(goTimeNsMin < -2_000_000_000_000_000_000n && goTimeNsMax > 15_000_000_000_000_000_000n);
  const work = temporaryFolder(t);
  await fc.assert(
    fc.asyncProperty(fc.array(tree, { minLength: 1, maxLength: 12 }), async (trees) => {
      const memory = await openMemoryRepository();
      const below = trees.filter(({ entry }, i) => trees.findIndex((other) => sameName(other.entry, entry)) === i);
      const root = await store(memory, { entry: folderEntry(""), below });
      const target = await restoreEqually(work, memory, kernels, root);
      fs.rmSync(target, { recursive: true });
    }),
    { numRuns: 15 },
  );
});

function sameName(a: DirectoryEntry, b: DirectoryEntry): boolean {
  return Buffer.compare(a.nameBytes, b.nameBytes) === 0;
}

test("what is stored to do harm, or damaged, fails entry by entry in the same words", async (t) => {
  const kernels = requireKernels(t);
  if (kernels === undefined) return;
  const work = temporaryFolder(t);
  const memory = await openMemoryRepository();
  const four = await storeObject(memory, "four");
  const missing = idOfText(memory.format, "never stored");
  const list = await storeObject(memory, large);
  const deep = await storeRawFolder(memory, [{ name: "four", type: "f", mode: "0600", size: 4, obj: four }]);
  const cut = await storeRawFolder(memory, [
    { name: "a", type: "f", size: 4, obj: four },
    { name: "sub", type: "d", obj: deep.objectId },
    { name: "b", type: "f", size: "many", obj: four },
    { name: "c", type: "f", size: 4, obj: four },
  ]);
  assert.match(list, /^I/);
  await restoreEqually(
    work,
    memory,
    kernels,
    await storeRawFolder(memory, [
      ...["..", ".", "", "a/b", "/", "a\0b", "n".repeat(256)].map((name) => ({ name, type: "f", size: 4, obj: four })),
      ...["..", "a/b", "n".repeat(256)].map((name) => ({ name, type: "d", obj: deep.objectId })),
      { name: "device", type: "b", size: 4, obj: four },
      { name: "too short", type: "f", size: 3, obj: four },
      { name: "too long", type: "f", size: 5, obj: four },
      { name: "too long a list", type: "f", size: (9 << 20) + 1, obj: list },
      { name: "whole list", type: "f", size: 9 << 20, obj: list },
      { name: "missing", type: "f", size: 4, obj: missing },
      { name: "missing list", type: "f", size: 4, obj: `I${missing}` },
      { name: "list of lists", type: "f", size: 4, obj: `II${missing}` },
      { name: "no list", type: "f", size: 4, obj: `I${four}` },
      { name: "no id", type: "f", size: 4, obj: "../../etc/passwd" },
      { name: "no folder", type: "d", mode: "0750", obj: four },
      { name: "missing folder", type: "d", mode: "0750", obj: missing },
      { name: "folder in a list", type: "d", mode: "0750", obj: list },
      { name: "cut folder", type: "d", mode: "0750", obj: cut.objectId },
      { name: "good folder", type: "d", mode: "0750", obj: deep.objectId },
      { name: "empty link", type: "s", obj: await storeObject(memory, "") },
      { name: "link with a zero", type: "s", size: 3, obj: await storeObject(memory, "a\0b") },
      { name: "long link", type: "s", size: 4096, obj: await storeObject(memory, "x".repeat(4096)) },
      { name: "missing link", type: "s", size: 4, obj: missing },
      { name: "good link", type: "s", size: 4, obj: four },
      { name: "good", type: "f", size: 4, obj: four },
    ]),
  );
});

test("whatever is changed in a folder's object, both kernels make the same of it", async (t) => {
  const kernels = requireKernels(t);
  if (kernels === undefined || !requireRoot(t)) return;
  const work = temporaryFolder(t);
  const memory = await openMemoryRepository();
  const obj = await storeObject(memory, "four");
  const below = await storeRawFolder(memory, [{ name: "four", type: "f", mode: "0600", size: 4, obj }]);
  const json = JSON.stringify({
    stream: "kopia:directory",
    entries: [
      { name: "sub", type: "d", mode: "0750", obj: below.objectId },
      { name: "file", type: "f", mode: "0644", size: 4, mtime: "2025-01-11T09:30:00.25Z", obj },
      { name: "link", type: "s", size: 4, obj },
    ],
  });
  await fc.assert(
    fc.asyncProperty(mutated(toUtf8(json)), async (bytes) => {
      const root = folderEntry(await storeObject(memory, bytes, "k"));
      fs.rmSync(await restoreEqually(work, memory, kernels, root), { recursive: true });
    }),
    { numRuns: 100 },
  );
});

test("contents that were moved into another pack meanwhile are found there", async (t) => {
  const kernels = requireKernels(t);
  if (kernels === undefined) return;
  const work = temporaryFolder(t);
  writeTree(join(work, "volume"), { sub: { a: "first", large }, b: "second", link: linkTo("b") });
  for (const kernel of [kernels.native, kernels.typescript]) {
    const memory = await openMemoryRepository();
    const { snapshot } = await backUpFolder(memory, join(work, "volume"));
    const opened = await openAgain(memory, { kernel });
    await moveAllPacks(memory);
    const target = join(work, kernel.name);
    await restoreEntry(opened, snapshot.rootEntry, target);
    assertSameTree(readManifest(join(work, "volume")), readManifest(target));
  }
});

/** As maintenance does it: the contents stand in new packs, an index says so, and the old packs are gone. */
async function moveAllPacks(memory: MemoryRepository): Promise<void> {
  const { store, repository } = memory;
  const builder = new ContentTableBuilder(repository.index.tables[0]?.keyBytes ?? 0);
  const movedId = (packId: string): string => packId.replace(/^(.)../, "$1ff");
  for (const record of repository.index.records()) {
    const { timestampSeconds, packId } = record;
    builder.add({ ...record, timestampSeconds: timestampSeconds + 1, packId: movedId(packId) });
  }
  for (const prefix of ["p", "q"]) {
    for (const id of await listIds(store, prefix)) {
      await store.put(parseBlobId(movedId(id)), [await store.get(id, { signal })], { signal });
      await store.delete(id, { signal });
    }
  }
  await putIndexBlob(memory, "xn0_", "-s0123456789abcdef147-c1", builder.build());
}

test("more restores at once than Node has threads for files do not wait for each other", async (t) => {
  const kernels = requireKernels(t);
  if (kernels === undefined) return;
  const work = temporaryFolder(t);
  writeTree(join(work, "volume"), { sub: { a: "first", large }, b: "second" });
  const store = await openFilesystemStore(join(work, "repository"), { mode: "create", signal });
  const memory = await openMemoryRepository({ store });
  const { snapshot } = await backUpFolder(memory, join(work, "volume"));
  const opened = await openAgain(memory, { kernel: kernels.native });
  const targets = Array.from({ length: 6 }, (_, i) => join(work, `target-${i}`));
  await Promise.all(targets.map((target) => restoreEntry(opened, snapshot.rootEntry, target)));
  for (const target of targets) assertSameTree(readManifest(join(work, "volume")), readManifest(target));
});

test("a folder of so many entries that its object is a list of chunks is restored whole", async (t) => {
  const kernels = requireKernels(t);
  if (kernels === undefined) return;
  const work = temporaryFolder(t);
  const memory = await openMemoryRepository();
  const obj = await storeObject(memory, "four");
  const count = 5_000;
  // A key that nobody knows is passed over, and makes the object longer.
  const entries = Array.from({ length: count }, (_, i) => ({
    name: `n-${i}`,
    type: "f",
    size: 4,
    obj,
    x: "x".repeat(2000),
  }));
  const root = await storeRawFolder(memory, entries);
  assert.match(root.objectId, /^I/);
  const target = join(work, "target");
  const opened = await openAgain(memory, { kernel: kernels.native });
  const { files } = await restoreEntry(opened, root, target);
  assert.deepEqual([files, fs.readdirSync(target).length], [count, count]);
  assert.equal(fs.readFileSync(join(target, `n-${count - 1}`), "utf8"), "four");
});

test("a tree that is deeper than any path reaches is restored to its end", async (t) => {
  const kernels = requireKernels(t);
  if (kernels === undefined) return;
  const work = temporaryFolder(t);
  const memory = await openMemoryRepository();
  const levels = 60;
  const name = "n".repeat(200);
  let entry = await storeRawFolder(memory, [
    { name: "file", type: "f", size: 4, obj: await storeObject(memory, "four") },
  ]);
  for (let level = 0; level < levels; level++) {
    entry = await storeRawFolder(memory, [{ name, type: "d", mode: "0755", obj: entry.objectId }]);
  }
  const target = join(work, "target");
  const opened = await openAgain(memory, { kernel: kernels.native });
  const { folders, files } = await restoreEntry(opened, entry, target);
  assert.deepEqual({ folders, files }, { folders: levels + 1, files: 1 });

  let folder = await openVolume(target, { signal });
  for (let level = 0; level < levels; level++) {
    const inner = await folder.openFolder(toUtf8(name));
    folder[Symbol.dispose]();
    folder = inner;
  }
  assert.equal(fs.readFileSync(folder.pathOf(toUtf8("file")), "utf8"), "four");
  folder[Symbol.dispose]();
  using volume = await openVolume(target, { signal });
  await removeTree(volume, toUtf8(name), { signal });
});
