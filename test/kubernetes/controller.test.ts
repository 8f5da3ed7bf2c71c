import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { runController } from "../../src/kubernetes/controller.ts";
import { keyOf } from "../../src/kubernetes/kubernetes-object.ts";
import { WorkQueue } from "../../src/kubernetes/work-queue.ts";
import { box, boxes } from "../contracts/resource-store.contract.ts";
import { MemoryResourceStore } from "./memory-resource-store.ts";

describe("a controller", () => {
  it("looks at what exists oldest first, at each change, and again after a failure", async () => {
    const store = new MemoryResourceStore();
    store.put(box("young", {}, { creationTimestamp: "2024-05-02T00:00:00Z" }));
    store.put(box("old", {}, { creationTimestamp: "2024-05-01T00:00:00Z" }));
    const stop = new AbortController();
    const seen: string[] = [];
    await runController(
      {
        name: "test",
        store,
        queue: new WorkQueue({ clock: systemClock, random: () => 0, retryMinMs: 1 }),
        sources: [{ type: boxes, scope: {}, keysFor: (object) => [keyOf(object.metadata)] }],
        workers: 1,
        log: silentLog,
        reconcile: async (key) => {
          seen.push(key);
          if (seen.length === 2) throw new Error("young fails once");
          if (seen.length === 3) store.put(box("new"));
          if (seen.length === 4) stop.abort();
          return "done";
        },
      },
      stop.signal,
    );
    assert.deepEqual(seen, ["shop/old", "shop/young", "shop/young", "shop/new"]);
  });

  it("looks again when it was asked to", async () => {
    const store = new MemoryResourceStore();
    store.put(box("one"));
    const stop = new AbortController();
    let looks = 0;
    await runController(
      {
        name: "test",
        store,
        queue: new WorkQueue({ clock: systemClock, random: () => 0 }),
        sources: [{ type: boxes, scope: {}, keysFor: (object) => [keyOf(object.metadata)] }],
        workers: 1,
        log: silentLog,
        reconcile: async () => {
          if (++looks === 3) stop.abort();
          return { againInMs: 1 };
        },
      },
      stop.signal,
    );
    assert.equal(looks, 3);
  });
});
