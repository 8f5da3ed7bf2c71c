import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type BackupKnown, concernsNode, type Decision, decideBackup } from "../../../src/agent/jobs/decide-backup.ts";
import { parsePodVolumeBackup, podVolumeFinalizer } from "../../../src/agent/velero/velero-resources.ts";
import type { JsonObject } from "../../../src/kubernetes/json.ts";
import { parseKubernetesObject } from "../../../src/kubernetes/kubernetes-object.ts";
import { applyMergePatch } from "../../../src/kubernetes/merge-patch.ts";
import { backupOf } from "../node-under-test.ts";

const known: BackupKnown = {
  thisNode: "node-1",
  jobUid: undefined,
  owner: "in progress",
  isWithoutServer: false,
  knownForMs: 5000,
  canceledForMs: 0,
};
const minute = 60_000;

function decide(patch: JsonObject, rest: Partial<BackupKnown> = {}): string {
  const object = applyMergePatch(backupOf("one", "db-0", "data"), { metadata: { uid: "u" } });
  const seen = parsePodVolumeBackup(parseKubernetesObject(applyMergePatch(object, patch)));
  return told(decideBackup(seen, { ...known, ...rest }));
}

function told(decision: Decision): string {
  if (decision.do === "finish") return `${decision.phase}: ${decision.message}`;
  if (decision.do === "stop job") return `stop job: ${decision.reason}`;
  if (decision.do === "look again") return `look again in ${decision.inMs} ms`;
  return decision.do;
}

const cancel = { spec: { cancel: true } };
const deleted = { metadata: { deletionTimestamp: "2024-05-01T10:00:00Z", finalizers: [podVolumeFinalizer] } };
const running = { status: { phase: "InProgress" } };
const completed = { status: { phase: "Completed" } };

describe("the decision on a PodVolumeBackup", () => {
  const cases: readonly [string, string, string][] = [
    ["a new one is started", decide({}), "start"],
    ["phase New is new", decide({ status: { phase: "New" } }), "start"],
    ["another node's is left alone", decide({ spec: { node: "node-2" } }), "nothing"],
    [
      "without a server, another node's is waited with, so that a slip in a name shows",
      decide({ spec: { node: "node-2" } }, { isWithoutServer: true }),
      "wait",
    ],
    ["another node's that is in progress is left alone", decide({ spec: { node: "node-2" }, ...running }), "nothing"],
    [
      "another node's that is canceled has five minutes to end",
      decide({ spec: { ...cancel.spec, node: "node-2" } }, { canceledForMs: minute }),
      "look again in 240000 ms",
    ],
    [
      "another node's that was canceled and not ended is ended here, by failing while the server waits for it",
      decide({ spec: { ...cancel.spec, node: "node-2" } }, { canceledForMs: 5 * minute }),
      "Failed: canceled by another node's agent, since its own did not end it in time",
    ],
    [
      "another node's that is in progress has an hour, and is canceled when nobody waits for it",
      decide({ spec: { ...cancel.spec, node: "node-2" }, ...running }, { canceledForMs: 60 * minute, owner: "ended" }),
      "Canceled: canceled by another node's agent, since its own did not end it in time",
    ],
    ["a finished one is left alone", decide(completed), "nothing"],
    ["a failed one is left alone though canceled", decide({ ...cancel, status: { phase: "Failed" } }), "nothing"],
    ["one whose job runs is left alone", decide(running, { jobUid: "u" }), "nothing"],
    [
      "a running one that is canceled is stopped",
      decide({ ...cancel, ...running }, { jobUid: "u" }),
      "stop job: cancel",
    ],
    [
      "a running one that is deleted is stopped",
      decide({ ...deleted, ...running }, { jobUid: "u" }),
      "stop job: deletion",
    ],
    ["a job of an older object of the name is stopped", decide({}, { jobUid: "old" }), "stop job: deletion"],
    [
      "a job whose object is gone is stopped",
      told(decideBackup(undefined, { ...known, jobUid: "u" })),
      "stop job: deletion",
    ],
    ["one that does not exist is nothing", told(decideBackup(undefined, known)), "nothing"],
    ["a new one that is canceled fails while its Backup runs", decide(cancel), "Failed: PVB is canceled"],
    ["after its Backup it is canceled", decide(cancel, { owner: "ended" }), "Canceled: PVB is canceled"],
    ["without a Backup it is canceled", decide(cancel, { owner: "absent" }), "Canceled: PVB is canceled"],
    ["a new one that is deleted fails", decide(deleted), "Failed: PVB is being deleted"],
    [
      "one in progress without a job fails",
      decide(running),
      'Failed: found a podvolumebackup with status "InProgress" during the server starting, mark it as "Failed" (hint: the node agent ended while it worked on it; start the backup anew)',
    ],
    [
      "what a stock agent prepared fails",
      decide({ status: { phase: "Prepared" } }),
      'Failed: found a podvolumebackup with status "Prepared" during the server starting, mark it as "Failed" (hint: the node agent ended while it worked on it; start the backup anew)',
    ],
    ["one that is too young is not finished yet", decide(running, { knownForMs: 1500 }), "look again in 500 ms"],
    ["a young one is started all the same", decide({}, { knownForMs: 0 }), "start"],
    ["it waits when its Backup has ended", decide({}, { owner: "ended" }), "wait"],
    ["it waits when its Backup is absent", decide({}, { owner: "absent" }), "wait"],
    [
      "without a server an absent Backup holds nothing back",
      decide({}, { owner: "absent", isWithoutServer: true }),
      "start",
    ],
    ["without a server a Backup that has ended does", decide({}, { owner: "ended", isWithoutServer: true }), "wait"],
    [
      "restic is refused",
      decide({ spec: { uploaderType: "restic" } }),
      'Failed: uploader type "restic" is not supported, only "kopia" is',
    ],
    [
      "an empty uploader is restic",
      decide({ spec: { uploaderType: "" } }),
      'Failed: uploader type empty, which means "restic", is not supported, only "kopia" is',
    ],
    [
      "one that lacks something fails",
      decide({ spec: { volume: null } }),
      "Failed: PodVolumeBackup cannot be used: spec.volume is missing [VELERO_RESOURCE_INVALID]",
    ],
    [
      "a name that is a path is refused",
      decide({ spec: { pod: { name: "../x" } } }),
      "Failed: PodVolumeBackup cannot be used: spec.pod.name is no name [VELERO_RESOURCE_INVALID]",
    ],
    [
      "a stock agent's finalizer is removed when it holds up deletion",
      decide({ ...deleted, ...completed }, { owner: "absent" }),
      "remove finalizer",
    ],
    [
      "on any node",
      decide({ ...deleted, ...completed, spec: { node: "node-2" } }, { owner: "ended" }),
      "remove finalizer",
    ],
    ["but not while its Backup is in progress", decide({ ...deleted, ...completed }), "look again in 60000 ms"],
    [
      "nor before it is deleted",
      decide({ metadata: { finalizers: [podVolumeFinalizer] }, ...completed }, { owner: "ended" }),
      "nothing",
    ],
    [
      "nor when another's finalizer holds it",
      decide({ metadata: { ...deleted.metadata, finalizers: ["x/y"] }, ...completed }, { owner: "ended" }),
      "nothing",
    ],
  ];
  for (const [name, decision, expected] of cases) it(name, () => assert.equal(decision, expected));
});

describe("a PodVolumeBackup that does not concern a node", () => {
  it("is one about which there is nothing to do, and most are", () => {
    let unconcerned = 0;
    for (const phase of ["", "New", "Accepted", "InProgress", "Completed", "Failed", "Canceled"]) {
      for (const patch of [{}, cancel, deleted]) {
        for (const owner of ["in progress", "ended", "absent"] as const) {
          const object = applyMergePatch(backupOf("one", "db-0", "data"), { metadata: { uid: "u" } });
          const elsewhere = applyMergePatch(applyMergePatch(object, patch), {
            spec: { node: "node-2" },
            status: { phase },
          });
          const seen = parsePodVolumeBackup(parseKubernetesObject(elsewhere));
          if (concernsNode(seen, known)) continue;
          unconcerned += 1;
          assert.equal(decideBackup(seen, { ...known, owner, canceledForMs: 24 * 60 * minute }).do, "nothing");
        }
      }
    }
    assert.equal(unconcerned, 7 * 3);
  });

  it("is of another node, and neither canceled nor being deleted", () => {
    const seen = parsePodVolumeBackup(parseKubernetesObject(backupOf("one", "db-0", "data")));
    const elsewhere = { thisNode: "node-2", isWithoutServer: false };
    assert.equal(concernsNode(seen, known), true);
    assert.equal(concernsNode(seen, elsewhere), false);
    assert.equal(concernsNode(seen, { ...elsewhere, isWithoutServer: true }), true);
    assert.equal(concernsNode({ ...seen, isCanceled: true }, elsewhere), true);
    assert.equal(concernsNode({ ...seen, isDeleted: true }, elsewhere), true);
  });
});
