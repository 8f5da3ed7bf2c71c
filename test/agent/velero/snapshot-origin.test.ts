import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { backupSource, type SourceStyle } from "../../../src/agent/velero/backup-source.ts";
import { snapshotOrigin } from "../../../src/agent/velero/snapshot-origin.ts";
import { parsePodVolumeBackup } from "../../../src/agent/velero/velero-resources.ts";
import { parseKubernetesObject } from "../../../src/kubernetes/kubernetes-object.ts";
import { applyMergePatch } from "../../../src/kubernetes/merge-patch.ts";
import { backupOf } from "../node-under-test.ts";

/** As Velero's server writes them, all of them. */
const tags = { backup: "nightly", "backup-uid": "b-1", pod: "db-0", "pod-uid": "p-1", ns: "shop", volume: "data" };

describe("what a snapshot is of", () => {
  it("is told by what either style of filing stores", () => {
    assert.deepEqual(originBy("host-path"), { backup: "nightly", namespace: "shop", pod: "db-0", volume: "data" });
    assert.deepEqual(originBy("pod-volume"), { backup: undefined, namespace: "shop", pod: "db-0", volume: "data" });
  });

  it("is not guessed", () => {
    const unknown = { backup: undefined, namespace: undefined, pod: undefined, volume: undefined };
    const paths = [
      "/host_pods/p-1/volumes/x/data",
      "snapshot-pod-volume/kopia/shop/db-0",
      "/snapshot-pod-volume/kopia/a/b/c",
    ];
    for (const path of paths) {
      assert.deepEqual(snapshotOrigin({ userName: "default", host: "default", path }, undefined), unknown, path);
    }
  });
});

function originBy(style: SourceStyle) {
  const object = applyMergePatch(backupOf("one", "db-0", "data"), { spec: { tags } });
  const filed = backupSource(parsePodVolumeBackup(parseKubernetesObject(object)), "/host_pods/p-1/x", style);
  return snapshotOrigin(filed.source, filed.tags);
}
