import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decideRestore, type RestoreKnown } from "../../../src/agent/jobs/decide-restore.ts";
import { parsePod, parsePodVolumeRestore, podVolumeFinalizer } from "../../../src/agent/velero/velero-resources.ts";
import type { JsonObject } from "../../../src/kubernetes/json.ts";
import { parseKubernetesObject } from "../../../src/kubernetes/kubernetes-object.ts";
import { applyMergePatch } from "../../../src/kubernetes/merge-patch.ts";
import { restoreOf } from "../node-under-test.ts";

const waitingPod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { namespace: "shop", name: "db-0", uid: "uid-of-db-0" },
  spec: { nodeName: "node-1", initContainers: [{ name: "other" }, { name: "restore-wait" }] },
  status: { initContainerStatuses: [{ name: "other" }, { name: "restore-wait", state: { running: {} } }] },
};

function decide(patch: JsonObject, pod: JsonObject | undefined = {}, rest: Partial<RestoreKnown> = {}): string {
  const object = applyMergePatch(restoreOf("back", "db-0", "data", "s1"), { metadata: { uid: "u" } });
  const decision = decideRestore(parsePodVolumeRestore(parseKubernetesObject(applyMergePatch(object, patch))), {
    thisNode: "node-1",
    jobUid: undefined,
    knownForMs: 5000,
    canceledForMs: 0,
    pod: parsePod(parseKubernetesObject(applyMergePatch(waitingPod, pod))),
    ...rest,
  });
  if (decision.do === "finish") return `${decision.phase}: ${decision.message}`;
  if (decision.do === "stop job") return `stop job: ${decision.reason}`;
  return "because" in decision ? `${decision.do}: ${decision.because}` : decision.do;
}

const noPod = { pod: undefined };
const elsewhere = { spec: { nodeName: "node-2" } };
const running = { status: { phase: "InProgress" } };
const cancel = { spec: { cancel: true } };
const leftover =
  'Failed: found a podvolumerestore with status "InProgress" during the server starting, mark it as "Failed" (hint: the node agent ended while it worked on it; start the restore anew)';

describe("the decision on a PodVolumeRestore", () => {
  const cases: readonly [string, string, string][] = [
    ["it is started when its pod waits here", decide({}), "start"],
    ["it waits for its pod", decide({}, {}, noPod), "wait: its pod is not there"],
    [
      "it waits until the pod is on a node",
      decide({}, { spec: { nodeName: null } }),
      "wait: its pod has no spec.nodeName yet",
    ],
    ["it is another node's when its pod is", decide({}, elsewhere), "nothing: it is another node's"],
    [
      "canceled on another node, it is that node's to end at first",
      decide(cancel, elsewhere),
      "look again: it is another node's to cancel",
    ],
    [
      "canceled and not ended on another node, it is canceled here",
      decide(cancel, elsewhere, { canceledForMs: 300_000 }),
      "Canceled: canceled by another node's agent, since its own did not end it in time",
    ],
    [
      "canceled when its pod is gone, it is canceled in the end",
      decide(cancel, {}, { ...noPod, canceledForMs: 300_000 }),
      "Canceled: canceled by another node's agent, since its own did not end it in time",
    ],
    [
      "it waits for restore-wait to run",
      decide({}, { status: null }),
      "wait: init container restore-wait is not running",
    ],
    [
      "it waits for restore-wait to be there",
      decide({}, { spec: { initContainers: [{ name: "x" }] } }),
      "wait: its pod has no init container restore-wait",
    ],
    ["canceled before it starts, it is canceled", decide(cancel), "Canceled: PVR is canceled"],
    [
      "canceled while it runs, it is stopped",
      decide({ ...cancel, ...running }, {}, { jobUid: "u" }),
      "stop job: cancel",
    ],
    ["running, it is left alone", decide(running, {}, { jobUid: "u" }), "nothing: its job is running"],
    ["in progress without a job, it fails", decide(running), leftover],
    ["on another node it does not", decide(running, elsewhere), "nothing: it is another node's"],
    [
      "in progress here with its pod gone, it fails",
      decide({ status: { phase: "InProgress", node: "node-1" } }, {}, noPod),
      leftover,
    ],
    ["in progress anywhere with its pod gone, it is left", decide(running, {}, noPod), "wait: its pod is not there"],
    [
      "it fails when its pod was replaced",
      decide({}, { metadata: { uid: "new" } }),
      "Failed: pod shop/db-0 was replaced: its uid is new, not uid-of-db-0 [POD_REPLACED]",
    ],
    [
      "restic is refused",
      decide({ spec: { uploaderType: "restic" } }),
      'Failed: uploader type "restic" is not supported, only "kopia" is',
    ],
    [
      "it fails when nothing names the done marker",
      decide({ metadata: { ownerReferences: [] } }),
      "Failed: PodVolumeRestore cannot be used: metadata.ownerReferences names no Restore whose uid could name the done marker [VELERO_RESOURCE_INVALID]",
    ],
    [
      "and when the name is a path",
      decide({ metadata: { ownerReferences: [{ uid: "../../etc/x" }] } }),
      "Failed: PodVolumeRestore cannot be used: metadata.ownerReferences names no Restore whose uid could name the done marker [VELERO_RESOURCE_INVALID]",
    ],
    [
      "the label names the marker where no owner does",
      decide({ metadata: { ownerReferences: [], labels: { "velero.io/restore-uid": "r" } } }),
      "start",
    ],
    ["finished, it is left alone", decide({ status: { phase: "Completed" } }), "nothing: it is Completed"],
    [
      "a stock agent's finalizer is removed when it holds up deletion",
      decide({ metadata: { deletionTimestamp: "x", finalizers: [podVolumeFinalizer] }, status: { phase: "Failed" } }),
      "remove finalizer",
    ],
  ];
  for (const [name, decision, expected] of cases) it(name, () => assert.equal(decision, expected));
});
