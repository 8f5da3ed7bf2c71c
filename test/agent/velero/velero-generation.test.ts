import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { generationOf, KnownGeneration, sourceStyleOf } from "../../../src/agent/velero/velero-generation.ts";
import { silentLog } from "../../../src/base/log.ts";
import { ManualClock } from "../../repository/manual-clock.ts";

const schema = (...fields: string[]) => ({
  properties: { spec: { properties: Object.fromEntries(fields.map((field) => [field, {}])) } },
});
const { signal } = new AbortController();

describe("the generation of Velero", () => {
  it("is told by whether a PodVolumeBackup can be canceled", () => {
    assert.equal(generationOf(schema("node", "cancel")), "1.17");
    assert.equal(generationOf(schema("node")), "1.16");
    for (const unknown of [undefined, null, {}, "spec", { properties: {} }])
      assert.equal(generationOf(unknown), "unknown");
  });

  it("decides how snapshots are filed, as newer ones do where it is not known", () => {
    assert.deepEqual((["1.16", "1.17", "unknown"] as const).map(sourceStyleOf), [
      "host-path",
      "pod-volume",
      "pod-volume",
    ]);
  });

  it("is asked for again after an hour, so that an upgrade of the server is noticed", async () => {
    const clock = new ManualClock();
    const answers = [schema(), schema("cancel")];
    const generation = new KnownGeneration(async () => answers.shift(), { clock, log: silentLog });
    assert.equal(await generation.now(signal), "1.16");
    clock.advance(3_599_999);
    assert.equal(await generation.now(signal), "1.16");
    clock.advance(1);
    assert.equal(await generation.now(signal), "1.17");
    assert.equal(answers.length, 0);
  });

  it("is what it was while it cannot be asked for, which is tried again", async () => {
    const clock = new ManualClock();
    const answers: (() => unknown)[] = [
      () => undefined,
      () => schema(),
      () => {
        throw new Error("no");
      },
      () => schema("cancel"),
    ];
    const generation = new KnownGeneration(async () => answers.shift()?.(), { clock, log: silentLog });
    assert.equal(await generation.now(signal), "unknown");
    assert.equal(await generation.now(signal), "1.16");
    clock.advance(3_600_000);
    assert.equal(await generation.now(signal), "1.16");
    assert.equal(await generation.now(signal), "1.17");
  });
});
