import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { equalBytes } from "../../../src/base/bytes.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { Pace } from "../../../src/base/pace.ts";
import { type BlobStore, parseBlobId } from "../../../src/repository/blob/blob-store.ts";
import { openStore, putsInFlightOf, type StoreLocation } from "../../../src/repository/blob/open-store.ts";
import type { Paces } from "../../../src/repository/blob/paced.ts";
import { describeBlobStoreContract } from "../../contracts/blob-store.contract.ts";
import { type BucketServer, startBucketServer } from "../../support/bucket-server.ts";
import { SteppedClock } from "../../support/stepped-clock.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

const { signal } = new AbortController();
const pack = parseBlobId("p8443e18bb3a4c9a0d1f2e3a4b5c6d7e8-s0123456789abcdef147");
const bytesPerSecond = 1_000_000;
const bytes = Buffer.from(Uint8Array.from({ length: 2 * bytesPerSecond + 7 }, (_, at) => at * at));

async function open(location: StoreLocation, paces: Paces): Promise<BlobStore> {
  return await openStore(location, { mode: "create", clock: systemClock, log: silentLog, signal, paces });
}

async function openFast(location: StoreLocation): Promise<{ store: BlobStore; dispose: () => PromiseLike<void> }> {
  const store = await open(location, { upload: new Pace(1e9, systemClock), download: new Pace(1e9, systemClock) });
  return { store, dispose: () => store[Symbol.asyncDispose]() };
}

describeBlobStoreContract("a paced folder", (t) => openFast({ kind: "fs", folder: temporaryFolder(t) }));
describeBlobStoreContract("a paced bucket", async (t) => openFast((await startBucketServer(t)).location()));

/** What of bodies has come so far, told at each piece; nothing is kept. */
function watchArrivals(server: BucketServer, onArrival: (byteCount: number) => void): void {
  server.intercept = async (request, response): Promise<"answered"> => {
    let byteCount = 0;
    for await (const piece of request) {
      byteCount += (piece as Buffer).byteLength;
      onArrival(byteCount);
    }
    response.writeHead(200, { etag: '"taken"', "content-length": 0 });
    response.end();
    return "answered";
  };
}

describe("a limit of bytes a second", () => {
  const kinds: Readonly<Record<string, (t: TestContext) => Promise<StoreLocation>>> = {
    folder: async (t) => ({ kind: "fs", folder: temporaryFolder(t) }),
    bucket: async (t) => (await startBucketServer(t)).location(),
  };
  for (const [kind, place] of Object.entries(kinds)) {
    test(`holds on the way to a ${kind} and from it, each for itself`, async (t) => {
      const clock = new SteppedClock();
      const paces = { upload: new Pace(bytesPerSecond, clock), download: new Pace(bytesPerSecond / 2, clock) };
      await using store = await open(await place(t), paces);
      await clock.while(store.put(pack, [bytes.subarray(0, 5), bytes.subarray(5)], { signal }));
      assert.ok(Math.abs(clock.nowMs() - 2000) <= 50, `${clock.nowMs()} ms to put`);
      const startMs = clock.nowMs();
      const got = await clock.while(store.get(pack, { signal, range: { offset: 7, length: bytesPerSecond } }));
      assert.ok(equalBytes(got, bytes.subarray(7, 7 + bytesPerSecond)));
      assert.ok(clock.nowMs() - startMs >= 1800 && clock.nowMs() - startMs <= 2050, `${clock.nowMs() - startMs} ms`);
    });
  }

  test("holds at the server's end of the connection at every moment, not only over all", async (t) => {
    const server = await startBucketServer(t);
    const clock = new SteppedClock();
    const pace = new Pace(bytesPerSecond, clock);
    const arrivals: number[] = [];
    watchArrivals(server, (byteCount) => {
      arrivals.push(byteCount);
      const allowed = (clock.nowMs() / 1000) * bytesPerSecond + pace.stepBytes;
      assert.ok(byteCount <= allowed + 1, `${byteCount} bytes at ${clock.nowMs()} ms`);
    });
    await using store = await open(server.location(), { upload: pace, download: undefined });
    await clock.while(store.put(pack, [bytes], { signal }));
    assert.ok(arrivals.length >= 50, `${arrivals.length} pieces`);
    assert.equal(arrivals.at(-1), bytes.byteLength);
  });

  test("is shared by all that goes at the same time", async (t) => {
    const clock = new SteppedClock();
    const paces = { upload: new Pace(bytesPerSecond, clock), download: undefined };
    await using one = await open({ kind: "fs", folder: temporaryFolder(t) }, paces);
    await using other = await open({ kind: "fs", folder: temporaryFolder(t) }, paces);
    await clock.while(Promise.all([one, other].map((store) => store.put(pack, [bytes], { signal }))));
    assert.ok(Math.abs(clock.nowMs() - 4000) <= 50, `${clock.nowMs()} ms`);
  });

  test("ends at once for who is aborted meanwhile", async (t) => {
    const abort = new AbortController();
    await using store = await open(
      { kind: "fs", folder: temporaryFolder(t) },
      { upload: new Pace(1000, systemClock), download: undefined },
    );
    const put = store.put(pack, [bytes], { signal: abort.signal });
    abort.abort(new Error("enough"));
    await assert.rejects(put, /enough|aborted/);
  });
});

test("a folder gets one pack at a time, a bucket two to four", () => {
  const counts = [1, 2, 3, 64].map((parallelism) => [
    putsInFlightOf({ kind: "fs" }, parallelism),
    putsInFlightOf({ kind: "s3" }, parallelism),
  ]);
  assert.deepEqual(counts, [
    [1, 2],
    [1, 2],
    [1, 3],
    [1, 4],
  ]);
});
