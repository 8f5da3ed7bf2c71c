import assert from "node:assert/strict";
import { test } from "node:test";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { Pace } from "../../src/base/pace.ts";
import { SteppedClock } from "../support/stepped-clock.ts";

const { signal } = new AbortController();

async function move(pace: Pace, clock: Clock, bytes: number, moved: Map<number, number>): Promise<void> {
  for (let left = bytes; left > 0; ) {
    const step = Math.min(left, pace.stepBytes);
    await pace.admit(step, signal);
    const tenth = Math.floor(clock.nowMs() / 100);
    moved.set(tenth, (moved.get(tenth) ?? 0) + step);
    left -= step;
  }
}

test("bytes go evenly, whoever shares the pace, and in the time that the rate says", async () => {
  for (const rate of [1000, 123_457, 20_000_000]) {
    const clock = new SteppedClock();
    const pace = new Pace(rate, clock);
    const [one, other] = [new Map<number, number>(), new Map<number, number>()];
    await clock.while(Promise.all([move(pace, clock, rate, one), move(pace, clock, rate, other)]));
    assert.ok(Math.abs(clock.nowMs() - 2000) < 50, `${rate}: ${clock.nowMs()} ms`);
    for (let tenth = 0; tenth < 19; tenth++) {
      const [a, b] = [one.get(tenth) ?? 0, other.get(tenth) ?? 0];
      assert.ok(a + b <= rate / 10 + 2 * pace.stepBytes, `${rate}: ${a} + ${b} in tenth ${tenth}`);
      assert.ok(Math.abs(a - b) <= 2 * pace.stepBytes, `${rate}: ${a} and ${b} in tenth ${tenth}`);
    }
  }
});

test("what was not used is not saved up, and a clock that is set back stops nobody", async () => {
  const clock = new SteppedClock();
  const pace = new Pace(1000, clock);
  await pace.admit(20, signal);
  clock.set(60_000);
  await pace.admit(20, signal);
  await clock.while(pace.admit(20, signal));
  assert.equal(clock.nowMs(), 60_020);
  clock.set(0);
  await clock.while(pace.admit(20, signal));
  assert.ok(clock.nowMs() <= 40, `${clock.nowMs()} ms`);
});

test("an abort ends the waiting", async () => {
  const abort = new AbortController();
  const pace = new Pace(1, systemClock);
  await pace.admit(1, signal);
  const waiting = pace.admit(1, abort.signal);
  abort.abort();
  await assert.rejects(waiting, { name: "AbortError" });
});
