import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryBlobStore } from "../../../src/repository/blob/memory.ts";
import {
  assertFeaturesUnderstood,
  assertNotUpgrading,
  type UpgradeLock,
} from "../../../src/repository/format/upgrade.ts";
import { openStored, putFormat } from "../stored-format.ts";

const minuteNs = 60_000_000_000;
const minuteMs = 60_000;
const createdMs = Date.UTC(2026, 0, 1);

/** Drains for 5 + 2 × 10 = 25 minutes, after 60 minutes' notice: locked from minute 35 on. */
const lock: UpgradeLock = {
  ownerID: "operator@host",
  creationTime: "2026-01-01T01:00:00+01:00",
  advanceNoticeDuration: 60 * minuteNs,
  ioDrainTimeout: 10 * minuteNs,
  maxPermittedClockDrift: 5 * minuteNs,
  message: "upgrading to version 3",
};

function isLocked(stored: UpgradeLock | undefined | null, nowMs: number): boolean {
  try {
    assertNotUpgrading(stored, nowMs);
    return false;
  } catch (error) {
    assert.equal((error as { code: string }).code, "REPOSITORY_UPGRADING");
    return true;
  }
}

for (const [minute, locked] of [
  [-1000, false],
  [0, false],
  [34.99, false],
  [35, true],
  [60, true],
  [100_000, true],
] as const) {
  test(`${minute} minutes into an upgrade's notice the repository is ${locked ? "locked" : "open"}`, () => {
    assert.equal(isLocked(lock, createdMs + minute * minuteMs), locked);
  });
}

test("without enough notice to drain the lock holds at once, from before it was made", () => {
  for (const advanceNoticeDuration of [undefined, 0, 25 * minuteNs - 1]) {
    const { advanceNoticeDuration: _, ...rest } = lock;
    const stored = advanceNoticeDuration === undefined ? rest : { ...rest, advanceNoticeDuration };
    assert.equal(isLocked(stored, createdMs - 1000 * minuteMs), true);
  }
  assert.equal(isLocked({ ...lock, advanceNoticeDuration: 25 * minuteNs }, createdMs - 1), false);
});

test("no lock is no lock, and one whose time cannot be read holds", () => {
  assert.equal(isLocked(undefined, createdMs), false);
  assert.equal(isLocked(null, createdMs), false);
  assert.equal(isLocked({ ...lock, creationTime: "soon" }, createdMs - 1000 * minuteMs), true);
});

test("the error says who upgrades and why", () => {
  assert.throws(() => assertNotUpgrading(lock, createdMs + 100 * minuteMs), {
    message: "the repository is locked for an upgrade by operator@host: upgrading to version 3",
    hint: /wait/,
  });
});

test("a locked repository does not open", async () => {
  const store = new MemoryBlobStore();
  await putFormat(store, { inner: { upgradeLock: lock } });
  await openStored(store, { nowMs: createdMs });
  await assert.rejects(openStored(store, { nowMs: createdMs + 35 * minuteMs }), { code: "REPOSITORY_UPGRADING" });
});

test("features that kopia knows are understood, also where none is asked for", () => {
  for (const features of [undefined, null, [], [{ feature: "index-v1" }, { feature: "index-v2" }]]) {
    assertFeaturesUnderstood(features, assert.fail);
  }
});

test("an unknown feature is refused by name, with what the repository says about it", () => {
  const ifNotUnderstood = { warn: false, message: "needs time travel", upgradeToVersion: "1.21" };
  assert.throws(() => assertFeaturesUnderstood([{ feature: "index-v9", ifNotUnderstood }], undefined), {
    code: "REPOSITORY_UNSUPPORTED",
    message: 'the repository requires feature "index-v9", which is not understood: needs time travel',
    detail: { what: "feature", name: "index-v9" },
    hint: "it asks for kopia 1.21 or newer",
  });
  for (const features of [[{ feature: "x" }], [{}], [null], ["x"], [{ feature: "x", ifNotUnderstood: { warn: 1 } }]]) {
    assert.throws(() => assertFeaturesUnderstood(features, undefined), { code: "REPOSITORY_UNSUPPORTED" });
  }
});

test("a feature that may be passed over is only warned of", async () => {
  const warnings: string[] = [];
  const store = new MemoryBlobStore();
  const requiredFeatures = [{ feature: "cream", ifNotUnderstood: { warn: true } }, { feature: "index-v2" }];
  await putFormat(store, { inner: { requiredFeatures } });
  await openStored(store, { warn: (message) => warnings.push(message) });
  assert.deepEqual(warnings, ['the repository requires feature "cream", which is not understood']);
  await openStored(store);
});

test("an unknown feature keeps the repository closed", async () => {
  const store = new MemoryBlobStore();
  await putFormat(store, { inner: { requiredFeatures: [{ feature: "index-v9", ifNotUnderstood: { warn: false } }] } });
  await assert.rejects(openStored(store), { code: "REPOSITORY_UNSUPPORTED" });
});
