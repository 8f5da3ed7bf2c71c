import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Clock } from "../../src/base/clock.ts";
import { WorkQueue } from "../../src/kubernetes/work-queue.ts";

/** Stands still; a sleep ends when the test says so. */
class StillClock implements Clock {
  readonly sleeps: { readonly ms: number; readonly end: () => void }[] = [];
  nowMs(): number {
    return 0;
  }
  nowNs(): bigint {
    return 0n;
  }
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      this.sleeps.push({ ms, end: resolve });
    });
  }
}

const signal = AbortSignal.timeout(60_000);

function fresh() {
  const clock = new StillClock();
  return { clock, queue: new WorkQueue({ clock, random: () => 1, retryMinMs: 100, retryMaxMs: 1000 }) };
}

describe("a work queue", () => {
  it("gives keys in their order, each once however often it was added", async () => {
    const { queue } = fresh();
    for (const key of ["a", "b", "a"]) queue.add(key);
    assert.equal(await queue.take(signal), "a");
    assert.equal(await queue.take(signal), "b");
    const third = queue.take(signal);
    queue.add("c");
    assert.equal(await third, "c");
  });

  it("gives a key that was added while in hand again, but only after it is done", async () => {
    const { queue } = fresh();
    queue.add("a");
    await queue.take(signal);
    queue.add("a");
    queue.add("b");
    assert.equal(await queue.take(signal), "b");
    queue.done("a");
    assert.equal(await queue.take(signal), "a");
  });

  it("waits longer with every retry, up to its bound, until the retries are forgotten", async () => {
    const { queue, clock } = fresh();
    for (let retry = 0; retry < 6; retry++) {
      queue.retry("a");
      clock.sleeps.at(-1)?.end();
      assert.equal(await queue.take(signal), "a");
      queue.done("a");
    }
    queue.forgetRetries("a");
    queue.retry("a");
    assert.deepEqual(
      clock.sleeps.map(({ ms }) => ms),
      [100, 200, 400, 800, 1000, 1000, 100],
    );
  });

  it("lets an earlier time win over a later one", async () => {
    const { queue, clock } = fresh();
    queue.addAfter("a", 500);
    queue.addAfter("a", 900);
    queue.addAfter("a", 100);
    assert.deepEqual(
      clock.sleeps.map(({ ms }) => ms),
      [500, 100],
    );
    clock.sleeps[1]?.end();
    assert.equal(await queue.take(signal), "a");
  });

  it("throws the reason of the signal to whoever waits", async () => {
    const { queue } = fresh();
    const stop = new AbortController();
    const taking = queue.take(stop.signal);
    stop.abort(new Error("enough"));
    await assert.rejects(taking, /enough/);
  });
});
