import assert from "node:assert/strict";
import { posix } from "node:path";
import { describe, it } from "node:test";
import { backupSource, parentSnapshotId, stockVolumePath } from "../../../src/agent/velero/backup-source.ts";
import { veleroPolicy } from "../../../src/agent/velero/velero-policy.ts";
import { parsePodVolumeBackup } from "../../../src/agent/velero/velero-resources.ts";
import type { JsonObject } from "../../../src/kubernetes/json.ts";
import { parseKubernetesObject } from "../../../src/kubernetes/kubernetes-object.ts";
import { applyMergePatch } from "../../../src/kubernetes/merge-patch.ts";
import { backupOf } from "../node-under-test.ts";

const backup = (patch: JsonObject) =>
  parsePodVolumeBackup(parseKubernetesObject(applyMergePatch(backupOf("one", "db-0", "data"), patch)));

const ofClaim = {
  metadata: { labels: { "velero.io/pvc-uid": "c-1" }, annotations: { "velero.io/pvc-name": "data-db-0" } },
};

describe("the source of a volume's snapshots", () => {
  it("is filed as Velero 1.17 does", () => {
    const { source, tags, description, pins } = backupSource(backup(ofClaim), "/host_pods/x", "pod-volume");
    assert.deepEqual(source, {
      userName: "default",
      host: "default",
      path: "snapshot-pod-volume/kopia/shop/db-0/data-db-0",
    });
    assert.deepEqual(tags, { "snapshot-requester": "snapshot-pod-volume", "snapshot-uploader": "kopia" });
    assert.deepEqual([description, pins], ["Kopia Uploader", ["velero-pin"]]);
    assert.match(backupSource(backup({}), "/x", "pod-volume").source.path, /\/db-0\/data$/);
  });

  it("is filed as Velero 1.16 does when told so", () => {
    const { source, tags, parentTags } = backupSource(backup(ofClaim), "/host_pods/x", "host-path");
    assert.equal(source.path, "/host_pods/x");
    assert.deepEqual(parentTags, { "snapshot-requester": "pod-volume-backup-restore", "snapshot-uploader": "kopia" });
    assert.deepEqual(tags, { backup: "b1", ...parentTags });
  });

  it("has the path that a stock agent has, wherever the pods' folder is here", () => {
    const volume = "uid-1/volumes/kubernetes.io~csi/pv-1/mount";
    for (const podsRoot of ["/var/lib/kubelet/pods", "/host_pods", "/"]) {
      assert.equal(stockVolumePath(podsRoot, posix.join(podsRoot, volume)), `/host_pods/${volume}`);
    }
  });

  it("has for parent the newest completed backup of the same claim, uploader and location", () => {
    const done = (snapshotID: string, startTimestamp: string | null, patch: JsonObject = {}) =>
      backup(
        applyMergePatch(
          { ...ofClaim, status: { phase: "Completed", snapshotID, startTimestamp } },
          patch,
        ) as JsonObject,
      );
    const all = [
      done("old", "2024-05-01T10:00:00Z"),
      done("new", "2024-05-03T10:00:00Z"),
      done("timeless", null),
      done("failed", "2024-05-04T10:00:00Z", { status: { phase: "Failed" } }),
      done("elsewhere", "2024-05-04T10:00:00Z", { spec: { backupStorageLocation: "other" } }),
      done("restic", "2024-05-04T10:00:00Z", { spec: { uploaderType: "restic" } }),
      done("other claim", "2024-05-04T10:00:00Z", { metadata: { labels: { "velero.io/pvc-uid": "c-2" } } }),
      done("", "2024-05-05T10:00:00Z"),
    ];
    assert.equal(parentSnapshotId(backup(ofClaim), all), "new");
    assert.equal(parentSnapshotId(backup({}), all), undefined);
    assert.equal(parentSnapshotId(backup(ofClaim), []), undefined);
  });

  it("has Velero's policy, byte for byte", () => {
    assert.equal(
      JSON.stringify(veleroPolicy(4)),
      '{"retention":{"keepLatest":2147483647,"keepHourly":2147483647,"keepDaily":2147483647,"keepWeekly":2147483647,"keepMonthly":2147483647,"keepAnnual":2147483647},"files":{},"errorHandling":{"ignoreUnknownTypes":true},"scheduling":{"manual":true},"compression":{"compressorName":"none"},"metadataCompression":{},"splitter":{},"actions":{},"osSnapshots":{"volumeShadowCopy":{}},"logging":{"directories":{},"entries":{}},"upload":{"maxParallelFileReads":4,"parallelUploadAboveSize":2147483648}}',
    );
  });
});
