/** What goes wrong with the bucket and the way to it while a real Velero server waits for the agent. */

import { describe, it } from "node:test";
import { setTimeout as sleepFor } from "node:timers/promises";
import { textAt } from "../../src/kubernetes/json.ts";
import { type FaultyCluster, packsOf, requireFaultyCluster } from "../support/faulty-cluster.ts";
import { credentialsFile } from "../support/object-server.ts";
import { assertCompleted } from "../support/velero-cluster.ts";
import { putStorageLocation, type VeleroVersion, veleroNamespace, veleroPath } from "../support/velero-server.ts";

const secrets = `/api/v1/namespaces/${veleroNamespace}/secrets`;
const location = `${veleroPath}/backupstoragelocations/default`;
/** Promised by the agent: docs/operations/failures.md. */
const outageMs = 30_000;

export function describePasswords(version: VeleroVersion): void {
  it(`fails a backup with a wrong password, and completes the next with the right one (Velero ${version})`, async (t) => {
    const scene = await requireFaultyCluster(t, version);
    if (scene === undefined) return;
    await scene.runPod("password");
    await scene.backUpWell("password", "password-1");
    const secret = `${secrets}/velero-repo-credentials`;
    const right = textAt((await scene.velero.cluster.ask("GET", secret)).body, "data", "repository-password") ?? "";
    await scene.patch(secret, { stringData: { "repository-password": "another one" } });
    await scene.beginBackup("password", "password-2");
    await scene.assertEnded("backup", "password-2", "the repository's password was wrong");
    await scene.patch(secret, { data: { "repository-password": right } });
    await scene.backUpWell("password", "password-3");
    await scene.assertWhole(t, "password", 2);
  });
}

/** In a file of its own, as it takes as long as all the others. */
export function describeOutage(version: VeleroVersion): void {
  it("completes a backup and a restore in the middle of which the bucket's server was away for 30 seconds", async (t) => {
    const scene = await requireFaultyCluster(t, version);
    if (scene === undefined) return;
    const { velero } = scene;
    const { agent, bucket } = velero;
    await scene.runPod("written");
    await scene.runPod("read");
    await scene.backUpWell("read", "read-1");
    await agent.stop();
    await agent.start("--concurrency=2");
    const written = scene.gate.hold(packsOf("written", "PUT"));
    await scene.beginBackup("written", "written-1");
    await scene.middleOf("backup", "written-1", written);
    const read = scene.gate.hold(packsOf("read", "GET", 1));
    await scene.beginRestore("read", "read-1", "read-again");
    await scene.middleOf("restore", "read-again", read);
    await bucket.stop();
    written.release();
    read.release();
    await sleepFor(outageMs); // How long it is away is what is tried.
    await bucket.start();
    await assertCompleted(velero, "backup", await velero.ended("backups", "written-1"));
    await assertCompleted(velero, "restore", await velero.ended("restores", "read-again"));
    await scene.assertWhole(t, "written", 1);
    await scene.backUpWell("written", "written-2");
  });
}

/** What else goes wrong with it. */
export function describeStoreFaults(version: VeleroVersion): void {
  describe(`trouble with the bucket, under a Velero ${version} server`, () => {
    it("completes a backup in the middle of which the bucket's keys were exchanged", async (t) => {
      const scene = await requireFaultyCluster(t, version);
      if (scene === undefined) return;
      const { velero } = scene;
      await scene.runPod("rotated");
      const held = scene.gate.hold(packsOf("rotated", "PUT"));
      await scene.beginBackup("rotated", "rotated-1");
      await scene.middleOf("backup", "rotated-1", held);
      await exchangeKeys(scene, "second", "told");
      held.release();
      await assertCompleted(velero, "backup", await velero.ended("backups", "rotated-1"));
      await scene.backUpWell("rotated", "rotated-2");
      await scene.assertWhole(t, "rotated", 2);
    });

    it("fails a backup whose keys were revoked, and completes the next with those that the Secret has by then", async (t) => {
      const scene = await requireFaultyCluster(t, version);
      if (scene === undefined) return;
      await scene.runPod("revoked");
      const held = scene.gate.hold(packsOf("revoked", "PUT"));
      await scene.beginBackup("revoked", "revoked-1");
      await scene.middleOf("backup", "revoked-1", held);
      await exchangeKeys(scene, "third", "not told");
      // Else the server could put the backup's own log with the revoked keys, when it sees the volume's end.
      await scene.velero.server.whilePaused(async () => {
        held.release();
        await scene.endedVolumeOf("backup", "revoked-1");
        await tellKeys(scene);
      });
      await scene.assertEnded("backup", "revoked-1", "the bucket's keys were revoked");
      await scene.backUpWell("revoked", "revoked-2");
      await scene.assertWhole(t, "revoked", 1);
    });

    it("fails a backup that waits when its location is deleted, and completes one that runs", async (t) => {
      const scene = await requireFaultyCluster(t, version);
      if (scene === undefined) return;
      const { velero } = scene;
      const { agent, cluster } = velero;
      const put = async (): Promise<void> => {
        await putStorageLocation({ cluster, location: velero.location, node: velero.node.name });
        await tellKeys(scene);
        await scene.lookOftenAtLocation();
        await scene.untilLocationIs("Available");
        // The server would look at it again within five minutes; without it, it makes one that is ready.
        await cluster.remove(`${veleroPath}/backuprepositories/deleted-default-kopia`);
      };
      await scene.runPod("deleted");
      await agent.stop();
      await scene.beginBackup("deleted", "deleted-1");
      await scene.volumeOf("backup", "deleted-1");
      await cluster.remove(location);
      await agent.start();
      await scene.endedVolumeOf("backup", "deleted-1");
      await put();
      await scene.assertEnded("backup", "deleted-1", "the backup storage location was deleted");

      const held = scene.gate.hold(packsOf("deleted", "PUT"));
      await scene.beginBackup("deleted", "deleted-2");
      await scene.middleOf("backup", "deleted-2", held);
      await cluster.remove(location);
      held.release();
      await scene.endedVolumeOf("backup", "deleted-2");
      await put();
      await assertCompleted(velero, "backup", await velero.ended("backups", "deleted-2"));
      await scene.backUpWell("deleted", "deleted-3");
      await scene.assertWhole(t, "deleted", 2);
    });

    describePasswords(version);
  });
}

/** Starts the bucket's server with other keys for its owner. */
async function exchangeKeys(scene: FaultyCluster, name: string, secret: "told" | "not told"): Promise<void> {
  const { bucket } = scene.velero;
  await bucket.stop();
  await bucket.start({ accessKeyId: `${name}-owner-id`, secretAccessKey: `${name}-owner-secret` });
  if (secret === "told") await tellKeys(scene);
}

/** Puts the owner's keys into the location's Secret. */
async function tellKeys(scene: FaultyCluster): Promise<void> {
  const { cluster, bucket } = scene.velero;
  const { body } = await cluster.ask("GET", location);
  const name = textAt(body, "spec", "credential", "name");
  await scene.patch(`${secrets}/${name}`, { stringData: { cloud: credentialsFile(bucket.owner) } });
}
