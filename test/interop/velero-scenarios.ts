/**
 * What a real Velero server and the agent do together, for every version of the server in a file of its own.
 *
 * Each test has namespaces of its own; names of Backups and Restores begin with theirs.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleepFor } from "node:timers/promises";
import { fieldAt, textAt } from "../../src/kubernetes/json.ts";
import { linkTo, writeTree } from "../support/tree.ts";
import { assertSameTree, type Manifest, readManifest } from "../support/tree-manifest.ts";
import { until } from "../support/until.ts";
import { assertCompleted, type RunningPod, requireVelero, type VeleroCluster } from "../support/velero-cluster.ts";
import type { VeleroVersion } from "../support/velero-server.ts";

const mebibyte = 1 << 20;

export function describeVelero(version: VeleroVersion): void {
  describe(`the agent under a Velero ${version} server`, () => {
    it("backs up all volumes of a pod, restores them into another namespace, and stores little the next time", async (t) => {
      const velero = await requireVelero(t, version);
      if (velero === undefined) return;
      const volumes = { data: "claim", scratch: "emptyDir" } as const;
      const pod = await velero.runPod({ namespace: "shop", name: "db-0", volumes });
      writeVolume(pod.volumes.data, "shop-data");
      writeVolume(pod.volumes.scratch, "shop-scratch");
      const what = { includedNamespaces: ["shop"], defaultVolumesToFsBackup: true };

      await assertCompleted(velero, "backup", await velero.backUp("shop-1", what));
      assert.deepEqual(await volumesBackedUp(velero, "shop-1"), ["data", "scratch"]);
      const sizeOfOne = await velero.repositorySize("shop");
      const mapping = { shop: "shop-again" };
      const restored = await velero.restore("shop-1-again", { backupName: "shop-1", namespaceMapping: mapping });
      await assertCompleted(velero, "restore", restored);
      assertSameVolumes(pod, await velero.runningPod("shop-again", "db-0"));

      writeFileSync(join(pod.volumes.data ?? "", "changed"), "a new line\n");
      await assertCompleted(velero, "backup", await velero.backUp("shop-2", what));
      const grown = (await velero.repositorySize("shop")) - sizeOfOne;
      assert.ok(grown > 0 && grown < mebibyte / 4, `the repository grew by ${grown} bytes`);
      if (version === "1.18") assert.deepEqual(await incrementalBytes(velero, "shop-2"), { data: 11, scratch: 0 });
      const latest = await velero.restore("shop-2-again", {
        backupName: "shop-2",
        namespaceMapping: { shop: "shop-2" },
      });
      await assertCompleted(velero, "restore", latest);
      assertSameVolumes(pod, await velero.runningPod("shop-2", "db-0"));
      assert.deepEqual(velero.agent.log().match(/^.* level=(warning|error) .*$/gm), null);
    });

    it("backs up and restores the one volume that an annotation of the pod names", async (t) => {
      const velero = await requireVelero(t, version);
      if (velero === undefined) return;
      const pod = await velero.runPod({
        namespace: "named",
        name: "web",
        volumes: { pages: "emptyDir", cache: "emptyDir" },
        annotations: { "backup.velero.io/backup-volumes": "pages" },
      });
      writeVolume(pod.volumes.pages, "named-pages");
      writeVolume(pod.volumes.cache, "named-cache");

      await assertCompleted(velero, "backup", await velero.backUp("named-1", { includedNamespaces: ["named"] }));
      assert.deepEqual(await volumesBackedUp(velero, "named-1"), ["pages"]);
      const mapping = { named: "named-again" };
      const restored = await velero.restore("named-1-again", { backupName: "named-1", namespaceMapping: mapping });
      await assertCompleted(velero, "restore", restored);
      const again = await velero.runningPod("named-again", "web");
      assertSameVolume(pod.volumes.pages, again.volumes.pages);
      assert.deepEqual([...readManifest(again.volumes.cache ?? "").keys()], ["."]);
    });

    it("goes on after a backup was deleted, and full maintenance takes away nothing that is live", async (t) => {
      const velero = await requireVelero(t, version);
      if (velero === undefined) return;
      const pod = await velero.runPod({ namespace: "gone", name: "db-0", volumes: { data: "claim" } });
      const folder = pod.volumes.data;
      assert.ok(folder !== undefined);
      writeVolume(folder, "gone");
      const what = { includedNamespaces: ["gone"], defaultVolumesToFsBackup: true };
      await assertCompleted(velero, "backup", await velero.backUp("gone-1", what));
      const original = readManifest(folder);
      writeFileSync(join(folder, "only-in-2"), bytesOf("only in 2", 2 * mebibyte));
      await assertCompleted(velero, "backup", await velero.backUp("gone-2", what));
      rmSync(join(folder, "only-in-2"));
      writeFileSync(join(folder, "since-3"), bytesOf("since 3", mebibyte));

      const deletedIds = await snapshotIds(velero, "gone-2");
      await velero.deleteBackup("gone-2");
      const kopia = await velero.kopia(t, "gone");
      if (kopia === undefined) return;
      const kept = (await kopia.snapshotList()).map(({ id }) => id);
      assert.deepEqual(kept, await snapshotIds(velero, "gone-1"));
      assert.equal(deletedIds.length, 1);

      // The parent that the agent would take is the one that is no more.
      await assertCompleted(velero, "backup", await velero.backUp("gone-3", what));
      await kopia.maintenanceRun("full");
      await kopia.verify();
      // Without mercy for what is young it lets go what the deleted backup alone had, so it has told it from the rest.
      const before = await kopia.contentStats();
      await kopia.maintenanceRun("none");
      const freed = before.totalBytes - (await kopia.contentStats()).totalBytes;
      assert.ok(freed > 2 * mebibyte && freed < 2.25 * mebibyte, `maintenance freed ${freed} bytes`);

      for (const [backupName, expected] of [
        ["gone-1", original],
        ["gone-3", readManifest(folder)],
      ] as const) {
        const namespace = `${backupName}-again`;
        const mapping = { gone: namespace };
        const restored = await velero.restore(namespace, { backupName, namespaceMapping: mapping });
        await assertCompleted(velero, "restore", restored);
        const again = await velero.runningPod(namespace, "db-0");
        assertSameTree(withoutRootTime(expected), withoutRootTime(readManifest(again.volumes.data ?? "")));
      }
      await assertCompleted(velero, "backup", await velero.backUp("gone-4", what));
      await kopia.verify();
    });

    it("does what a schedule asks for six pods of two namespaces, three volumes at a time", async (t) => {
      const velero = await requireVelero(t, version);
      if (velero === undefined) return;
      await velero.agent.stop();
      await velero.agent.start("--concurrency", "3");
      t.after(async () => {
        await velero.agent.stop();
        await velero.agent.start();
      });
      const namespaces = ["east", "west"];
      const places = namespaces.flatMap((namespace) => ["db-0", "db-1", "db-2"].map((name) => ({ namespace, name })));
      const pods = new Map<string, RunningPod>();
      for (const place of places) {
        const key = `${place.namespace}/${place.name}`;
        const pod = await velero.runPod({ ...place, volumes: { data: "claim", scratch: "emptyDir" } });
        for (const [volume, folder] of Object.entries(pod.volumes)) writeVolume(folder, `${key}/${volume}`);
        pods.set(key, pod);
      }

      const template = { includedNamespaces: namespaces, defaultVolumesToFsBackup: true, storageLocation: "default" };
      // Once a year, and the last time was long ago: due now, and not again.
      const spec = { schedule: "0 0 1 1 *", template };
      await velero.create("Schedule", "schedules", "yearly", spec, { lastBackup: "2020-01-01T00:00:00Z" });
      const backup = await until(
        async () => (await velero.backupsOf("yearly"))[0],
        () => "the schedule makes no Backup",
      );
      const backupName = textAt(backup, "metadata", "name") ?? "";
      const backedUp = await busiestMoment(velero, "backup", backupName);
      await assertCompleted(velero, "backup", backedUp.ended);
      assert.equal(backedUp.atOnce, 3);
      const twelve = places.flatMap(() => ["data", "scratch"]).sort();
      assert.deepEqual(await volumesBackedUp(velero, backupName), twelve);

      const namespaceMapping = { east: "east-again", west: "west-again" };
      await velero.create("Restore", "restores", "yearly-again", { backupName, namespaceMapping });
      const restored = await busiestMoment(velero, "restore", "yearly-again");
      await assertCompleted(velero, "restore", restored.ended);
      assert.equal(restored.atOnce, 3);
      for (const { namespace, name } of places) {
        const pod = pods.get(`${namespace}/${name}`);
        assert.ok(pod !== undefined);
        assertSameVolumes(pod, await velero.runningPod(`${namespace}-again`, name));
      }
    });
  });
}

/** A volume in which everything that a backup has to keep differs from what it would be by itself. */
export function writeVolume(folder: string | undefined, seed: string): void {
  assert.ok(folder !== undefined);
  writeTree(folder, {
    "large.bin": bytesOf(seed, 3 * mebibyte),
    changed: "",
    setuid: "#!/bin/sh\n",
    ".hidden": seed,
    "naïve – ☃": "by its name",
    link: linkTo("large.bin"),
    dangling: linkTo("../../nowhere"),
    shared: {},
    private: { deep: { deeper: { file: seed } } },
  });
  mkdirSync(join(folder, "empty"));
  const own = (name: string, uid: number, gid: number, mode: number): void => {
    chownSync(join(folder, name), uid, gid);
    chmodSync(join(folder, name), mode);
  };
  own("large.bin", 1000, 2000, 0o640);
  own("setuid", 0, 0, 0o4755);
  own("shared", 0, 3000, 0o3777);
  own("empty", 1001, 1001, 0o500);
  own("private/deep", 70, 70, 0o700);
  own(".", 999, 999, 0o2775);
  const touch = (name: string, at: string): void => {
    execFileSync("touch", ["--no-dereference", `--date=@${at}`, join(folder, name)]);
  };
  touch("private/deep/deeper/file", "981173106.000000001");
  touch("large.bin", "1700000000.123456789");
  touch("link", "1600000000.987654000");
  for (const name of ["private/deep/deeper", "private/deep", "empty"]) touch(name, "1234567890.000000007");
}

/** The same bytes for the same seed; they do not compress. */
export function bytesOf(seed: string, length: number): Buffer {
  const blocks: Buffer[] = [];
  for (let index = 0; index * 64 < length; index++) {
    blocks.push(createHash("sha512").update(`${seed} ${index}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}

function assertSameVolumes(expected: RunningPod, found: RunningPod): void {
  assert.deepEqual(Object.keys(found.volumes), Object.keys(expected.volumes));
  for (const [name, folder] of Object.entries(expected.volumes)) assertSameVolume(folder, found.volumes[name]);
}

function assertSameVolume(expected: string | undefined, found: string | undefined): void {
  assert.ok(expected !== undefined && found !== undefined);
  assertSameTree(withoutRootTime(readManifest(expected)), withoutRootTime(readManifest(found)));
}

/** `restore-wait` takes the done marker away, after which the volume's own folder is of now. */
export function withoutRootTime(manifest: Manifest): Manifest {
  const root = manifest.get(".");
  assert.ok(root !== undefined);
  return new Map(manifest).set(".", { ...root, mtimeNs: "0" });
}

async function volumesBackedUp(velero: VeleroCluster, backup: string): Promise<readonly (string | undefined)[]> {
  const volumes = await velero.volumesOf("backup", backup);
  for (const volume of volumes) assert.equal(textAt(volume, "status", "phase"), "Completed", JSON.stringify(volume));
  return volumes.map((volume) => textAt(volume, "spec", "volume")).sort();
}

async function incrementalBytes(velero: VeleroCluster, backup: string): Promise<Readonly<Record<string, unknown>>> {
  const volumes = await velero.volumesOf("backup", backup);
  return Object.fromEntries(
    volumes.map((volume) => [textAt(volume, "spec", "volume"), fieldAt(volume, "status", "incrementalBytes")]),
  );
}

async function snapshotIds(velero: VeleroCluster, backup: string): Promise<readonly (string | undefined)[]> {
  return (await velero.volumesOf("backup", backup)).map((volume) => textAt(volume, "status", "snapshotID"));
}

/** Waits for the end, and tells how many volumes were in progress at most. */
async function busiestMoment(
  velero: VeleroCluster,
  owner: "backup" | "restore",
  name: string,
): Promise<{ readonly ended: unknown; readonly atOnce: number }> {
  let atOnce = 0;
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      const phases = (await velero.volumesOf(owner, name)).map((volume) => textAt(volume, "status", "phase"));
      atOnce = Math.max(atOnce, phases.filter((phase) => phase === "InProgress").length);
      await sleepFor(50);
    }
  })();
  try {
    const ended = await velero.ended(`${owner}s`, name);
    return { ended, atOnce };
  } finally {
    over.abort();
    await watching;
  }
}
