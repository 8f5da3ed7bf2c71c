/** What goes wrong on a node and in the cluster while a real Velero server waits for the agent. */

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { packsOf, requireFaultyCluster } from "../support/faulty-cluster.ts";
import { SmallVolume } from "../support/small-volume.ts";
import { assertSameTree, readManifest } from "../support/tree-manifest.ts";
import { assertCompleted } from "../support/velero-cluster.ts";
import type { VeleroVersion } from "../support/velero-server.ts";

/** Where versions of the server differ. */
export function describeRestarts(version: VeleroVersion): void {
  describe(`what is left half-done, under a Velero ${version} server`, () => {
    it("fails a backup in the middle of which the agent was killed, and leaves nothing half-written", async (t) => {
      const scene = await requireFaultyCluster(t, version);
      if (scene === undefined) return;
      const { agent } = scene.velero;
      await scene.runPod("killed");
      const held = scene.gate.hold(packsOf("killed", "PUT"));
      await scene.beginBackup("killed", "killed-1");
      await scene.middleOf("backup", "killed-1", held);
      await agent.kill();
      held.release();
      await agent.start();
      await scene.assertEnded("backup", "killed-1", "the agent was killed during a backup");
      await scene.backUpWell("killed", "killed-2");
      await scene.assertWhole(t, "killed", 1);
    });

    it("fails a restore in the middle of which the agent was killed, and restores the next time", async (t) => {
      const scene = await requireFaultyCluster(t, version);
      if (scene === undefined) return;
      const { agent } = scene.velero;
      const pod = await scene.runPod("half");
      await scene.backUpWell("half", "half-1");
      const held = scene.gate.hold(packsOf("half", "GET", 1));
      await scene.beginRestore("half", "half-1", "half-killed");
      await scene.middleOf("restore", "half-killed", held);
      await agent.kill();
      held.release();
      await agent.start();
      await scene.assertEnded("restore", "half-killed", "the agent was killed during a restore");
      await scene.assertPodWaits("half-killed");
      const restored = await scene.restoreWell("half", "half-1", "half-again");
      assertSameFiles(pod.volumes.data, restored.volumes.data);
      await scene.assertWhole(t, "half", 1);
    });

    it("ends a volume's backup when the Velero server was restarted in the middle of it", async (t) => {
      const scene = await requireFaultyCluster(t, version);
      if (scene === undefined) return;
      const { server } = scene.velero;
      await scene.runPod("unheard");
      const held = scene.gate.hold(packsOf("unheard", "PUT"));
      await scene.beginBackup("unheard", "unheard-1");
      await scene.middleOf("backup", "unheard-1", held);
      await server.stop();
      await server.start();
      if (version === "1.15") held.release();
      await scene.endedVolumeOf("backup", "unheard-1");
      held.release();
      await scene.assertEnded("backup", "unheard-1", `the Velero server (${version}) was restarted`, "Failed");
      await scene.backUpWell("unheard", "unheard-2");
    });
  });
}

/** Where they do not. */
export function describeNodeFaults(version: VeleroVersion): void {
  describe(`trouble on a node, under a Velero ${version} server`, () => {
    it("completes a backup in the middle of which the API server was restarted", async (t) => {
      const scene = await requireFaultyCluster(t, version);
      if (scene === undefined) return;
      const { velero } = scene;
      const { cluster } = velero;
      await scene.runPod("api");
      const held = scene.gate.hold(packsOf("api", "PUT"));
      await scene.beginBackup("api", "api-1");
      await scene.middleOf("backup", "api-1", held);
      await cluster.stopApiServer();
      held.release();
      await cluster.startApiServer();
      await assertCompleted(velero, "backup", await velero.ended("backups", "api-1"));
      await scene.assertWhole(t, "api", 1);
    });

    it("ends a backup and a restore that are canceled at once, and lets nobody wait", async (t) => {
      const scene = await requireFaultyCluster(t, version);
      if (scene === undefined) return;
      await scene.runPod("cancel");
      const written = scene.gate.hold(packsOf("cancel", "PUT"));
      await scene.beginBackup("cancel", "cancel-1");
      await scene.middleOf("backup", "cancel-1", written);
      await scene.cancel("backup", "cancel-1");
      await scene.assertEnded("backup", "cancel-1", "a backup was canceled");
      written.release();
      await scene.backUpWell("cancel", "cancel-2");
      const read = scene.gate.hold(packsOf("cancel", "GET", 1));
      await scene.beginRestore("cancel", "cancel-2", "cancel-restored");
      await scene.middleOf("restore", "cancel-restored", read);
      await scene.cancel("restore", "cancel-restored");
      await scene.assertEnded("restore", "cancel-restored", "a restore was canceled");
      read.release();
      await scene.assertPodWaits("cancel-restored");
      await scene.restoreWell("cancel", "cancel-2", "cancel-again");
      await scene.assertWhole(t, "cancel", 1);
    });

    it("fails a restore onto a disk that is full, and disturbs nothing else", async (t) => {
      const scene = await requireFaultyCluster(t, version);
      if (scene === undefined) return;
      const { node } = scene.velero;
      const pod = await scene.runPod("full");
      await scene.backUpWell("full", "full-1");
      using mounted = new DisposableStack();
      node.onVolumeFolder = (folder, { namespace }) => {
        if (namespace === "full-small") mounted.use(new SmallVolume({ folder }, 16));
      };
      t.after(() => {
        node.onVolumeFolder = () => undefined;
      });
      await scene.beginRestore("full", "full-1", "full-small");
      await scene.assertEnded("restore", "full-small", "the disk of a restore was full");
      await scene.assertPodWaits("full-small");
      await scene.backUpWell("full", "full-2");
      const restored = await scene.restoreWell("full", "full-2", "full-again");
      assertSameFiles(pod.volumes.data, restored.volumes.data);
    });

    it("fails the backup of a pod that is gone, or whose volume is", async (t) => {
      const scene = await requireFaultyCluster(t, version);
      if (scene === undefined) return;
      const { agent, cluster, node } = scene.velero;
      await scene.runPod("gone");
      await agent.stop();
      await scene.beginBackup("gone", "gone-1");
      await scene.volumeOf("backup", "gone-1");
      await cluster.remove("/api/v1/namespaces/gone/pods/db-0?gracePeriodSeconds=0");
      await agent.start();
      await scene.assertEnded("backup", "gone-1", "the pod was gone");

      const pod = await scene.runPod("gone");
      await agent.stop();
      await scene.beginBackup("gone", "gone-2");
      await scene.volumeOf("backup", "gone-2");
      rmSync(join(node.podsRoot, pod.uid), { recursive: true });
      await agent.start();
      await scene.assertEnded("backup", "gone-2", "the pod had no folder on its node");

      await cluster.remove("/api/v1/namespaces/gone/pods/db-0?gracePeriodSeconds=0");
      await scene.runPod("gone");
      await scene.backUpWell("gone", "gone-3");
    });
  });
}

function assertSameFiles(expected: string | undefined, found: string | undefined): void {
  assert.ok(expected !== undefined && found !== undefined);
  const files = (folder: string) => new Map([...readManifest(folder)].filter(([path]) => path !== "."));
  assertSameTree(files(expected), files(found));
}
