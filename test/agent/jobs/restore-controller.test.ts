/** Which restores an agent looks at: it hears of all of them, and those of a thousand other nodes must cost it nothing. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { podVolumeRestoreKind } from "../../../src/agent/jobs/restore-controller.ts";
import type { JsonObject } from "../../../src/kubernetes/json.ts";
import { parseKubernetesObject } from "../../../src/kubernetes/kubernetes-object.ts";
import { applyMergePatch } from "../../../src/kubernetes/merge-patch.ts";
import { contextOf } from "../agent-context.ts";
import { restoreOf } from "../node-under-test.ts";

const pod = { apiVersion: "v1", kind: "Pod", metadata: { namespace: "shop", name: "db-0" } };

/** An agent of node-1 in a cluster, told of events as they come: the keys that it looks at. */
function newWatcher() {
  const [ofRestores, ofPods] = podVolumeRestoreKind(contextOf({ isWithoutServer: false })).sources;
  assert.ok(ofRestores !== undefined && ofPods !== undefined);
  const restore = (patch: JsonObject = {}) =>
    parseKubernetesObject(applyMergePatch(restoreOf("back", "db-0", "data", "s1"), patch));
  return {
    restore: (patch?: JsonObject, kind: "present" | "gone" = "present") => [
      ...ofRestores.keysFor(restore(patch), kind),
    ],
    pod: (kind: "present" | "gone" = "present") => [...ofPods.keysFor(parseKubernetesObject(pod), kind)],
  };
}

describe("an agent in a cluster", () => {
  it("looks at a restore once its pod is on this node, whichever it hears of first", () => {
    const late = newWatcher();
    assert.deepEqual(late.restore(), []);
    assert.deepEqual(late.pod(), ["velero/back"]);
    assert.deepEqual(late.restore({ status: { phase: "InProgress" } }), ["velero/back"]);
    const early = newWatcher();
    assert.deepEqual(early.pod(), []);
    assert.deepEqual(early.restore(), ["velero/back"]);
  });

  it("looks at one that it has begun, canceled ones and those being deleted, wherever the pod is", () => {
    const watcher = newWatcher();
    assert.deepEqual(watcher.restore({ status: { phase: "InProgress", node: "node-2" } }), []);
    assert.deepEqual(watcher.restore({ status: { phase: "InProgress", node: "node-1" } }), ["velero/back"]);
    assert.deepEqual(watcher.restore({ spec: { cancel: true } }), ["velero/back"]);
    assert.deepEqual(watcher.restore({ metadata: { deletionTimestamp: "2024-05-01T10:00:00Z" } }), ["velero/back"]);
  });

  it("looks at none that is over when its pod changes", () => {
    const watcher = newWatcher();
    watcher.pod();
    watcher.restore({ status: { phase: "Completed" } });
    assert.deepEqual(watcher.pod(), []);
  });

  it("still looks at one that it looked at when its pod is gone, and once more when it is gone itself", () => {
    const watcher = newWatcher();
    watcher.restore();
    watcher.pod();
    assert.deepEqual(watcher.pod("gone"), ["velero/back"]);
    assert.deepEqual(watcher.restore(), ["velero/back"]);
    assert.deepEqual(watcher.restore({}, "gone"), ["velero/back"]);
    assert.deepEqual(watcher.restore(), []);
  });
});
