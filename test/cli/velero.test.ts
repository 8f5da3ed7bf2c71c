/** `fsb velero` on a real API server. */

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it, type TestContext } from "node:test";
import { textAt } from "../../src/kubernetes/json.ts";
import { Page } from "../docs/page.ts";
import { assertFailed, exitCodes, fsb, fsbJson, fsbJsonLines, tryFsb } from "../support/fsb.ts";
import { InstalledVelero } from "../support/installed-velero.ts";
import { KubernetesCluster, startCluster } from "../support/kubernetes-cluster.ts";
import { lacking } from "../support/required.ts";
import { requireSeaweedfs } from "../support/seaweedfs.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const cluster = await startCluster();
if (cluster instanceof KubernetesCluster) after(() => cluster[Symbol.asyncDispose]());
let installed: InstalledVelero | undefined;

async function prepare(
  t: TestContext,
): Promise<{ readonly velero: InstalledVelero; readonly by: readonly string[] } | undefined> {
  if (!(cluster instanceof KubernetesCluster)) return lacking(t, cluster.missing);
  const server = await requireSeaweedfs(t);
  if (server === undefined) return undefined;
  if (installed === undefined) {
    installed = new InstalledVelero(cluster, server);
    await installed.install();
    await installed.putBackup();
  }
  return { velero: installed, by: ["--kubeconfig", cluster.kubeconfig("admin")] };
}

describe("docs/operations/command-line.md", () => {
  it("names the fields of every result of fsb velero", async (t) => {
    const there = await prepare(t);
    if (there === undefined) return;
    const page = new Page("docs/operations/command-line.md");
    for (const command of ["backups", "volumes", "locate shop/db-0 data"]) {
      const [row = {}] = await fsbJsonLines(["velero", ...command.split(" "), ...there.by]);
      const section = page.section(`fsb velero ${command.split(" ")[0]}`);
      const list = /^JSON: (.+?)\.$/ms.exec(section)?.[1] ?? "";
      const fields = [...list.matchAll(/`([A-Za-z0-9]+)`/g)].map(([, field]) => field);
      assert.deepEqual(Object.keys(row), fields, command);
    }
  });
});

describe("fsb velero backups", () => {
  it("tells of each backup how its volumes are", async (t) => {
    const there = await prepare(t);
    if (there === undefined) return;
    const rows = await fsbJsonLines(["velero", "backups", ...there.by]);
    assert.deepEqual(rows, [
      {
        backup: "nightly",
        phase: "PartiallyFailed",
        location: "default",
        namespaces: ["shop"],
        startTime: "2026-11-23T02:00:00Z",
        endTime: "2026-11-23T02:05:00Z",
        volumes: 2,
        completed: 1,
        failed: 1,
        open: 0,
        bytesDone: 2048,
        totalBytes: 2048,
        errors: 1,
        warnings: 0,
      },
    ]);
    const table = await fsb(["velero", "backups", ...there.by]);
    assert.match(
      table,
      /^BACKUP +PHASE +.+\nnightly +PartiallyFailed +default +2026-11-23T02:00:00Z .+2.0 KiB .+shop\n$/,
    );
    assert.equal(await fsb(["velero", "backups", "--where", "failed=0", "--no-headers", ...there.by]), "");
  });
});

describe("fsb velero volumes", () => {
  it("tells which snapshot is of which backup, pod and volume, and why there is none", async (t) => {
    const there = await prepare(t);
    if (there === undefined) return;
    const rows = await fsbJsonLines(["velero", "volumes", "--sort", "volume", ...there.by]);
    assert.deepEqual(
      rows.map(({ backup, namespace, pod, volume, node, phase, snapshotId, message }) => {
        return [backup, namespace, pod, volume, node, phase, snapshotId, message];
      }),
      [
        ["nightly", "shop", "db-0", "data", "node-a", "Completed", "4f1c", ""],
        ["nightly", "shop", "db-0", "logs", "node-a", "Failed", "", "it was not there"],
      ],
    );
    const failed = await fsb(["velero", "volumes", "--where", "phase=Failed", "--no-headers", ...there.by]);
    assert.match(failed, /^nightly +shop +db-0 +logs +node-a +Failed .+it was not there\n$/);
  });

  it("is denied with the right that is missing", async (t) => {
    const there = await prepare(t);
    if (there === undefined) return;
    assertFailed(
      await tryFsb(["velero", "volumes", "--kubeconfig", there.velero.cluster.kubeconfig("agent")]),
      exitCodes.failed,
      /hint: a role must allow the verb list on podvolumebackups.velero.io in namespace velero/,
    );
  });
});

describe("fsb velero locate", () => {
  it("names the folder of the host by the pods' folder that the DaemonSet mounts, and the snapshots", async (t) => {
    const there = await prepare(t);
    if (there === undefined) return;
    const located = await fsbJson(["velero", "locate", "shop/db-0", "data", ...there.by]);
    const { podUid, folder, type, node, because, snapshots } = located;
    assert.equal(folder, `/var/lib/kubelet/pods/${podUid}/volumes/*/data`);
    assert.deepEqual([type, node, because], ["emptyDir", "node-a", ""]);
    assert.deepEqual(
      (snapshots as readonly unknown[]).map((row) => textAt(row, "snapshotId")),
      ["4f1c"],
    );
    const inline = await fsbJson(["velero", "locate", "db-0", "inline", "--namespace", "shop", ...there.by]);
    assert.equal(inline.folder, `/var/lib/kubelet/pods/${podUid}/volumes/*/inline/mount`);
  });

  it("looks into the folder of pods that it is given", async (t) => {
    const there = await prepare(t);
    if (there === undefined) return;
    const where = ["velero", "locate", "shop/db-0", "data", ...there.by];
    const { podUid } = await fsbJson(where);
    const podsRoot = temporaryFolder(t);
    const missed = await fsbJson([...where, "--pods-root", podsRoot]);
    assert.equal(missed.folder, "");
    assert.match(
      String(missed.because),
      /the kubelet has no folder for a pod of uid .+ there \[POD_VOLUME_PATH_NOT_FOUND\]/,
    );
    assert.match(String(missed.hint), /the pod ended or was replaced meanwhile, or runs on another node/);
    const folder = join(podsRoot, String(podUid), "volumes", "kubernetes.io~empty-dir", "data");
    mkdirSync(folder, { recursive: true });
    const found = await fsbJson([...where, "--pods-root", podsRoot]);
    assert.deepEqual([found.folder, found.because], [folder, ""]);
  });

  it("says why a volume is no folder, and what there was of it", async (t) => {
    const there = await prepare(t);
    if (there === undefined) return;
    const text = await fsb(["velero", "locate", "shop/db-0", "logs", ...there.by]);
    assert.match(text, /^no folder: +volume logs of pod shop\/db-0 is a hostPath \[POD_VOLUME_UNSUPPORTED\]$/m);
    assert.match(text, /^ {2}no snapshot .+ Failed in backup nightly at default: it was not there$/m);
    assert.match(await fsb(["velero", "locate", "shop/db-0", "absent", ...there.by]), /\[POD_VOLUME_NOT_FOUND\]/);
    assertFailed(
      await tryFsb(["velero", "locate", "shop/gone", "data", ...there.by]),
      exitCodes.failed,
      /there is no pod shop\/gone, and no backup of volume data of one \[POD_NOT_FOUND\]/,
    );
    assertFailed(
      await tryFsb(["velero", "locate", "db-0", "data", ...there.by]),
      exitCodes.failed,
      /write it as NAMESPACE\/POD/,
    );
  });
});
