import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { backupRows, volumeRow } from "../../src/doctor/velero-volumes.ts";
import type { JsonObject } from "../../src/kubernetes/json.ts";
import { parseKubernetesObject } from "../../src/kubernetes/kubernetes-object.ts";

function volume(name: string, backup: string, status: JsonObject, more: JsonObject = {}) {
  return parseKubernetesObject({
    apiVersion: "velero.io/v1",
    kind: "PodVolumeBackup",
    metadata: { name, ...more },
    spec: { pod: { namespace: "shop", name: "db-0" }, volume: name, node: "node-a", tags: { backup } },
    status,
  });
}

function backup(name: string, status: JsonObject) {
  return parseKubernetesObject({ apiVersion: "velero.io/v1", kind: "Backup", metadata: { name }, spec: {}, status });
}

describe("a volume's row", () => {
  it("belongs to the backup that owns it, else to that of its tag, else to that of its label", () => {
    const owner = { ownerReferences: [{ apiVersion: "velero.io/v1", kind: "Backup", name: "owner", uid: "1" }] };
    const label = { labels: { "velero.io/backup-name": "label" } };
    assert.equal(volumeRow(volume("a", "tag", {}, { ...owner, ...label })).backup, "owner");
    assert.equal(volumeRow(volume("a", "tag", {}, label)).backup, "tag");
    const untagged = parseKubernetesObject({ ...volume("a", "", {}, label).content, spec: {} });
    assert.equal(volumeRow(untagged).backup, "label");
  });

  it("counts what is no count as nothing", () => {
    const { bytesDone, totalBytes } = volumeRow(volume("a", "b", { progress: { bytesDone: -1, totalBytes: "9" } }));
    assert.deepEqual([bytesDone, totalBytes], [0, 0]);
  });
});

describe("backups' rows", () => {
  it("are newest first, and one that is gone is told by its volumes", () => {
    const rows = backupRows(
      [
        backup("old", { startTimestamp: "2026-01-01T00:00:00Z" }),
        backup("new", { startTimestamp: "2026-02-01T00:00:00Z" }),
      ],
      [volume("a", "lost", { phase: "Completed", startTimestamp: "2026-01-15T00:00:00Z" })],
    );
    assert.deepEqual(
      rows.map(({ backup: name, phase, volumes }) => [name, phase, volumes]),
      [
        ["new", "New", 0],
        ["lost", "gone", 1],
        ["old", "New", 0],
      ],
    );
  });

  it("count volumes by how they are, and add up their bytes", () => {
    const phases = ["Completed", "Failed", "Canceled", "InProgress", ""];
    const volumes = phases.map((phase, i) =>
      volume(`v${i}`, "b", { phase, progress: { bytesDone: 10, totalBytes: 20 } }),
    );
    const [row] = backupRows([backup("b", {})], volumes);
    assert.deepEqual(
      [row?.volumes, row?.completed, row?.failed, row?.open, row?.bytesDone, row?.totalBytes],
      [5, 1, 2, 2, 50, 100],
    );
  });
});
