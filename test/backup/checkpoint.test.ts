/** What a backup leaves behind that takes long, or does not come to its end. */

import assert from "node:assert/strict";
import * as fs from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { BackupOptions } from "../../src/backup/backup.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { SnapshotManifest } from "../../src/snapshot/snapshot-manifest.ts";
import { saveSnapshot } from "../../src/snapshot/snapshots.ts";
import { listIds, type MemoryRepository, openAgain, openMemoryRepository } from "../repository/memory-repository.ts";
import {
  backUpFolder,
  restoreEntry,
  source,
  storedEntries,
  TickingClock,
  visibleSnapshots,
} from "../support/engine.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { linkTo, type Tree, writeTree } from "../support/tree.ts";

const { signal } = new AbortController();
const random = seededRandom("checkpoint");
const minuteMs = 60_000;
const largeBytes = 3 << 20;

interface Scene {
  readonly memory: MemoryRepository;
  readonly volume: string;
  readonly target: string;
}

async function setScene(t: TestContext, tree: Tree): Promise<Scene> {
  const work = temporaryFolder(t);
  const volume = join(work, "volume");
  writeTree(volume, tree);
  return { memory: await openMemoryRepository({ clock: new TickingClock() }), volume, target: join(work, "target") };
}

/**
 * Backs up and aborts at a look at the progress; before, the clock goes on by as much at each look. What the store
 * holds then is all that is left.
 */
async function backUpInterrupted(
  { memory, volume }: Scene,
  when: { readonly looks: number; readonly minutesPerLook: number },
  options: Partial<BackupOptions> = {},
): Promise<void> {
  const controller = new AbortController();
  let looks = 0;
  const run = backUpFolder(memory, volume, {
    signal: controller.signal,
    onProgress: () => {
      memory.clock.advance(when.minutesPerLook * minuteMs);
      if (++looks === when.looks) controller.abort();
    },
    ...options,
  });
  await assert.rejects(run, { name: "AbortError" });
}

test("an abort leaves neither a snapshot nor a session's marker", async (t) => {
  const scene = await setScene(t, { a: { file: random(largeBytes) }, b: { file: random(largeBytes) } });
  await backUpInterrupted(scene, { looks: 2, minutesPerLook: 0 });
  assert.deepEqual(await visibleSnapshots(await openAgain(scene.memory)), []);
  assert.deepEqual(await listIds(scene.memory.store, "s"), []);
});

test("a run after an interrupted one stores only what was not published before", async (t) => {
  const scene = await setScene(t, {
    a: { file: random(largeBytes) },
    b: { file: random(largeBytes) },
    c: { file: "text" },
  });
  // Published every five minutes: the look after the file of `a` is at minute 6 or later.
  await backUpInterrupted(scene, { looks: 5, minutesPerLook: 4 });
  const memory = await openAgain(scene.memory);
  const { uploadedBytes, readBytes } = await backUpFolder(memory, scene.volume);
  assert.equal(readBytes, 2 * largeBytes + 4);
  assert.ok(uploadedBytes < 2 * largeBytes, `stored ${uploadedBytes} bytes`);
});

test("after 45 minutes what is stored so far can be seen and restored, as a snapshot that is not complete", async (t) => {
  const scene = await setScene(t, {
    a: { deep: { large: random(largeBytes), link: linkTo("large") }, z: "z" },
    b: { large: random(largeBytes) },
    c: { file: "not reached" },
  });
  await backUpInterrupted(scene, { looks: 6, minutesPerLook: 46 });
  const memory = await openAgain(scene.memory);
  const [checkpoint, ...others] = await visibleSnapshots(memory);
  assert.ok(checkpoint);
  assert.deepEqual(others, [], "the checkpoint before is gone");
  assert.equal(checkpoint.incomplete, "checkpoint");
  assert.deepEqual([checkpoint.source, checkpoint.description, checkpoint.pins], [source, "", undefined]);
  await restoreEntry(memory, checkpoint.rootEntry, scene.target);
  for (const path of ["a/deep/large", "a/z"]) {
    assert.deepEqual(fs.readFileSync(join(scene.target, path)), fs.readFileSync(join(scene.volume, path)), path);
  }
  assert.equal(fs.existsSync(join(scene.target, "c")), false);
});

test("a large file that is half read stands in the checkpoint under a name that is not its own", async (t) => {
  const scene = await setScene(t, { folder: { large: random(largeBytes) } });
  await backUpInterrupted(scene, { looks: 2, minutesPerLook: 46 });
  const memory = await openAgain(scene.memory);
  const [checkpoint] = await visibleSnapshots(memory);
  assert.ok(checkpoint);
  const paths = [...(await storedEntries(memory, checkpoint.rootEntry)).keys()];
  assert.equal(paths.length, 2);
  assert.match(paths.at(-1) ?? "", /^folder\/\.checkpointed\.[0-9a-f-]{36}$/);
  const { readBytes } = await backUpFolder(memory, scene.volume, { parent: checkpoint });
  assert.equal(readBytes, largeBytes, "and is not taken for it");
});

test("a long walk in which nothing is read has its checkpoints too", async (t) => {
  const scene = await setScene(t, { a: { file: "text" }, b: { file: "text" }, c: { file: "text" }, file: "text" });
  const { snapshot: parent } = await backUpFolder(scene.memory, scene.volume);
  await backUpInterrupted(scene, { looks: 3, minutesPerLook: 46 }, { parent });
  const [, checkpoint] = await visibleSnapshots(await openAgain(scene.memory));
  assert.equal(checkpoint?.incomplete, "checkpoint");
  assert.equal(checkpoint.rootEntry.summary?.files, 2);
});

test("a backup that ends takes its own checkpoint away, and the one that an earlier run left", async (t) => {
  const scene = await setScene(t, { a: { file: random(largeBytes) }, b: { file: random(largeBytes) } });
  await backUpInterrupted(scene, { looks: 3, minutesPerLook: 46 });
  assert.equal((await visibleSnapshots(scene.memory)).length, 1);
  const advance = (): void => scene.memory.clock.advance(20 * minuteMs);
  const { snapshot } = await backUpFolder(scene.memory, scene.volume, { onProgress: advance });
  assert.deepEqual(
    (await visibleSnapshots(await openAgain(scene.memory))).map(({ id }) => id),
    [snapshot.id],
  );
  assert.deepEqual(await listIds(scene.memory.store, "s"), []);
});

test("checkpoints of others, pinned ones, younger ones and other incomplete snapshots are kept", async (t) => {
  const { memory, volume } = await setScene(t, { file: "text" });
  const { snapshot } = await backUpFolder(memory, volume);
  const checkpoint: SnapshotManifest = { ...snapshot, incomplete: "checkpoint", pins: [] };
  const youngerNs = snapshot.startTimeNs + 3_600_000_000_000n;
  const kept: Readonly<Record<string, SnapshotManifest>> = {
    "of another source": { ...checkpoint, source: { ...source, path: "shop/db-1/data" } },
    "of another host": { ...checkpoint, source: { ...source, host: "other" } },
    pinned: { ...checkpoint, pins: ["mine"] },
    younger: { ...checkpoint, startTimeNs: youngerNs, endTimeNs: youngerNs },
    canceled: { ...checkpoint, incomplete: "canceled" },
  };
  await using writer = memory.repository.createWriter();
  const stale = saveSnapshot(writer, checkpoint);
  const keptIds = Object.values(kept).map((one) => saveSnapshot(writer, one).id);
  await writer.flush(signal);
  const last = await backUpFolder(memory, volume);
  const ids = (await visibleSnapshots(memory)).map(({ id }) => id);
  assert.ok(!ids.includes(stale.id));
  assert.deepEqual(new Set(ids), new Set([snapshot.id, last.snapshot.id, ...keptIds]));
});
