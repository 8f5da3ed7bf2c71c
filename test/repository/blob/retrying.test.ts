import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { toUtf8 } from "../../../src/base/bytes.ts";
import type { Clock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { BlobError, type BlobMetadata, type BlobStore, parseBlobId } from "../../../src/repository/blob/blob-store.ts";
import { MemoryBlobStore } from "../../../src/repository/blob/memory.ts";
import {
  attemptsMax,
  delayAfter,
  delayMsMax,
  firstDelayMs,
  RetryingBlobStore,
} from "../../../src/repository/blob/retrying.ts";
import { coded, describeBlobStoreContract } from "../../contracts/blob-store.contract.ts";
import { FaultyBlobStore, faults } from "../../support/faulty-blob-store.ts";

describeBlobStoreContract("a retrying store", async () => {
  const store = retrying(new MemoryBlobStore());
  return { store, dispose: () => store[Symbol.asyncDispose]() };
});

describe("a retrying store", () => {
  for (const fault of ["refused", "answer lost"] as const) {
    test(`hides that any one operation fails (${fault})`, async () => {
      for (let failAt = 0; ; failAt++) {
        const faulty = new FaultyBlobStore(new MemoryBlobStore(), failAt, fault);
        const store = retrying(faulty);
        await store.put(a, [toUtf8("one")], { signal });
        await store.put(b, [toUtf8("two")], { signal });
        await store.delete(b, { signal });
        assert.equal(Buffer.from(await store.get(a, { signal })).toString(), "one");
        assert.equal((await store.metadata(a, { signal }))?.length, 3);
        if (!faulty.fired) break;
      }
    });
  }

  test("begins a listing anew until its first blob was given", async () => {
    const disk = await diskOfTwo();
    const listed = await Array.fromAsync(retrying(new FaultyBlobStore(disk, 0, "refused")).list("", { signal }));
    assert.deepEqual(listed.map(({ id }) => id).toSorted(), [a, b]);
  });

  test("gives up a listing that fails later rather than give a blob twice", async () => {
    const seen: BlobMetadata[] = [];
    const store = retrying(new FaultyBlobStore(await diskOfTwo(), 0, "answer lost"));
    await assert.rejects(async () => {
      for await (const metadata of store.list("", { signal })) seen.push(metadata);
    }, coded("BLOB_STORE_UNAVAILABLE"));
    assert.deepEqual(seen.map(({ id }) => id).toSorted(), [a, b]);
  });

  test("gives up after the last attempt and tells the last error", async () => {
    const clock = new SteppingClock();
    const faulty = new FaultyBlobStore(new MemoryBlobStore(), 0, "killed");
    const store = new RetryingBlobStore(faulty, { log: silentLog, clock, random: seededRandom("give up") });
    const error = await store.get(a, { signal }).catch((error: unknown) => error);
    assert.ok(error instanceof BlobError && error.code === "BLOB_STORE_UNAVAILABLE");
    assert.equal(error.detail.attempts, attemptsMax);
    assert.match(String((error.cause as Error).message), /operation 11 was made to fail/);
    assert.equal(faulty.operationCount, attemptsMax);
    assert.ok(clock.sleptMs > 55_000 && clock.sleptMs <= 111_100, `${clock.sleptMs} ms`);
  });

  test("does not retry what will not change", async () => {
    for (const code of ["BLOB_NOT_FOUND", "BLOB_STORE_DENIED", "BLOB_STORE_FULL", "BLOB_RANGE_INVALID"] as const) {
      const clock = new SteppingClock();
      const store = new RetryingBlobStore(failingWith(new BlobError(code, "no")), { log: silentLog, clock });
      await assert.rejects(store.get(a, { signal }), coded(code));
      assert.equal(clock.sleptMs, 0);
    }
    const bug = new TypeError("a bug");
    await assert.rejects(retrying(failingWith(bug)).get(a, { signal }), (error) => error === bug);
  });

  test("stops waiting when it is aborted", async () => {
    const reason = new Error("the caller went away");
    const caller = new AbortController();
    const clock = new SteppingClock(() => caller.abort(reason));
    const faulty = new FaultyBlobStore(new MemoryBlobStore(), 0, "killed");
    const store = new RetryingBlobStore(faulty, { log: silentLog, clock });
    await assert.rejects(store.get(a, { signal: caller.signal }), (error) => error === reason);
    assert.equal(faulty.operationCount, 1);
  });

  test("waits longer after each attempt, up to a bound, and never the same for two agents", () => {
    for (let seed = 0; seed < 50; seed++) {
      const random = seededRandom(`delays ${seed}`);
      for (let attempt = 1; attempt <= 20; attempt++) {
        const full = Math.min(firstDelayMs * 2 ** (attempt - 1), delayMsMax);
        const delay = delayAfter(attempt, random);
        assert.ok(delay >= full / 2 && delay <= full, `${delay} of ${full} (seed ${seed})`);
      }
    }
    const seeds = Array.from({ length: 50 }, (_, seed) => delayAfter(10, seededRandom(`${seed}`)));
    assert.ok(new Set(seeds).size > 25);
  });
});

describe("a faulty store", () => {
  for (const fault of faults) {
    test(`tells that it fired, once (${fault})`, async () => {
      const disk = new MemoryBlobStore();
      const store = new FaultyBlobStore(disk, 1, fault);
      await store.put(a, [toUtf8("one")], { signal });
      assert.equal(store.fired, false);
      await assert.rejects(store.put(b, [toUtf8("two")], { signal }), coded("BLOB_STORE_UNAVAILABLE"));
      assert.equal(store.fired, true);
      const isDone = fault === "killed after" || fault === "answer lost";
      assert.equal((await disk.metadata(b, { signal })) !== undefined, isDone);
      const next = store.delete(a, { signal });
      if (fault.startsWith("killed")) await assert.rejects(next, coded("BLOB_STORE_UNAVAILABLE"));
      else await next;
      assert.equal((await disk.metadata(a, { signal })) !== undefined, fault.startsWith("killed"));
    });
  }

  describeBlobStoreContract("a faulty store that never fires", async () => {
    const store = new FaultyBlobStore(new MemoryBlobStore(), Number.POSITIVE_INFINITY);
    return { store, dispose: () => store[Symbol.asyncDispose]() };
  });
});

const { signal } = new AbortController();
const a = parseBlobId("a");
const b = parseBlobId("b");

/** Time passes only by sleeping. */
class SteppingClock implements Clock {
  sleptMs = 0;
  readonly #onSleep: () => void;

  constructor(onSleep: () => void = () => undefined) {
    this.#onSleep = onSleep;
  }

  nowMs(): number {
    return this.sleptMs;
  }

  nowNs(): bigint {
    return BigInt(this.sleptMs) * 1_000_000n;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.#onSleep();
    signal.throwIfAborted();
    this.sleptMs += ms;
  }
}

function retrying(inner: BlobStore): BlobStore {
  return new RetryingBlobStore(inner, { log: silentLog, clock: new SteppingClock(), random: seededRandom("retrying") });
}

async function diskOfTwo(): Promise<BlobStore> {
  const disk = new MemoryBlobStore();
  await disk.put(a, [], { signal });
  await disk.put(b, [], { signal });
  return disk;
}

function failingWith(error: Error): BlobStore {
  const store = new MemoryBlobStore();
  store.get = () => Promise.reject(error);
  return store;
}
