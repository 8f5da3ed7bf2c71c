/** What every blob store promises (src/repository/blob/blob-store.ts), and every wrapper around one. */

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import fc from "fast-check";
import { concatBytes, equalBytes, fromUtf8, toHex, toUtf8 } from "../../src/base/bytes.ts";
import {
  type BlobErrorCode,
  type BlobId,
  type BlobMetadata,
  type BlobStore,
  parseBlobId,
} from "../../src/repository/blob/blob-store.ts";

export interface OpenedStore {
  /** Empty. */
  readonly store: BlobStore;
  dispose(): PromiseLike<void>;
}

/**
 * `open` gives undefined when it has skipped the test, for what the store needs cannot be had here. `isTaken` says which
 * ids the place behind it keeps as they are.
 */
export function describeBlobStoreContract(
  name: string,
  open: (t: TestContext) => Promise<OpenedStore | undefined>,
  isTaken: (id: BlobId) => boolean = () => true,
): void {
  const oddIds = everyOddId.filter(isTaken);
  const contract = (sentence: string, check: (store: BlobStore) => Promise<void>): void => {
    test(sentence, async (t) => {
      const opened = await open(t);
      if (opened === undefined) return;
      const { store, dispose } = opened;
      try {
        await check(store);
      } finally {
        await dispose();
      }
    });
  };

  describe(`the blob store contract holds for ${name}`, () => {
    contract("a finished put is seen by get, metadata and list", async (store) => {
      for (const id of oddIds) {
        await store.put(id, [toUtf8(`bytes of ${id}`)], { signal });
        assert.equal(await text(store, id), `bytes of ${id}`);
      }
      assert.deepEqual(await listedIds(store, ""), oddIds.toSorted());
      for (const listed of await list(store, "")) {
        assert.equal(listed.length, `bytes of ${listed.id}`.length);
        assert.deepEqual(await store.metadata(listed.id, { signal }), listed);
      }
    });

    contract("a blob is its parts, one after the other", async (store) => {
      const parts = Array.from({ length: 3000 }, (_, at) => toUtf8(`${at},`.repeat(at % 7)));
      await store.put(data, parts, { signal });
      assert.ok(equalBytes(await store.get(data, { signal }), concatBytes(parts)));
    });

    contract("a blob may be empty", async (store) => {
      for (const parts of [[], [new Uint8Array(0)]]) {
        await store.put(data, parts, { signal });
        assert.equal((await store.get(data, { signal })).byteLength, 0);
        assert.equal((await store.metadata(data, { signal }))?.length, 0);
        assert.deepEqual(await listedIds(store, ""), [data]);
      }
    });

    contract("a put replaces a blob whole, with a longer or a shorter one", async (store) => {
      for (const content of ["a middling one", "one that is a good deal longer", "short"]) {
        await store.put(data, [toUtf8(content)], { signal });
        assert.equal(await text(store, data), content);
        assert.equal((await store.metadata(data, { signal }))?.length, content.length);
      }
      assert.deepEqual(await listedIds(store, ""), [data]);
    });

    contract("caller and store do not share memory", async (store) => {
      const given = toUtf8("as it was put");
      await store.put(data, [given], { signal });
      given.fill(0);
      const got = await store.get(data, { signal });
      assert.equal(fromUtf8(got), "as it was put");
      got.fill(0);
      assert.equal(await text(store, data), "as it was put");
    });

    contract("a put that is to keep what is there makes a new blob, and leaves an old one as it is", async (store) => {
      await store.put(data, [toUtf8("first")], { signal, existing: "keep" });
      await assert.rejects(store.put(data, [toUtf8("second")], { signal, existing: "keep" }), coded("BLOB_EXISTS"));
      assert.equal(await text(store, data), "first");
      assert.deepEqual(await listedIds(store, ""), [data]);
    });

    contract("of puts at once that are to keep what is there, one wins", async (store) => {
      const texts = Array.from({ length: 8 }, (_, i) => `writer ${i}`);
      const puts = texts.map((one) => store.put(data, [toUtf8(one)], { signal, existing: "keep" }));
      const outcomes = await Promise.allSettled(puts);
      const winners = texts.filter((_, i) => outcomes[i]?.status === "fulfilled");
      assert.equal(winners.length, 1);
      assert.equal(await text(store, data), winners[0]);
    });

    contract("a put leaves the parts as they were", async (store) => {
      const parts = [toUtf8("one"), toUtf8("two")];
      await store.put(data, parts, { signal });
      assert.deepEqual(parts.map(fromUtf8), ["one", "two"]);
    });

    contract("a missing blob is not found, has no metadata, and can be deleted", async (store) => {
      for (const id of oddIds) {
        await assert.rejects(store.get(id, { signal }), coded("BLOB_NOT_FOUND"));
        await assert.rejects(store.get(id, { signal, range: { offset: 0, length: 1 } }), coded("BLOB_NOT_FOUND"));
        assert.equal(await store.metadata(id, { signal }), undefined);
        await store.delete(id, { signal });
      }
      assert.deepEqual(await list(store, ""), []);
    });

    contract("a deleted blob is gone, and only that one", async (store) => {
      await store.put(data, [toUtf8("a")], { signal });
      await store.put(other, [toUtf8("b")], { signal });
      await store.delete(data, { signal });
      await assert.rejects(store.get(data, { signal }), coded("BLOB_NOT_FOUND"));
      assert.equal(await store.metadata(data, { signal }), undefined);
      assert.deepEqual(await listedIds(store, ""), [other]);
      assert.equal(await text(store, other), "b");
    });

    contract("a range within the blob gives exactly these bytes, any other is BLOB_RANGE_INVALID", async (store) => {
      const bytes = toUtf8("0123456789".repeat(10));
      await store.put(data, [bytes], { signal });
      const edge = fc.integer({ min: 0, max: 120 });
      await fc.assert(
        fc.asyncProperty(edge, edge, async (offset, length) => {
          const got = store.get(data, { signal, range: { offset, length } });
          if (offset + length > bytes.byteLength) return await assert.rejects(got, coded("BLOB_RANGE_INVALID"));
          assert.equal(toHex(await got), toHex(bytes.subarray(offset, offset + length)));
        }),
        { numRuns: 60 },
      );
      for (const range of [
        { offset: -1, length: 2 },
        { offset: 0, length: -1 },
        { offset: 0.5, length: 1 },
        { offset: 0, length: Number.NaN },
        { offset: 1, length: Number.MAX_SAFE_INTEGER },
        { offset: 0, length: 2 ** 40 },
      ]) {
        await assert.rejects(store.get(data, { signal, range }), coded("BLOB_RANGE_INVALID"));
      }
    });

    contract("list gives every blob whose id starts with the prefix and no other", async (store) => {
      const ids = [...oddIds, ...Array.from({ length: 30 }, (_, at) => parseBlobId(`p${at * 7919}${"0".repeat(30)}`))];
      for (const id of ids) await store.put(id, [toUtf8(id)], { signal });
      const prefixes = new Set(ids.flatMap((id) => [1, 2, 4, 5, 7, 21, id.length].map((n) => id.slice(0, n))));
      for (const prefix of ["", "nothing begins so", "p/", "..", ...prefixes]) {
        const expected = ids.filter((id) => id.startsWith(prefix)).toSorted();
        assert.deepEqual(await listedIds(store, prefix), expected, `prefix ${prefix}`);
      }
    });

    contract("a blob that vanishes while a listing runs is given or skipped, the others are given", async (store) => {
      const ids = Array.from({ length: 40 }, (_, at) => parseBlobId(`p${at}${"f".repeat(30)}`));
      for (const id of ids) await store.put(id, [toUtf8(id)], { signal });
      const kept = new Set(ids);
      const seen = new Set<BlobId>();
      for await (const { id } of store.list("", { signal })) {
        seen.add(id);
        const doomed = ids.find((other) => kept.has(other) && !seen.has(other));
        if (doomed === undefined || kept.size < 20) continue;
        await store.delete(doomed, { signal });
        kept.delete(doomed);
      }
      for (const id of kept) assert.ok(seen.has(id), `${id} was not listed`);
      assert.deepEqual(await listedIds(store, ""), [...kept].toSorted());
    });

    contract("a listing that its reader leaves early does no harm", async (store) => {
      await store.put(data, [toUtf8("a")], { signal });
      await store.put(other, [toUtf8("b")], { signal });
      for await (const _ of store.list("", { signal })) break;
      assert.equal((await list(store, "")).length, 2);
    });

    contract("puts of one blob at once leave one of them, whole", async (store) => {
      const contents = Array.from({ length: 40 }, (_, at) => String.fromCharCode(48 + at).repeat(1000 + at));
      await Promise.all(contents.map((content) => store.put(data, [toUtf8(content)], { signal })));
      assert.ok(contents.includes(await text(store, data)));
      assert.deepEqual(await listedIds(store, ""), [data]);
    });

    contract("the store's clock does not run backwards from one put to the next", async (store) => {
      let before = Number.NEGATIVE_INFINITY;
      for (let at = 0; at < 5; at++) {
        await store.put(data, [toUtf8(`${at}`)], { signal });
        const { modifiedMs } = (await store.metadata(data, { signal })) ?? { modifiedMs: Number.NaN };
        assert.ok(Number.isInteger(modifiedMs) && modifiedMs >= before, `${modifiedMs} after ${before}`);
        before = modifiedMs;
      }
    });

    contract("an abort travels as itself and changes nothing", async (store) => {
      await store.put(data, [toUtf8("as it was")], { signal });
      const reason = new Error("the caller went away");
      const aborted = { signal: AbortSignal.abort(reason) };
      const isReason = (error: unknown): boolean => error === reason;
      await assert.rejects(store.get(data, aborted), isReason);
      await assert.rejects(store.put(data, [toUtf8("changed")], aborted), isReason);
      await assert.rejects(store.delete(data, aborted), isReason);
      await assert.rejects(store.metadata(data, aborted), isReason);
      await assert.rejects(Array.fromAsync(store.list("", aborted)), isReason);
      assert.equal(await text(store, data), "as it was");
    });

    contract("any run of operations gives what a map would", async (store) => {
      const id = fc.constantFrom(...oddIds, data, other);
      const bytes = fc.uint8Array({ maxLength: 300 });
      const step = fc.oneof(
        fc.record({ do: fc.constant("put" as const), id, bytes }),
        fc.record({ do: fc.constant("delete" as const), id }),
        fc.record({ do: fc.constant("get" as const), id }),
        fc.record({ do: fc.constant("list" as const), id, length: fc.nat(6) }),
      );
      const model = new Map<BlobId, Uint8Array>();
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
          for (const { do: action, id, ...more } of steps) {
            if ("bytes" in more) {
              await store.put(id, [more.bytes.subarray(0, 5), more.bytes.subarray(5)], { signal });
              model.set(id, more.bytes.slice());
            } else if ("length" in more) {
              const prefix = id.slice(0, more.length);
              const expected = [...model.keys()].filter((known) => known.startsWith(prefix)).toSorted();
              assert.deepEqual(await listedIds(store, prefix), expected);
            } else if (action === "delete") {
              await store.delete(id, { signal });
              model.delete(id);
            } else {
              const known = model.get(id);
              if (known === undefined) await assert.rejects(store.get(id, { signal }), coded("BLOB_NOT_FOUND"));
              else assert.equal(toHex(await store.get(id, { signal })), toHex(known));
            }
          }
        }),
        { numRuns: 25 },
      );
    });
  });
}

/** True for an error with this code; for `assert.rejects`. */
export function coded(code: BlobErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof Error && "code" in error && error.code === code;
}

const { signal } = new AbortController();

const data = parseBlobId("p8443e18bb3a4c9a0d1f2e3a4b5c6d7e8-s0123456789abcdef147");
const other = parseBlobId("p8443e18bb3a4c9a0d1f2e3a4b5c6d7e9-s0123456789abcdef147");

/** Short and long ones, of every kind, and such as a file system or a shell could mistake for something else. */
const everyOddId = [
  "a",
  "kopia.repository",
  "kopia.repository.backup.me",
  "udmrepo.Repository",
  "xe12",
  "xw1700000000",
  "xn0_f3881c7f0a1b2c3d4e5f60718293a4b5-s0123456789abcdef147-c1",
  "_log_20261124033339_019b_1795491219_1795491219_1_c7cb2a8beec8559db842f5bb39da3d2b",
  "n00000000000000000000000000000000-repository_unreadable_by_this_kopia_version_upgrade_required",
  "p8443e18bb3a4c9a0d1f2e3a4b5c6d7e8.tmp.0123456789abcdef",
  "ends-in-the-suffix.f",
  "ends-in-the-suffix-and-is-long.f",
  "-rf",
  "~",
  "%2e%2e",
  "back\\slash",
  "quotes\"and'apostrophes",
  "p...................................",
  `p${"0".repeat(249)}`,
].map(parseBlobId);

async function text(store: BlobStore, id: BlobId): Promise<string> {
  return fromUtf8(await store.get(id, { signal }));
}

async function list(store: BlobStore, prefix: string): Promise<BlobMetadata[]> {
  return await Array.fromAsync(store.list(prefix, { signal }));
}

async function listedIds(store: BlobStore, prefix: string): Promise<BlobId[]> {
  return (await list(store, prefix)).map(({ id }) => id).toSorted();
}
