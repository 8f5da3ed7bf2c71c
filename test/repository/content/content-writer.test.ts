import assert from "node:assert/strict";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { toUtf8 } from "../../../src/base/bytes.ts";
import { silentLog } from "../../../src/base/log.ts";
import { typescriptKernel } from "../../../src/kernel/typescript/kernel.ts";
import { BlobError, type BlobId, type PutOptions } from "../../../src/repository/blob/blob-store.ts";
import { MemoryBlobStore } from "../../../src/repository/blob/memory.ts";
import { type BlobOperation, ObservedBlobStore } from "../../../src/repository/blob/observed.ts";
import { RetryingBlobStore } from "../../../src/repository/blob/retrying.ts";
import { keyOf } from "../../../src/repository/content/content-id.ts";
import type { RepositoryWriter } from "../../../src/repository/repository-writer.ts";
import { FaultyBlobStore, faults } from "../../support/faulty-blob-store.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { ManualClock } from "../manual-clock.ts";
import {
  InterruptedBlobStore,
  idOfText,
  listIds,
  type MemoryRepository,
  onlyId,
  openAgain,
  openMemoryRepository,
  putIndexBlob,
  readText,
  recordOf,
  storeTexts,
  tableOf,
} from "../memory-repository.ts";
import { legacyFields, putFormat, signal } from "../stored-format.ts";

const minuteMs = 60_000;

async function write(writer: RepositoryWriter, text: string, prefix = ""): Promise<void> {
  await writer.writeObjects([{ prefix, bytes: toUtf8(text) }], signal);
}

async function isVisible(opened: MemoryRepository, text: string, prefix = ""): Promise<boolean> {
  const { repository, format } = await openAgain(opened);
  return repository.index.find(keyOf(idOfText(format, text, prefix))) !== undefined;
}

for (const [version, inner] of [
  [3, {}],
  [1, legacyFields],
] as const) {
  test(`in version ${version} the session's marker is there before any pack, packs before the index, and goes last`, async () => {
    const seen: BlobOperation[] = [];
    const store = new ObservedBlobStore(new MemoryBlobStore(), (operation) => seen.push(operation));
    const opened = await openMemoryRepository({ store, inner, packBytesMax: 20_000 });
    await using writer = opened.repository.createWriter();
    seen.length = 0;
    for (let i = 0; i < 12; i++) await write(writer, `${i}`.repeat(7000), i % 3 === 0 ? "k" : "");
    await writer.flush(signal);

    const world = { session: 0, "data pack": 0, "metadata pack": 0, index: 0 };
    for (const { name, kind, outcome } of seen) {
      assert.equal(outcome, "ok");
      if (name !== "put" && name !== "delete") continue;
      assert.ok(kind in world, kind);
      world[kind as keyof typeof world] += name === "put" ? 1 : -1;
      if (kind.endsWith("pack")) assert.deepEqual([world.session, world.index], [1, 0]);
      if (kind === "index") assert.deepEqual([world.session, world.index], [1, 1]);
      if (kind === "session" && name === "delete") assert.equal(world.index, 1);
    }
    assert.deepEqual(world, { session: 0, "data pack": 3, "metadata pack": 2, index: 1 });
  });
}

test("nothing is visible to others before the flush, and all of it is after", async () => {
  const opened = await openMemoryRepository();
  await using writer = opened.repository.createWriter();
  await write(writer, "data");
  await write(writer, "folder", "k");
  assert.equal(await isVisible(opened, "data"), false);
  await writer.flush(signal);
  assert.equal(await isVisible(opened, "data"), true);
  assert.equal(await isVisible(opened, "folder", "k"), true);
});

/** Takes packs at the third attempt, and remembers what it was given for them. */
class ReluctantBlobStore extends MemoryBlobStore {
  readonly given = new Map<BlobId, { readonly bytes: Uint8Array; readonly lengths: number[] }>();

  override async put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions): Promise<void> {
    if (!/^[pq]/.test(id)) return await super.put(id, parts, options);
    const [bytes = new Uint8Array(0)] = parts;
    const given = this.given.get(id) ?? { bytes, lengths: [] };
    this.given.set(id, given);
    given.lengths.push(bytes.byteLength);
    if (given.lengths.length < 3) throw new BlobError("BLOB_STORE_UNAVAILABLE", "not yet");
    await super.put(id, parts, options);
  }
}

test("a pack's memory is given back once it is put, however often that was tried, and not before", async () => {
  const reluctant = new ReluctantBlobStore();
  const store = new RetryingBlobStore(reluctant, { log: silentLog, clock: new ManualClock() });
  const opened = await openMemoryRepository({ store, packBytesMax: 20_000 });
  await using writer = opened.repository.createWriter();
  const texts = Array.from({ length: 12 }, (_, i) => `${i}`.repeat(7000));
  for (const text of texts) await write(writer, text);
  await writer.flush(signal);
  assert.ok(reluctant.given.size > 2);
  for (const { bytes, lengths } of reluctant.given.values()) {
    assert.ok(
      lengths.every((length) => length > 0 && length === lengths[0]),
      `${lengths}`,
    );
    assert.equal(bytes.byteLength, 0);
  }
  const again = await openAgain(opened);
  for (const text of texts) assert.equal(await readText(again, idOfText(opened.format, text)), text);
});

test("a pack that could not be put keeps its memory", async () => {
  const reluctant = new ReluctantBlobStore();
  const opened = await openMemoryRepository({ store: reluctant, packBytesMax: 20_000 });
  await using writer = opened.repository.createWriter();
  await write(writer, "kept");
  await assert.rejects(writer.flush(signal), { code: "CONTENT_WRITE_FAILED" });
  for (const { bytes } of reluctant.given.values()) assert.ok(bytes.byteLength > 0);
});

test("a flush of nothing writes nothing", async () => {
  const opened = await openMemoryRepository();
  await using writer = opened.repository.createWriter();
  await writer.flush(signal);
  await storeTexts(opened, ["known"]);
  const before = await listIds(opened.store, "");
  await storeTexts(opened, ["known"]);
  assert.deepEqual(await listIds(opened.store, ""), before);
});

test("each flush ends a session, and the next write begins another", async () => {
  const opened = await openMemoryRepository();
  await using writer = opened.repository.createWriter();
  const sessions = new Set<string | undefined>();
  for (const text of ["one", "two"]) {
    await write(writer, text);
    await writer.flush(signal);
  }
  for (const id of await listIds(opened.store, "p")) sessions.add(id.split("-")[1]);
  assert.equal(sessions.size, 2);
  assert.deepEqual(await listIds(opened.store, "s"), []);
});

test("a writer that is given up leaves nothing visible and no marker", async () => {
  const opened = await openMemoryRepository({ packBytesMax: 1000 });
  {
    await using writer = opened.repository.createWriter();
    await write(writer, "given up".repeat(200));
    assert.equal((await listIds(opened.store, "s")).length, 1);
  }
  assert.deepEqual(await listIds(opened.store, "s"), []);
  assert.deepEqual(await listIds(opened.store, "x"), []);
  assert.equal((await listIds(opened.store, "p")).length, 1, "the pack is garbage that maintenance collects");
});

test("two writers at once, of one process or two, both become visible", async () => {
  const opened = await openMemoryRepository();
  const other = await openAgain(opened);
  await using first = opened.repository.createWriter();
  await using second = opened.repository.createWriter();
  await using third = other.repository.createWriter();
  for (const [i, writer] of [first, second, third].entries()) {
    await write(writer, `of writer ${i}`);
    await write(writer, "of all");
  }
  await Promise.all([first, second, third].map((writer) => writer.flush(signal)));
  for (const text of ["of writer 0", "of writer 1", "of writer 2", "of all"]) {
    assert.equal(await isVisible(opened, text), true, text);
    await opened.repository.refresh(signal);
    assert.equal(await readText(opened, idOfText(opened.format, text)), text);
  }
});

test("what another client stored is known after a refresh, and is not stored again", async () => {
  const opened = await openMemoryRepository();
  const other = await openAgain(opened);
  await storeTexts(other, ["shared"]);
  await storeTexts(opened, ["shared"]);
  assert.equal((await listIds(opened.store, "p")).length, 2, "its view was older");
  await opened.repository.refresh(signal);
  await storeTexts(opened, ["shared"]);
  assert.equal((await listIds(opened.store, "p")).length, 2);
});

test("a content whose entry is a tombstone is stored again, with a later time than the tombstone's", async () => {
  const opened = await openMemoryRepository();
  const [id] = await storeTexts(opened, ["risen"]);
  const stored = opened.repository.index.find(keyOf(id as never));
  assert.ok(stored !== undefined);
  const deleted = { ...stored, deleted: true, timestampSeconds: stored.timestampSeconds + 100 };
  await putIndexBlob(opened, "xn0_", "s1-c1", tableOf(deleted));
  await opened.repository.refresh(signal);
  assert.equal(await readText(opened, id as never), "risen", "a tombstone's bytes are still served");
  await storeTexts(opened, ["risen"]);
  const again = opened.repository.index.find(keyOf(id as never));
  assert.equal(again?.deleted, false);
  assert.equal(again?.timestampSeconds, deleted.timestampSeconds + 1);
  assert.notEqual(again?.packId, stored.packId);
});

test("a tombstone that the watermark hides still counts for the time of what is stored again", async () => {
  const opened = await openMemoryRepository();
  const id = idOfText(opened.format, "risen");
  const late = Math.floor(opened.clock.nowMs() / 1000) + 1000;
  await putIndexBlob(opened, "xn0_", "s1-c1", tableOf(recordOf(id, { deleted: true, timestampSeconds: late })));
  await opened.store.put(`xw${late}` as never, [toUtf8("deletion-watermark")], { signal });
  await opened.repository.refresh(signal);
  await storeTexts(opened, ["risen"]);
  assert.equal(opened.repository.index.find(keyOf(id))?.timestampSeconds, late + 1);
  assert.equal(await readText(await openAgain(opened), id), "risen");
});

test("a long upload is published every five minutes, so that little is lost when it is interrupted", async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "first"), "first");
  writeFileSync(join(folder, "second"), "second");
  const opened = await openMemoryRepository({ kernel: typescriptKernel }); // The native one stores whole trees.
  await using writer = opened.repository.createWriter();
  const fd = openSync(folder, "r");
  try {
    for (const [name, wait] of [
      ["first", 5 * minuteMs - 1],
      ["second", 1],
    ] as const) {
      opened.clock.advance(wait);
      for await (const events of writer.storeFiles(fd, [{ name: Buffer.from(name), size: 6 }], signal)) {
        assert.deepEqual(
          events.map((event) => event.kind),
          ["file"],
        );
      }
      assert.equal(await isVisible(opened, "first"), name === "second", name);
    }
    assert.equal(await isVisible(opened, "second"), true);
  } finally {
    closeSync(fd);
  }
});

test("an upgrade lock stops a writer within ten minutes, before its first pack", async () => {
  const opened = await openMemoryRepository();
  const { store, clock, repository } = opened;
  await putFormat(store, { inner: { upgradeLock: { creationTime: "2026-01-01T00:00:00Z", message: "to version 4" } } });
  const before = await listIds(store, "");
  clock.advance(10 * minuteMs - 1);
  await storeTexts(opened, ["in time"]);
  clock.advance(1);
  await using writer = repository.createWriter();
  await write(writer, "too late");
  await assert.rejects(writer.flush(signal), { code: "REPOSITORY_UPGRADING", message: /to version 4/ });
  assert.equal((await listIds(store, "")).length, before.length + 2, "one pack and one index: those that were in time");
});

test("an upgrade lock that comes during a session keeps its index from being written", async () => {
  const opened = await openMemoryRepository({ packBytesMax: 1000 });
  await using writer = opened.repository.createWriter();
  await write(writer, "packed".repeat(200));
  await putFormat(opened.store, { inner: { upgradeLock: { creationTime: "2026-01-01T00:00:00Z" } } });
  opened.clock.advance(10 * minuteMs);
  await assert.rejects(writer.flush(signal), { code: "REPOSITORY_UPGRADING" });
  assert.deepEqual(await listIds(opened.store, "x"), []);
});

test("an index older than ten minutes is renewed before anything is written", async () => {
  const opened = await openMemoryRepository();
  await storeTexts(await openAgain(opened), ["of another"]);
  opened.clock.advance(10 * minuteMs);
  await storeTexts(opened, ["mine"]);
  await storeTexts(opened, ["of another"]);
  assert.equal((await listIds(opened.store, "p")).length, 2);
});

test("a writer that finds everything known still hears of what is deleted elsewhere meanwhile", async () => {
  const opened = await openMemoryRepository();
  const [id] = await storeTexts(opened, ["deleted meanwhile", "known"]);
  const stored = opened.repository.index.find(keyOf(id as never));
  assert.ok(stored !== undefined);
  await using writer = opened.repository.createWriter();
  await write(writer, "known");
  const deleted = { ...stored, deleted: true, timestampSeconds: stored.timestampSeconds + 1 };
  await putIndexBlob(opened, "xn0_", "s1-c1", tableOf(deleted));
  for (let i = 0; i < 2; i++) {
    opened.clock.advance(5 * minuteMs);
    await write(writer, "known");
  }
  await write(writer, "deleted meanwhile");
  assert.equal(writer.counters.newContents, 1);
});

test("a pack that cannot be written fails the writer by the pack's name, and for good", async () => {
  const store = new InterruptedBlobStore(new MemoryBlobStore());
  const opened = await openMemoryRepository({ store });
  store.before = (operation, id) => {
    if (operation === "put" && id.startsWith("p")) throw new Error("no space");
  };
  await using writer = opened.repository.createWriter();
  await write(writer, "text");
  await assert.rejects(writer.flush(signal), {
    code: "CONTENT_WRITE_FAILED",
    message: /^could not write pack p[0-9a-f]{32}-s/,
  });
  store.before = () => undefined;
  await assert.rejects(writer.flush(signal), { code: "CONTENT_WRITE_FAILED" });
  assert.deepEqual(await listIds(store, "x"), []);
});

test("an abort travels as itself", async () => {
  const opened = await openMemoryRepository();
  await using writer = opened.repository.createWriter();
  await write(writer, "text");
  await assert.rejects(writer.flush(AbortSignal.abort()), { name: "AbortError" });
});

test("wherever a writer is stopped, all that an index names can be read", async () => {
  for (const fault of faults) {
    for (let failAt = 0; ; failAt++) {
      const disk = new MemoryBlobStore();
      await putFormat(disk);
      const store = new FaultyBlobStore(disk, failAt, fault);
      try {
        const opened = await openMemoryRepository({ store, packBytesMax: 1000 });
        await using writer = opened.repository.createWriter();
        for (const text of ["one", "two", "three"]) {
          await write(writer, text.repeat(200));
          await write(writer, text, "k");
          await writer.flush(signal);
        }
      } catch {
        // Failing is the point; the promise below is the test.
      }
      const seen = await openMemoryRepository({ store: disk });
      for (const record of seen.repository.index.records()) {
        await readText(seen, idOfRecord(record.key));
      }
      if (!store.fired) {
        assert.equal(seen.repository.index.recordCount, 6);
        break;
      }
    }
  }
});

function idOfRecord(key: Uint8Array): never {
  const prefix = key[0] === 0 ? "" : String.fromCharCode(key[0] as number);
  return `${prefix}${Buffer.from(key.subarray(1)).toString("hex")}` as never;
}

test("the index blob that a flush writes names its session, and so do its packs", async () => {
  const opened = await openMemoryRepository();
  await storeTexts(opened, ["text"]);
  const session = (await onlyId(opened.store, "p")).split("-")[1];
  assert.equal((await onlyId(opened.store, "xn0_")).split("-")[1], session);
});

test("a store that lets no marker be deleted, or an abort at that moment, takes nothing back that was published", async () => {
  for (const trouble of ["denied", "abort"]) {
    const store = new InterruptedBlobStore(new MemoryBlobStore());
    const opened = await openMemoryRepository({ store });
    const controller = new AbortController();
    store.before = (operation) => {
      if (operation !== "delete") return;
      if (trouble === "abort") controller.abort();
      else throw new BlobError("BLOB_STORE_DENIED", "the blob is locked");
    };
    await using writer = opened.repository.createWriter();
    await write(writer, "text");
    await writer.flush(controller.signal);
    assert.equal(await isVisible(opened, "text"), true, trouble);
  }
});

test("a writer stops when the repository was given other parameters, for its readers would not see what it writes", async () => {
  const opened = await openMemoryRepository({ inner: legacyFields });
  await using writer = opened.repository.createWriter();
  await write(writer, "text");
  await putFormat(opened.store, { inner: {} });
  opened.clock.advance(11 * minuteMs);
  await assert.rejects(writer.flush(signal), { code: "REPOSITORY_UPGRADING", message: /other parameters/ });
  assert.deepEqual(await listIds(opened.store, "n"), []);
});
