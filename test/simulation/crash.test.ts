/**
 * The promise of every backup, with failure enumerated: whatever operation on the store fails, and however, every
 * snapshot that can be seen restores whole, and the next run goes through.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { silentLog } from "../../src/base/log.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { BlobStore } from "../../src/repository/blob/blob-store.ts";
import { MemoryBlobStore } from "../../src/repository/blob/memory.ts";
import { RetryingBlobStore } from "../../src/repository/blob/retrying.ts";
import { isComplete, type SnapshotManifest } from "../../src/snapshot/snapshot-manifest.ts";
import { listIds, type MemoryRepository, openMemoryRepository } from "../repository/memory-repository.ts";
import { backUpFolder, restoreEntry, TickingClock, visibleSnapshots } from "../support/engine.ts";
import { type Fault, FaultyBlobStore, faults } from "../support/faulty-blob-store.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { linkTo, writeTree } from "../support/tree.ts";
import { assertSameTree, type Manifest, type ManifestEntry, readManifest } from "../support/tree-manifest.ts";

const { signal } = new AbortController();
const random = seededRandom("crash");
const checkpointMs = 46 * 60_000;

/** Far below a pack as kopia makes them, so that a small tree fills several. */
const packBytesMax = 40_000;

type TreeName = "before" | "after";

interface Scene {
  readonly folder: (name: string) => string;
  /** What is in the store before the run that fails: a format and one snapshot, of `before`. */
  readonly prepared: MemoryBlobStore;
  /** Which one a snapshot is of, its tag `tree` tells. */
  readonly trees: Readonly<Record<TreeName, { readonly path: string; readonly manifest: Manifest }>>;
}

const firstDayMs = Date.UTC(2026, 0, 15);
const dayMs = 24 * 3_600_000;
let openings = 0;

/** As a process of its own opens it, a day after the one before: its blobs have names that no other's have. */
async function open(store: BlobStore): Promise<MemoryRepository> {
  const clock = new TickingClock(firstDayMs + ++openings * dayMs);
  return await openMemoryRepository({ store, packBytesMax, clock, seed: `opening ${openings}` });
}

async function setScene(t: TestContext): Promise<Scene> {
  const work = temporaryFolder(t);
  writeTree(join(work, "before"), {
    "kept.bin": random(30_000),
    "changed.txt": "as it was",
    one: { two: { three: { "deep.txt": "deep" } }, link: linkTo("two") },
  });
  writeTree(join(work, "after"), {
    "kept.bin": readFileSync(join(work, "before", "kept.bin")),
    "changed.txt": "as it is",
    "new.bin": random(70_000),
    empty: {},
    one: { two: { three: { "deep.txt": "deep", "deeper.bin": random(50_000) } }, link: linkTo("two/three") },
  });
  const prepared = new MemoryBlobStore();
  await backUpFolder(await open(prepared), join(work, "before"), { tags: { tree: "before" } });
  const treeOf = (name: TreeName) => ({ path: join(work, name), manifest: readManifest(join(work, name)) });
  const trees = { before: treeOf("before"), after: treeOf("after") };
  return { folder: (name) => join(work, name), prepared, trees };
}

async function copyOf(store: BlobStore): Promise<MemoryBlobStore> {
  const copy = new MemoryBlobStore();
  for (const id of await listIds(store, "")) await copy.put(id, [await store.get(id, { signal })], { signal });
  return copy;
}

/** Complete ones are what was backed up; one that is not whole has nothing in it that was not there. */
async function everyVisibleSnapshotRestores(scene: Scene, disk: MemoryBlobStore): Promise<string[]> {
  const memory = await open(disk);
  const seen: string[] = [];
  for (const snapshot of await visibleSnapshots(memory)) seen.push(await treeRestoredFrom(scene, memory, snapshot));
  return seen;
}

async function treeRestoredFrom(scene: Scene, memory: MemoryRepository, snapshot: SnapshotManifest): Promise<string> {
  const target = scene.folder(`restored-${restores++}`);
  await restoreEntry(memory, snapshot.rootEntry, target);
  if (snapshot.incomplete === undefined) {
    const tree = snapshot.tags?.tree as TreeName;
    assertSameTree(scene.trees[tree].manifest, readManifest(target));
    return tree;
  }
  assertIsPartOf(scene.trees.after.manifest, readManifest(target));
  return snapshot.incomplete;
}

let restores = 0;

function assertIsPartOf(whole: Manifest, part: Manifest): void {
  for (const [path, entry] of part) {
    if (!path.includes(".checkpointed.")) assert.deepEqual(entry, whole.get(path), path);
  }
}

/** Fails operation 0, 1, 2 …, until a run completes untouched; gives what was seen after each. */
async function failEachOperation(
  scene: Scene,
  fault: Fault,
  run: (memory: MemoryRepository) => Promise<unknown>,
): Promise<string[][]> {
  const outcomes: string[][] = [];
  for (let failAt = 0; ; failAt++) {
    const disk = await copyOf(scene.prepared);
    const store = new FaultyBlobStore(disk, failAt, fault);
    const ended = await open(store)
      .then(run)
      .then(
        () => "done",
        () => "failed", // Failing is the point; the promise below is the test.
      );
    const name = `${fault.replace(" ", "-")}-${failAt}`;
    const seen = await everyVisibleSnapshotRestores(scene, disk);
    assert.equal(seen.filter((tree) => tree === "before").length, 1, `${name}: the snapshot from before is there`);
    if (ended === "done") assert.ok(seen.includes("after"), `${name}: a run that says it is done has its snapshot`);
    outcomes.push(seen);
    if (!store.fired) return outcomes;

    await backUpFolder(await open(disk), scene.trees.after.path, { tags: { tree: "after" } });
    const after = await open(disk);
    const then = await visibleSnapshots(after);
    assert.ok(then.every(isComplete), `${name}: the next run takes the checkpoint away`);
    assert.equal(
      await treeRestoredFrom(scene, after, then.at(-1) as SnapshotManifest),
      "after",
      `${name}: the next run`,
    );
  }
}

for (const fault of faults) {
  test(`a backup whose store is ${fault} at any operation leaves only snapshots that restore`, async (t) => {
    const scene = await setScene(t);
    const outcomes = await failEachOperation(scene, fault, async (memory) => {
      const [parent] = await visibleSnapshots(memory);
      await backUpFolder(memory, scene.trees.after.path, { parent, tags: { tree: "after" } });
    });
    assert.deepEqual(outcomes.at(-1), ["before", "after"]);
    assert.ok(outcomes.length > 12, `${outcomes.length} operations`);
    assert.ok(outcomes.some((seen) => seen.length === 1));
  });
}

for (const fault of ["killed", "killed after"] as const) {
  test(`a backup with checkpoints whose store is ${fault} at any operation leaves only snapshots that restore`, async (t) => {
    const scene = await setScene(t);
    const outcomes = await failEachOperation(scene, fault, async (memory) => {
      await backUpFolder(memory, scene.trees.after.path, {
        tags: { tree: "after" },
        onProgress: () => memory.clock.advance(checkpointMs / 2),
      });
    });
    assert.deepEqual(outcomes.at(-1), ["before", "after"]);
    assert.ok(outcomes.some((seen) => seen.includes("checkpoint")));
  });
}

test("a backup whose store tries again does not notice that one operation was refused", async (t) => {
  const scene = await setScene(t);
  for (let failAt = 0; ; failAt++) {
    const disk = await copyOf(scene.prepared);
    const faulty = new FaultyBlobStore(disk, failAt, "refused");
    const store = new RetryingBlobStore(faulty, { log: silentLog, clock: new TickingClock() });
    await backUpFolder(await open(store), scene.trees.after.path, { tags: { tree: "after" } });
    assert.deepEqual(await everyVisibleSnapshotRestores(scene, disk), ["before", "after"]);
    assert.deepEqual(await listIds(disk, "s"), [], "no session's marker is left");
    if (!faulty.fired) break;
  }
});

for (const fault of faults) {
  test(`a restore whose store is ${fault} at any operation leaves each file old or new, and run again it is whole`, async (t) => {
    const scene = await setScene(t);
    const { before, after } = scene.trees;
    const { snapshot } = await backUpFolder(await open(scene.prepared), after.path);
    for (let failAt = 0; ; failAt++) {
      const target = scene.folder(`target-${failAt}`);
      const good = await open(scene.prepared);
      const [first] = await visibleSnapshots(good);
      assert.ok(first);
      await restoreEntry(good, first.rootEntry, target);

      const store = new FaultyBlobStore(scene.prepared, failAt, fault);
      const failed = await open(store)
        .then((memory) => restoreEntry(memory, snapshot.rootEntry, target))
        .then(
          () => false,
          () => true,
        );
      assert.equal(failed, store.fired);
      const contents = new Set([before, after].flatMap(({ manifest }) => [...manifest.values()].map(contentOf)));
      for (const entry of readManifest(target).values()) assert.ok(contents.has(contentOf(entry)), entry.path);

      await restoreEntry(good, snapshot.rootEntry, target);
      assertSameTree(after.manifest, readManifest(target));
      if (!store.fired) break;
    }
  });
}

function contentOf({ path, type, sha256, target }: ManifestEntry): string {
  return [path, type, sha256, target].join(" ");
}
