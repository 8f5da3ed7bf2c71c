import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { StallWatch } from "../../../src/agent/jobs/stall-watch.ts";
import type { Clock } from "../../../src/base/clock.ts";

/** Sleeps end when the test says that so much time is over. */
class SteppedClock implements Clock {
  #ms = 0;
  readonly #sleeps = new Set<{ readonly dueMs: number; end(): void }>();

  nowMs(): number {
    return this.#ms;
  }

  nowNs(): bigint {
    return BigInt(this.#ms) * 1_000_000n;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#sleeps.add({ dueMs: this.#ms + ms, end: resolve });
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  }

  async pass(ms: number): Promise<void> {
    const untilMs = this.#ms + ms;
    for (;;) {
      const [next] = [...this.#sleeps].filter(({ dueMs }) => dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs);
      if (next === undefined) break;
      this.#sleeps.delete(next);
      this.#ms = Math.max(this.#ms, next.dueMs);
      next.end();
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#ms = untilMs;
  }
}

function watched(pauseMsMax: number) {
  const clock = new SteppedClock();
  const told: string[] = [];
  const watch = new StallWatch({
    pauseMsMax,
    clock,
    onChange: (state, last) => void told.push(`${state} at ${last?.bytesDone ?? "nothing"}`),
  });
  return { clock, told, watch };
}

describe("a job that moves no byte", () => {
  it("is told once a pause, and again only after it moved", async () => {
    const { clock, told, watch } = watched(600);
    await clock.pass(599);
    watch.progressed({ bytesDone: 5, totalBytes: 10 });
    await clock.pass(599);
    assert.deepEqual(told, []);
    await clock.pass(1);
    assert.deepEqual(told, ["stalled at 5"]);
    watch.progressed({ bytesDone: 5, totalBytes: 10 });
    await clock.pass(6000);
    assert.deepEqual(told, ["stalled at 5"]);
    watch.progressed({ bytesDone: 6, totalBytes: 10 });
    await clock.pass(600);
    assert.deepEqual(told, ["stalled at 5", "moving at 6", "stalled at 6"]);
    watch.stop();
    assert.deepEqual(told.at(-1), "over at 6");
    await clock.pass(6000);
    assert.equal(told.length, 4);
  });

  it("is told also before its first byte", async () => {
    const { clock, told, watch } = watched(600);
    await clock.pass(600);
    watch.stop();
    assert.deepEqual(told, ["stalled at nothing", "over at nothing"]);
  });

  it("is not told while the total still grows, since the volume is being listed", async () => {
    const { clock, told, watch } = watched(600);
    for (let total = 1; total <= 10; total++) {
      watch.progressed({ bytesDone: 0, totalBytes: total });
      await clock.pass(500);
    }
    watch.stop();
    assert.deepEqual(told, []);
  });

  it("may take any time where the limit is 0", async () => {
    const { clock, told, watch } = watched(0);
    await clock.pass(1e9);
    watch.stop();
    assert.deepEqual(told, []);
  });
});
