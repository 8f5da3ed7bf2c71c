import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";

test("each reading of the system's clock is greater than the one before, and near the wall clock", () => {
  let last = systemClock.nowNs();
  for (let i = 0; i < 200_000; i++) {
    const now = systemClock.nowNs();
    assert.ok(now > last, `${now} after ${last}`);
    last = now;
  }
  const wallMs = Date.now();
  assert.ok(Math.abs(wallMs - Number(systemClock.nowNs() / 1_000_000n)) < 1000);
});

test("the system's clock follows one that was set back", (t) => {
  systemClock.nowNs();
  const setMs = Date.now() - 3_600_000;
  t.mock.timers.enable({ apis: ["Date"], now: setMs });
  assert.equal(systemClock.nowNs() / 1_000_000n, BigInt(setMs));
});
