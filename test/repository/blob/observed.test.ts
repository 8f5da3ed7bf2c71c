import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { toUtf8 } from "../../../src/base/bytes.ts";
import { blobKindOf } from "../../../src/repository/blob/blob-kind.ts";
import { parseBlobId } from "../../../src/repository/blob/blob-store.ts";
import { MemoryBlobStore } from "../../../src/repository/blob/memory.ts";
import { BlobCounters, type BlobOperation, ObservedBlobStore } from "../../../src/repository/blob/observed.ts";
import { describeBlobStoreContract } from "../../contracts/blob-store.contract.ts";
import { FaultyBlobStore } from "../../support/faulty-blob-store.ts";

describeBlobStoreContract("an observed store", async () => {
  const store = new ObservedBlobStore(new MemoryBlobStore(), () => undefined);
  return { store, dispose: () => store[Symbol.asyncDispose]() };
});

describe("an observed store", () => {
  test("tells of every operation its name, kind, bytes, duration and outcome", async () => {
    const seen: BlobOperation[] = [];
    const store = new ObservedBlobStore(new MemoryBlobStore(), (operation) => seen.push(operation), tickingClock());
    await store.put(pack, [toUtf8("four"), toUtf8("five5")], { signal });
    await store.get(pack, { signal, range: { offset: 1, length: 2 } });
    await store.metadata(parseBlobId("xn0_1"), { signal });
    await store.get(parseBlobId("q1"), { signal }).catch(() => undefined);
    await store.get(pack, { signal: AbortSignal.abort(new Error("gone")) }).catch(() => undefined);
    await store.delete(parseBlobId("s1"), { signal });
    const ms = 1;
    assert.deepEqual(seen, [
      { name: "put", kind: "data pack", bytes: 9, durationMs: ms, outcome: "ok" },
      { name: "get", kind: "data pack", bytes: 2, durationMs: ms, outcome: "ok" },
      { name: "metadata", kind: "index", bytes: 0, durationMs: ms, outcome: "ok" },
      { name: "get", kind: "metadata pack", bytes: 0, durationMs: ms, outcome: "BLOB_NOT_FOUND" },
      { name: "get", kind: "data pack", bytes: 0, durationMs: ms, outcome: "aborted" },
      { name: "delete", kind: "session", bytes: 0, durationMs: ms, outcome: "ok" },
    ]);
  });

  test("tells of a listing once it has ended, was left, or failed, without the time its reader took", async () => {
    const disk = new MemoryBlobStore();
    for (const id of ["xn0_1", "xn0_2", "xn0_3"]) await disk.put(parseBlobId(id), [], { signal });
    const seen: BlobOperation[] = [];
    const clock = tickingClock();
    const store = new ObservedBlobStore(disk, (operation) => seen.push(operation), clock);
    for await (const _ of store.list("x", { signal })) clock.nowNs();
    for await (const _ of store.list("", { signal })) break;
    const faulty = new FaultyBlobStore(disk, 0);
    const failing = new ObservedBlobStore(faulty, (operation) => seen.push(operation), tickingClock());
    await Array.fromAsync(failing.list("p", { signal })).catch(() => undefined);
    assert.deepEqual(seen, [
      { name: "list", kind: "index", bytes: 0, durationMs: 4, outcome: "ok" },
      { name: "list", kind: "other", bytes: 0, durationMs: 1, outcome: "ok" },
      { name: "list", kind: "data pack", bytes: 0, durationMs: 1, outcome: "BLOB_STORE_UNAVAILABLE" },
    ]);
  });

  test("counters add up what it tells", async () => {
    const counters = new BlobCounters();
    const store = new ObservedBlobStore(new MemoryBlobStore(), counters.record, tickingClock());
    assert.deepEqual(counters.of("put"), { count: 0, failedCount: 0, bytes: 0, durationMs: 0 });
    await store.put(pack, [toUtf8("four")], { signal });
    await store.put(pack, [toUtf8("seven77")], { signal });
    await store.get(parseBlobId("missing"), { signal }).catch(() => undefined);
    assert.deepEqual(counters.of("put"), { count: 2, failedCount: 0, bytes: 11, durationMs: 2 });
    assert.deepEqual(counters.of("get"), { count: 1, failedCount: 1, bytes: 0, durationMs: 1 });
  });
});

describe("the kind of a blob", () => {
  for (const [id, kind] of [
    ["kopia.repository", "format"],
    ["kopia.blobcfg", "format"],
    ["udmrepo.Repository", "format"],
    ["kopia.maintenance", "maintenance"],
    ["p8443", "data pack"],
    ["q8443", "metadata pack"],
    ["s8443", "session"],
    ["n8443", "index"],
    ["xn0_1", "index"],
    ["xs0_1", "index"],
    ["xr0_1_2", "index"],
    ["xe1", "epoch"],
    ["xw1700000000", "epoch"],
    ["m8443", "maintenance"],
    ["l8443", "maintenance"],
    ["_log_1", "log"],
    ["readme", "other"],
    ["", "other"],
  ] as const) {
    test(`of "${id}" is ${kind}`, () => assert.equal(blobKindOf(id), kind));
  }
});

const { signal } = new AbortController();
const pack = parseBlobId("p8443");

/** A millisecond passes whenever somebody looks. */
function tickingClock() {
  let ms = 0;
  return { nowMs: () => ++ms, nowNs: () => BigInt(++ms) * 1_000_000n, sleep: async () => undefined };
}
