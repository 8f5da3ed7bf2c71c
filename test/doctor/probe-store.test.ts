/** The probe over stores that lie, refuse and forget. Nothing is left behind, or its name is told. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { probeStore } from "../../src/doctor/probe-store.ts";
import { BlobError, type BlobStore } from "../../src/repository/blob/blob-store.ts";
import { MemoryBlobStore } from "../../src/repository/blob/memory.ts";

const options = {
  notPut: "",
  random: seededRandom("probe"),
  clock: systemClock,
  signal: new AbortController().signal,
};

function changed(change: (store: MemoryBlobStore) => Partial<BlobStore>): {
  readonly store: BlobStore;
  readonly inner: MemoryBlobStore;
} {
  const inner = new MemoryBlobStore();
  const store: BlobStore = {
    displayName: "changed",
    get: (id, given) => inner.get(id, given),
    put: (id, parts, given) => inner.put(id, parts, given),
    delete: (id, given) => inner.delete(id, given),
    list: (prefix, given) => inner.list(prefix, given),
    metadata: (id, given) => inner.metadata(id, given),
    [Symbol.asyncDispose]: async () => undefined,
    ...change(inner),
  };
  return { store, inner };
}

async function idsIn(store: BlobStore): Promise<readonly string[]> {
  const ids: string[] = [];
  for await (const { id } of store.list("", options)) ids.push(id);
  return ids;
}

function denied(): never {
  throw new BlobError("BLOB_STORE_DENIED", "it was denied");
}

describe("the probe of a store", () => {
  it("does everything that the engine does, and is gone again", async () => {
    const { store, inner } = changed(() => ({}));
    const report = await probeStore(store, options);
    assert.deepEqual(report.done, ["reach", "put", "replace", "get", "range", "look-up", "list", "delete"]);
    assert.deepEqual([report.wrong, report.left, report.conditional], [undefined, [], { value: "taken" }]);
    assert.equal(report.aheadMs, 0);
    assert.deepEqual(await idsIn(inner), []);
  });

  it("finds what is wrong at its step", async () => {
    const lies: readonly (readonly [string, (inner: MemoryBlobStore) => Partial<BlobStore>])[] = [
      ["reach", () => ({ list: denied })],
      ["put", () => ({ put: async () => denied() })],
      ["replace", () => ({ metadata: async () => undefined })],
      ["get", () => ({ get: async () => new Uint8Array(1000) })],
      ["range", (inner) => ({ get: (id, { range: _, ...given }) => inner.get(id, given) })],
      [
        "look-up",
        (inner) => ({
          metadata: async (id, given) => {
            const known = await inner.metadata(id, given);
            return known && { ...known, length: 1 };
          },
        }),
      ],
    ];
    for (const [step, change] of lies) {
      const { store, inner } = changed(change);
      const report = await probeStore(store, options);
      assert.equal(report.wrong?.step, step);
      assert.deepEqual(await idsIn(inner), [], step);
    }
  });

  it("tells the names of all that could not be removed, and of nothing that is not there", async () => {
    const { store, inner } = changed(() => ({ delete: async () => denied() }));
    const report = await probeStore(store, options);
    const both = await idsIn(inner);
    assert.equal(both.length, 2);
    assert.deepEqual([...report.left].sort(), [...both].sort());
    assert.ok(!report.done.includes("delete"));

    const second = changed((within) => ({
      delete: async (id, given) => (id.endsWith("-if-absent") ? await within.delete(id, given) : denied()),
    }));
    const { left } = await probeStore(second.store, options);
    assert.equal(left.length, 1);
    assert.deepEqual(left, await idsIn(second.inner));
  });

  it("tells that a put on condition is refused, which takes nothing from the rest", async () => {
    const { store } = changed((inner) => ({
      put: async (id, parts, given) => (given.existing === "keep" ? denied() : await inner.put(id, parts, given)),
    }));
    const report = await probeStore(store, options);
    assert.ok(report.conditional !== undefined && "trouble" in report.conditional);
    assert.equal(report.wrong, undefined);
  });

  it("sees a clock that is ahead", async () => {
    const { store } = changed((inner) => ({
      metadata: async (id, given) => {
        const known = await inner.metadata(id, given);
        return known && { ...known, modifiedMs: known.modifiedMs + 600_000 };
      },
    }));
    const { aheadMs = 0 } = await probeStore(store, options);
    assert.ok(aheadMs > 590_000 && aheadMs <= 600_000, `${aheadMs}`);
  });

  it("puts nothing where it may only read", async () => {
    const { store } = changed(() => ({ put: async () => denied(), delete: async () => denied() }));
    const report = await probeStore(store, { ...options, notPut: "it is ReadOnly" });
    assert.deepEqual([report.done, report.wrong], [["reach"], undefined]);
  });

  it("is removed after an abort, too", async () => {
    const stop = new AbortController();
    const { store, inner } = changed((within) => ({
      get: async (id, given) => {
        stop.abort();
        given.signal.throwIfAborted();
        return await within.get(id, given);
      },
    }));
    await assert.rejects(probeStore(store, { ...options, signal: stop.signal }), { name: "AbortError" });
    assert.deepEqual(await idsIn(inner), []);
  });
});
