import type { JsonObject } from "../../src/kubernetes/json.ts";

/** A BackupRepository at location `default`, as the Velero server leaves it when it has made the repository. */
export function readyRepository(volumeNamespace: string): JsonObject {
  return {
    apiVersion: "velero.io/v1",
    kind: "BackupRepository",
    metadata: {
      namespace: "velero",
      name: `${volumeNamespace}-default-kopia`,
      labels: {
        "velero.io/volume-namespace": volumeNamespace,
        "velero.io/storage-location": "default",
        "velero.io/repository-type": "kopia",
      },
    },
    spec: {
      volumeNamespace,
      backupStorageLocation: "default",
      repositoryType: "kopia",
      maintenanceFrequency: "1h0m0s",
    },
    status: { phase: "Ready" },
  };
}
