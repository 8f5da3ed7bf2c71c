import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toHex } from "../../../src/base/bytes.ts";
import { CodedError } from "../../../src/base/errors.ts";
import type { ContentTable } from "../../../src/kernel/content-table.ts";
import { type BlobId, parseBlobId } from "../../../src/repository/blob/blob-store.ts";
import { MemoryBlobStore } from "../../../src/repository/blob/memory.ts";
import { type ContentId, keyOf } from "../../../src/repository/content/content-id.ts";
import { tablesToMerge } from "../../../src/repository/index/committed-index.ts";
import {
  InterruptedBlobStore,
  type MemoryRepository,
  openAgain,
  openMemoryRepository,
  putIndexBlob,
  recordOf,
  tableOf,
} from "../memory-repository.ts";
import { signal } from "../stored-format.ts";

const one = "00112233445566778899aabbccddeeff";
const two = "k0112233445566778899aabbccddeeff0";
const three = "m0112233445566778899aabbccddeeff0";

function keysOf({ repository }: MemoryRepository, prefix?: string): string[] {
  return [...repository.index.records(prefix)].map((record) => toHex(record.key));
}

test("entries of every active blob are merged, each content once, in key order", async () => {
  const opened = await openMemoryRepository();
  const ids = [three, one, two].map((id) => recordOf(id, { timestampSeconds: 5 }));
  await putIndexBlob(opened, "xn0_", "s1-c1", tableOf(...ids));
  await putIndexBlob(opened, "xn0_", "s2-c1", tableOf(recordOf(one, { timestampSeconds: 6, packOffset: 99 })));
  await opened.repository.refresh(signal);
  assert.deepEqual(
    keysOf(opened),
    [one, two, three].map((id) => toHex(keyOf(id as ContentId))),
  );
  assert.equal(opened.repository.index.find(keyOf(one as ContentId))?.packOffset, 99);
  assert.deepEqual(keysOf(opened, "k"), [toHex(keyOf(two as ContentId))]);
  assert.deepEqual(keysOf(opened, "z"), []);
});

test("an index blob that vanishes between listing and reading makes the whole listing be read again", async () => {
  const store = new InterruptedBlobStore(new MemoryBlobStore());
  const opened = await openMemoryRepository({ store });
  const old = await putIndexBlob(opened, "xn0_", "s1-c1", tableOf(recordOf(one)));
  let compacted: BlobId | undefined;
  store.before = async (operation, id) => {
    if (operation !== "get" || id !== old || compacted !== undefined) return;
    // Maintenance compacts the epoch, and removes what it compacted.
    compacted = await putIndexBlob(opened, "xs0_", "s2-c1", tableOf(recordOf(one), recordOf(two)));
    await store.put(parseBlobId("xe2"), [new Uint8Array(1)], { signal });
    await store.delete(old, { signal });
  };
  await opened.repository.refresh(signal);
  assert.equal(keysOf(opened).length, 2);
  assert.equal(opened.repository.index.writeEpoch, 2);
});

test("index blobs that vanish for ever are an error, after a while", async () => {
  const store = new InterruptedBlobStore(new MemoryBlobStore());
  const opened = await openMemoryRepository({ store });
  const lost = await putIndexBlob(opened, "xn0_", "s1-c1", tableOf(recordOf(one)));
  const started = opened.clock.nowMs();
  store.before = async (operation, id) => {
    if (operation === "get" && id === lost) await store.delete(lost, { signal });
    if (operation === "list") await putIndexBlob(opened, "xn0_", "s1-c1", tableOf(recordOf(one)));
  };
  await assert.rejects(opened.repository.refresh(signal), { code: "INDEX_UNSTABLE" });
  assert.equal(opened.clock.nowMs() - started, 100 * (2 ** 9 - 1));
});

test("what was loaded stays when its blob is superseded and removed, and is not fetched again", async () => {
  const store = new InterruptedBlobStore(new MemoryBlobStore());
  const opened = await openMemoryRepository({ store });
  const blob = await putIndexBlob(opened, "xn0_", "s1-c1", tableOf(recordOf(one)));
  await opened.repository.refresh(signal);
  store.before = (operation, id) => assert.ok(operation !== "get" || id !== blob);
  await opened.repository.refresh(signal);
  await store.delete(blob, { signal });
  await opened.repository.refresh(signal);
  assert.equal(keysOf(opened).length, 1);
});

test("refreshes at the same time have a listing each, one after the other", async () => {
  const store = new InterruptedBlobStore(new MemoryBlobStore());
  const opened = await openMemoryRepository({ store });
  let listings = 0;
  store.after = async (operation) => {
    if (operation === "list" && ++listings === 1) await putIndexBlob(opened, "xn0_", "s1-c1", tableOf(recordOf(one)));
  };
  const first = opened.repository.refresh(signal);
  const second = opened.repository.refresh(signal);
  await first;
  await second;
  assert.equal(listings, 2);
  assert.equal(keysOf(opened).length, 1);
});

test("a refresh that fails leaves the next one to begin anew", async () => {
  const opened = await openMemoryRepository();
  await assert.rejects(opened.repository.refresh(AbortSignal.abort()), { name: "AbortError" });
  await putIndexBlob(opened, "xn0_", "s1-c1", tableOf(recordOf(one)));
  await opened.repository.refresh(signal);
  assert.equal(keysOf(opened).length, 1);
});

test("a tombstone takes a content out of the list and is still found until the watermark has passed it", async () => {
  const opened = await openMemoryRepository();
  const deleted = recordOf(one, { deleted: true, timestampSeconds: 1000 });
  await putIndexBlob(opened, "xn0_", "s1-c1", tableOf(recordOf(one, { timestampSeconds: 999 })));
  await putIndexBlob(opened, "xn0_", "s2-c1", tableOf(deleted));
  const found = async (...watermarks: string[]): Promise<boolean> => {
    for (const id of watermarks) await opened.store.put(parseBlobId(id), [new Uint8Array(1)], { signal });
    await opened.repository.refresh(signal);
    return opened.repository.index.find(keyOf(one as ContentId)) !== undefined;
  };
  assert.equal(await found(), true);
  assert.deepEqual(keysOf(opened), []);
  assert.equal(await found("xw999"), true);
  assert.equal(await found("xw1000"), false);
  // It never goes back, even when its marker is removed.
  await opened.store.delete(parseBlobId("xw1000"), { signal });
  assert.equal(await found(), false);
});

test("an index blob that is damaged, or sealed under another name, is told by its name", async () => {
  for (const damage of ["flipped", "truncated", "renamed", "nonsense"] as const) {
    const opened = await openMemoryRepository();
    const blob = await putIndexBlob(opened, "xn0_", "s1-c1", tableOf(recordOf(one)));
    const bytes = await opened.store.get(blob, { signal });
    let name = blob;
    if (damage === "flipped") bytes[20]! ^= 1;
    if (damage === "renamed") name = parseBlobId(`xn0_${"0".repeat(32)}-s1-c1`);
    if (damage === "nonsense") name = parseBlobId("xn0_nonsense");
    await opened.store.delete(blob, { signal });
    await opened.store.put(name, [damage === "truncated" ? bytes.subarray(0, 30) : bytes], { signal });
    await assert.rejects(opened.repository.refresh(signal), {
      code: "INDEX_BLOB_DAMAGED",
      message: new RegExp(name),
    });
  }
});

test("a blob that opens but is no index is damaged, and told by its name", async () => {
  const opened = await openMemoryRepository();
  const { id, sealed } = opened.blobs.seal("xn0_", "s1-c1", Uint8Array.of(7, 7, 7));
  await opened.store.put(id, [sealed], { signal });
  await assert.rejects(opened.repository.refresh(signal), { code: "INDEX_BLOB_DAMAGED", detail: { blob: id } });
});

test("an index with keys of another length is damaged", async () => {
  const opened = await openMemoryRepository();
  const id = await putIndexBlob(opened, "xn0_", "s1-c1", tableOf(recordOf("00".repeat(32))));
  await assert.rejects(opened.repository.refresh(signal), { code: "INDEX_BLOB_DAMAGED", detail: { blob: id } });
});

test("index blobs of both versions stand side by side", async () => {
  const opened = await openMemoryRepository();
  await putIndexBlob(opened, "xn0_", "s1-c1", tableOf(recordOf(one)));
  const older = { ...opened, format: { ...opened.format, indexVersion: 1 as const } };
  await putIndexBlob(older, "xn0_", "s2-c1", tableOf(recordOf(two)));
  await opened.repository.refresh(signal);
  assert.equal(keysOf(opened).length, 2);
});

test("however entries are spread over blobs and refreshes, the same contents are there", async () => {
  const anyId = fc.nat(30).map((n) => n.toString(16).padStart(32, "0"));
  const anyRecord = fc
    .record({ id: anyId, timestampSeconds: fc.integer({ min: 1, max: 5 }), deleted: fc.boolean() })
    .map(({ id, ...fields }) => recordOf(id, fields));
  const anyBlobs = fc.array(fc.array(anyRecord, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(anyBlobs, async (blobs) => {
      const opened = await openMemoryRepository();
      for (const [i, records] of blobs.entries()) {
        await putIndexBlob(opened, "xn0_", `s${i}-c1`, tableOf(...records));
        await opened.repository.refresh(signal);
      }
      const whole = tableOf(...blobs.flat());
      const expected = [...whole.records()].filter((record) => !record.deleted).map((record) => toHex(record.key));
      assert.deepEqual(keysOf(opened), expected);
      assert.deepEqual(keysOf(await openAgain(opened)), expected);
    }),
    { numRuns: 50 },
  );
});

test("an index blob of a name that is no name of ours does no harm", async () => {
  const opened = await openMemoryRepository();
  for (const id of ["x", "xn", "xz1_a", "xe", "xw", "xr1"]) await opened.store.put(parseBlobId(id), [], { signal });
  await opened.repository.refresh(signal).catch((error: unknown) => assert.ok(error instanceof CodedError));
  assert.deepEqual(keysOf(opened), []);
});

test("tables are merged until each is twice as large as the next, and very large ones are left alone", () => {
  const ofCounts = (...counts: number[]) => counts.map((count) => ({ count }) as ContentTable);
  const chosen = (...counts: number[]) => tablesToMerge(ofCounts(...counts)).map(({ count }) => count);
  assert.deepEqual(chosen(), []);
  assert.deepEqual(chosen(8), []);
  assert.deepEqual(chosen(8, 4, 2), []);
  assert.deepEqual(chosen(8, 4, 3), [3, 4, 8]);
  assert.deepEqual(chosen(100, 10, 10), [10, 10]);
  assert.deepEqual(chosen(1, 30, 20), [1, 20, 30]);
  assert.deepEqual(chosen(4_000_000, 3_999_999), []);
  assert.deepEqual(chosen(3_000_000, 3_000_000, 3_000_000), [3_000_000, 3_000_000]);
  assert.deepEqual(chosen(5_000_000, 3_000_000, 2_000_000), [2_000_000, 3_000_000]);
});

test("of hundreds of index blobs every entry is found, in few tables", async () => {
  const opened = await openMemoryRepository();
  const ids = Array.from({ length: 300 }, (_, i) => i.toString(16).padStart(32, "0"));
  for (const [i, id] of ids.entries()) {
    await putIndexBlob(opened, "xn0_", `s${i}-c1`, tableOf(recordOf(id, { timestampSeconds: i })));
  }
  await opened.repository.refresh(signal);
  assert.deepEqual(
    ids.map((id) => opened.repository.index.find(keyOf(id as ContentId))?.timestampSeconds),
    ids.map((_, i) => i),
  );
  assert.ok(opened.repository.index.tables.length < 10, `${opened.repository.index.tables.length} tables`);
});
