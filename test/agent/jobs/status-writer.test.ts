import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { StatusWriter } from "../../../src/agent/jobs/status-writer.ts";
import { podVolumeBackups } from "../../../src/agent/velero/velero-resources.ts";
import { silentLog } from "../../../src/base/log.ts";
import { fieldAt, type JsonObject } from "../../../src/kubernetes/json.ts";
import type { KubernetesObject, ObjectName, ResourceType } from "../../../src/kubernetes/kubernetes-object.ts";
import { ResourceError } from "../../../src/kubernetes/resource-error.ts";
import { MemoryResourceStore } from "../../kubernetes/memory-resource-store.ts";
import { ManualClock } from "../../repository/manual-clock.ts";
import { backupOf } from "../node-under-test.ts";

type PatchOptions = Parameters<MemoryResourceStore["patch"]>[3];

const { signal } = new AbortController();
const one: ObjectName = { namespace: "velero", name: "one" };

/** Of a server whose connection breaks off: before the next patch is made, or before its answer is there. */
class BreakingStore extends MemoryResourceStore {
  breaks: "before" | "after" | "never" = "never";
  patches = 0;

  override async patch(type: ResourceType, name: ObjectName, patch: JsonObject, options: PatchOptions) {
    const breaks = this.breaks;
    this.breaks = "never";
    const lost = new ResourceError("RESOURCE_STORE_UNAVAILABLE", "the connection broke off");
    if (breaks === "before") throw lost;
    this.patches++;
    const patched = await super.patch(type, name, patch, options);
    if (breaks === "after") throw lost;
    return patched;
  }
}

function writerOf(store: BreakingStore, object: KubernetesObject): StatusWriter {
  return new StatusWriter({ store, type: podVolumeBackups, object, clock: new ManualClock(), log: silentLog });
}

describe("a status whose write breaks off", () => {
  for (const breaks of ["before", "after"] as const) {
    it(`is final once, and said to be written, when that is ${breaks} it was made`, async () => {
      const store = new BreakingStore();
      const writer = writerOf(store, store.put(backupOf("one", "db-0", "data")));
      store.breaks = breaks;
      const status = {
        phase: "Completed",
        snapshotID: "s1",
        message: "a\nb",
        progress: { totalBytes: 1, bytesDone: 1 },
      };
      assert.equal(await writer.finish(status, signal), "written");
      assert.equal(store.patches, 1);
    });
  }

  it("is not taken for its own when another finished it meanwhile", async () => {
    const store = new BreakingStore();
    const object = store.put(backupOf("one", "db-0", "data"));
    const writer = writerOf(store, object);
    const { resourceVersion } = object.metadata;
    const patch = store.patch.bind(store);
    store.patch = async (type, name) => {
      await patch(type, name, { status: { phase: "Failed", message: "another" } }, { resourceVersion, signal });
      throw new ResourceError("RESOURCE_STORE_UNAVAILABLE", "the connection broke off");
    };
    assert.equal(await writer.finish({ phase: "Failed", message: "mine" }, signal), "too late");
  });

  it("is given up when the server refuses it time and again, so that nobody waits for good", async () => {
    const store = new BreakingStore();
    const writer = writerOf(store, store.put(backupOf("one", "db-0", "data")));
    let refused = 0;
    store.patch = async () => {
      refused++;
      throw new ResourceError("RESOURCE_REJECTED", "an admission webhook denied it");
    };
    await assert.rejects(writer.tryToFinish({ phase: "Failed" }, signal), { code: "RESOURCE_REJECTED" });
    assert.equal(refused, 1);
    await assert.rejects(writer.finish({ phase: "Failed" }, signal), { code: "RESOURCE_REJECTED" });
    assert.equal(refused, 16);
  });

  it("is that of a started one when only the answer was lost, and else an error", async () => {
    const store = new BreakingStore();
    const writer = writerOf(store, store.put(backupOf("one", "db-0", "data")));
    store.breaks = "before";
    await assert.rejects(writer.start({}, signal), { code: "RESOURCE_STORE_UNAVAILABLE" });
    store.breaks = "after";
    await writer.start({}, signal);
    assert.equal(fieldAt((await store.get(podVolumeBackups, one))?.content, "status", "phase"), "InProgress");
    assert.equal(await writer.finish({ phase: "Completed" }, signal), "written");
    assert.equal(store.patches, 2);
  });
});
