import assert from "node:assert/strict";
import { test } from "node:test";
import { formatAgentMemory, measureAgentMemory } from "../../bench/agent-memory.ts";
import { lacking, requireRoot } from "../support/required.ts";

test("the agent's memory bench runs at a smoke size and tells what every step takes", async (t) => {
  if (!requireRoot(t)) return;
  const measured = await measureAgentMemory({
    pods: 3,
    volumeBytes: 1e6,
    beforeMs: 1000,
    afterMs: 1000,
    login: "service account",
    malloc: "of the image",
    memoryBudget: undefined,
  });
  if (typeof measured === "string") return lacking(t, measured);
  assert.deepEqual(
    measured.steps.map(({ when }) => when),
    ["idle, before any work", "two volumes backed up at once", "two volumes restored at once", "0.02 minutes later"],
  );
  for (const { when, residentBytes, peakBytes } of measured.steps) {
    assert.ok(residentBytes > 2 ** 20 && peakBytes >= residentBytes, when);
  }
  assert.deepEqual(
    measured.paces.map(({ when, volume }) => `${when}: ${volume}`).sort(),
    ["backed up at once: db-0", "backed up at once: db-1", "restored at once: db-2", "restored at once: db-3"].map(
      (one) => `two volumes ${one}`,
    ),
  );
  for (const { when, volume, halfSeconds, doneSeconds } of measured.paces) {
    assert.ok(halfSeconds > 0 && halfSeconds <= doneSeconds, `${when}: ${volume}`);
  }
  t.diagnostic(formatAgentMemory(measured));
});
