/** One object looked at by hand, where a whole agent would not get into the state. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { podVolumeBackupKind } from "../../../src/agent/jobs/backup-controller.ts";
import { NodeJobs } from "../../../src/agent/jobs/node-jobs.ts";
import { PodVolumeController } from "../../../src/agent/jobs/pod-volume-controller.ts";
import { podVolumeBackups } from "../../../src/agent/velero/velero-resources.ts";
import { silentLog } from "../../../src/base/log.ts";
import { textAt } from "../../../src/kubernetes/json.ts";
import { WorkQueue } from "../../../src/kubernetes/work-queue.ts";
import { contextOf } from "../agent-context.ts";
import { backupOf } from "../node-under-test.ts";

const { signal } = new AbortController();

/** The phase that a canceled PodVolumeBackup gets where its kind has these fields, and the event about it. */
async function canceledIn(fields: readonly string[]): Promise<{ phase: string | undefined; reasons: string[] }> {
  const schema = {
    properties: { spec: { properties: Object.fromEntries(fields.map((field) => [field, { type: "string" }])) } },
  };
  const context = contextOf({ isWithoutServer: true }, schema);
  const { store, clock } = context;
  const controller = new PodVolumeController(podVolumeBackupKind(context), {
    ...{ context, jobs: new NodeJobs(1), log: silentLog, lastSignal: signal },
    queue: new WorkQueue({ clock, random: Math.random }),
  });
  store.put(backupOf("one", "db-0", "data", { cancel: true }));
  assert.deepEqual(await controller.reconcile("velero/one", signal), { againInMs: 2000 });
  clock.advance(2000);
  await controller.reconcile("velero/one", signal);
  const now = await store.get(podVolumeBackups, { namespace: "velero", name: "one" });
  return { phase: textAt(now?.content, "status", "phase"), reasons: store.events.map(({ event }) => event.reason) };
}

describe("a canceled PodVolumeBackup", () => {
  it("is Canceled where there is such a phase", async () => {
    assert.deepEqual(await canceledIn(["node", "cancel"]), { phase: "Canceled", reasons: ["Data-Path-Canceled"] });
  });

  it("is Failed in Velero up to 1.16, whose API server takes no other", async () => {
    assert.deepEqual(await canceledIn(["node"]), { phase: "Failed", reasons: ["Data-Path-Failed"] });
  });
});
