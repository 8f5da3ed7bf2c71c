import assert from "node:assert/strict";
import { test } from "node:test";
import { fromUtf8, toHex, toUtf8 } from "../../../src/base/bytes.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { openFilesystemStore } from "../../../src/repository/blob/filesystem.ts";
import { MemoryBlobStore } from "../../../src/repository/blob/memory.ts";
import type { ContentId } from "../../../src/repository/content/content-id.ts";
import { keyOf } from "../../../src/repository/content/content-id.ts";
import {
  encodeManifests,
  type ManifestEntry,
  type ManifestId,
} from "../../../src/repository/manifest/manifest-codec.ts";
import { openRepository } from "../../../src/repository/repository.ts";
import { requireGolden } from "../../support/golden.ts";
import { repositoryPassword } from "../../support/kopia.ts";
import {
  InterruptedBlobStore,
  listIds,
  type MemoryRepository,
  openAgain,
  openMemoryRepository,
  putIndexBlob,
  tableOf,
} from "../memory-repository.ts";
import { signal } from "../stored-format.ts";

const snapshot = { type: "snapshot" };

function entry(id: string, modifiedNs: bigint, text: string | undefined): ManifestEntry {
  const deleted = text === undefined;
  const data = toUtf8(deleted ? "" : JSON.stringify(text));
  return { id: id as ManifestId, labels: deleted ? {} : snapshot, modifiedNs, deleted, data };
}

/** One content of manifests a list, as other clients leave them. */
async function storeManifests({ repository }: MemoryRepository, ...contents: ManifestEntry[][]): Promise<ContentId[]> {
  await using writer = repository.createWriter();
  const items = contents.map((entries) => ({ prefix: "m", bytes: encodeManifests(entries) }));
  const ids = await writer.writeObjects(items, signal);
  await writer.flush(signal);
  return ids as unknown as ContentId[];
}

async function found(opened: MemoryRepository): Promise<Record<string, string>> {
  const manifests = await opened.repository.loadManifests(signal);
  return Object.fromEntries(manifests.find({}).map(({ id, data }) => [id, fromUtf8(data)]));
}

test("a manifest is there with its labels, time and document after the flush, for others too", async () => {
  const opened = await openMemoryRepository();
  await using writer = opened.repository.createWriter();
  const { id } = writer.putManifest({ type: "snapshot", hostname: "node" }, toUtf8('{"root":1}'));
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal((await opened.repository.loadManifests(signal)).get(id), undefined);
  await writer.flush(signal);
  const read = (await (await openAgain(opened)).repository.loadManifests(signal)).get(id);
  assert.ok(read !== undefined);
  assert.deepEqual(read.labels, { type: "snapshot", hostname: "node" });
  assert.equal(read.modifiedNs, opened.clock.nowNs());
  assert.equal(fromUtf8(read.data), '{"root":1}');
});

test("manifests and what they refer to become visible by one index blob", async () => {
  const opened = await openMemoryRepository();
  await using writer = opened.repository.createWriter();
  await writer.writeObjects([{ prefix: "k", bytes: toUtf8("folder") }], signal);
  writer.putManifest(snapshot, toUtf8("{}"));
  writer.putManifest(snapshot, toUtf8("{}"));
  await writer.flush(signal);
  assert.equal((await listIds(opened.store, "xn")).length, 1);
  assert.equal([...opened.repository.index.records("m")].length, 1);
});

test("a manifest that is deleted is gone for everybody", async () => {
  const opened = await openMemoryRepository();
  await using writer = opened.repository.createWriter();
  const kept = writer.putManifest(snapshot, toUtf8('"kept"'));
  const deleted = writer.putManifest(snapshot, toUtf8('"deleted"'));
  await writer.flush(signal);
  opened.clock.advance(1000);
  writer.deleteManifest(deleted);
  assert.equal(Object.keys(await found(opened)).length, 2);
  await writer.flush(signal);
  assert.deepEqual(await found(await openAgain(opened)), { [kept.id]: '"kept"' });
});

test("of entries with one id the youngest counts, wherever it stands, and a tombstone takes the document away", async () => {
  const opened = await openMemoryRepository();
  await storeManifests(
    opened,
    [entry("aa", 2n, "newer"), entry("bb", 1n, "older"), entry("cc", 1n, "deleted later")],
    [entry("aa", 1n, "older"), entry("bb", 2n, "newer"), entry("cc", 2n, undefined), entry("dd", 1n, undefined)],
    [entry("dd", 2n, "written later"), entry("ee", 1n, "twice"), entry("ee", 1n, "twice")],
    [entry("ee", 1n, "twice")],
  );
  assert.deepEqual(await found(opened), { aa: '"newer"', bb: '"newer"', dd: '"written later"', ee: '"twice"' });
});

test("manifests are found by all the labels asked for, oldest first, then by id", async () => {
  const opened = await openMemoryRepository();
  const one = (id: string, modifiedNs: bigint, labels: Record<string, string>) => ({
    ...entry(id, modifiedNs, id),
    labels,
  });
  await storeManifests(opened, [
    one("dd", 1n, { type: "snapshot", host: "a" }),
    one("aa", 2n, { type: "snapshot", host: "a" }),
    one("cc", 1n, { type: "snapshot", host: "a" }),
    one("bb", 1n, { type: "policy", host: "a" }),
    one("ee", 1n, { type: "snapshot", host: "b" }),
  ]);
  const manifests = await opened.repository.loadManifests(signal);
  const idsOf = (labels: Record<string, string>): string[] => manifests.find(labels).map(({ id }) => id);
  assert.deepEqual(idsOf({ type: "snapshot", host: "a" }), ["cc", "dd", "aa"]);
  assert.deepEqual(idsOf({ type: "policy" }), ["bb"]);
  assert.deepEqual(idsOf({ type: "snapshot", host: "c" }), []);
  assert.deepEqual(idsOf({ toString: "x" }), []);
  assert.equal(idsOf({}).length, 5);
});

test("a content of manifests that is compacted away while they are loaded is found in its new place", async () => {
  const store = new InterruptedBlobStore(new MemoryBlobStore());
  const opened = await openMemoryRepository({ store });
  const [old] = await storeManifests(opened, [entry("aa", 1n, "kept")]);
  const stored = opened.repository.index.find(keyOf(old as ContentId));
  assert.ok(stored !== undefined);
  const other = await openAgain(opened);
  store.before = async (operation, id) => {
    if (operation !== "get" || id !== stored.packId) return;
    store.before = () => undefined;
    await storeManifests(other, [entry("aa", 1n, "kept"), entry("bb", 1n, "new")]);
    const deleted = { ...stored, deleted: true, timestampSeconds: stored.timestampSeconds + 1 };
    await putIndexBlob(other, "xn0_", "s1-c1", tableOf(deleted));
    await store.put("xw9999999999" as never, [toUtf8("deletion-watermark")], { signal });
    await store.delete(stored.packId as never, { signal });
  };
  assert.deepEqual(await found(opened), { aa: '"kept"', bb: '"new"' });
});

test("a damaged content of manifests fails the loading by its name, and is never passed over", async () => {
  const opened = await openMemoryRepository();
  await using writer = opened.repository.createWriter();
  await writer.writeObjects([{ prefix: "m", bytes: toUtf8("no gzip") }], signal);
  await writer.flush(signal);
  await assert.rejects(opened.repository.loadManifests(signal), { code: "MANIFEST_CORRUPT" });

  const other = await openMemoryRepository();
  const [id] = await storeManifests(other, [entry("aa", 1n, "lost")]);
  const [pack] = await listIds(other.store, "q");
  await other.store.delete(pack as never, { signal });
  await assert.rejects(other.repository.loadManifests(signal), {
    code: "CONTENT_CORRUPT",
    detail: { blob: pack, content: id },
  });
});

for (const name of ["empty", "default-v3", "v1-small", "v2-small", "many-sessions", "after-maintenance"]) {
  test(`the snapshots of the golden repository ${name} are those that kopia lists`, async (t) => {
    const golden = requireGolden(t);
    if (golden === undefined) return;
    const store = await openFilesystemStore(golden.repositoryFolder(name), { mode: "read-only", signal });
    await using repository = await openRepository({ store, password: repositoryPassword, clock: systemClock, signal });
    const manifests = await repository.loadManifests(signal);
    const expected = golden.snapshots(name);
    if (name === "many-sessions") assert.equal(expected.length, 10);
    assert.deepEqual(
      manifests
        .find(snapshot)
        .map(({ id }) => id)
        .sort(),
      expected.map(({ id }) => id).sort(),
    );
    for (const { id, rootEntry } of expected) {
      const data = JSON.parse(fromUtf8(manifests.get(id)?.data as Uint8Array)) as (typeof expected)[number];
      assert.equal(data.rootEntry.obj, rootEntry.obj);
    }
    assert.equal(manifests.find({ type: "maintenance" }).length, 1);
  });
}

test("a tombstone, and what takes the place of another, is younger whatever clock the other was written by", async () => {
  const opened = await openMemoryRepository();
  await using writer = opened.repository.createWriter();
  opened.clock.advance(120_000);
  const old = writer.putManifest(snapshot, toUtf8('"written ahead"'));
  await writer.flush(signal);
  opened.clock.advance(-120_000);
  writer.deleteManifest(old);
  const replacement = writer.putManifest(snapshot, toUtf8('"new"'), [old]);
  assert.equal(replacement.modifiedNs, old.modifiedNs + 1n);
  await writer.flush(signal);
  assert.deepEqual(await found(await openAgain(opened)), { [replacement.id]: '"new"' });
});

test("manifests that a splitter would cut are stored in several contents, and all are found", async () => {
  const opened = await openMemoryRepository({ inner: { splitter: "FIXED-128K" } });
  await using writer = opened.repository.createWriter();
  const random = seededRandom("documents");
  for (let i = 0; i < 1201; i++) writer.putManifest(snapshot, toUtf8(JSON.stringify(toHex(random(300)))));
  await writer.flush(signal);
  const contents = [...opened.repository.index.records("m")];
  assert.ok(contents.length > 4 && contents.every(({ originalLength }) => originalLength < 64 << 10));
  assert.equal(Object.keys(await found(await openAgain(opened))).length, 1201);
});

test("a second reading fetches only what was added since, and forgets what is gone", async () => {
  const store = new InterruptedBlobStore(new MemoryBlobStore());
  const opened = await openMemoryRepository({ store });
  const [first] = await storeManifests(opened, [entry("a", 1n, "one")], [entry("b", 1n, "two")]);
  assert.deepEqual(await found(opened), { a: '"one"', b: '"two"' });
  const fetched: string[] = [];
  store.before = (operation, id) => void (operation === "get" && fetched.push(id.slice(0, 1)));
  assert.deepEqual(await found(opened), { a: '"one"', b: '"two"' });
  assert.deepEqual(fetched, []);

  await storeManifests(await openAgain(opened), [entry("a", 2n, undefined)], [entry("c", 1n, "three")]);
  const gone = opened.repository.index.find(keyOf(first as ContentId));
  assert.ok(gone !== undefined);
  await putIndexBlob(opened, "xn0_", "s9-c1", tableOf({ ...gone, deleted: true, timestampSeconds: 4_000_000_000 }));
  await opened.repository.refresh(signal);
  fetched.length = 0;
  assert.deepEqual(await found(opened), { b: '"two"', c: '"three"' });
  assert.deepEqual(fetched, ["q"]);
});
