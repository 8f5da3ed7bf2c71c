/**
 * The custom resource definitions of Velero that the agent meets, of 1.17 and later with the fields of 1.18: their
 * phases and fields include those of the versions before. Backups and Restores are not validated below the first level.
 *
 * Source: Velero's OpenAPI schemas as the specification of its contract lists them (Appendix A).
 */

import type { JsonObject } from "../../src/kubernetes/json.ts";

const text = { type: "string" };
const flag = { type: "boolean" };
const integer = { type: "integer", format: "int64" };
const time = { type: "string", format: "date-time", nullable: true };
const texts = { type: "object", additionalProperties: text };
const anything = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
const uploaderType = { type: "string", enum: ["kopia", "restic", ""] };
const podReference = {
  type: "object",
  "x-kubernetes-map-type": "atomic",
  properties: {
    apiVersion: text,
    fieldPath: text,
    kind: text,
    name: text,
    namespace: text,
    resourceVersion: text,
    uid: text,
  },
};
const secretKey = {
  type: "object",
  "x-kubernetes-map-type": "atomic",
  required: ["key"],
  properties: { key: text, name: { type: "string", default: "" }, optional: flag },
};
const podVolumeSpec = {
  pod: podReference,
  volume: text,
  backupStorageLocation: text,
  repoIdentifier: text,
  uploaderType,
  uploaderSettings: { ...texts, nullable: true },
  cancel: flag,
};
const podVolumeStatus = {
  phase: {
    type: "string",
    enum: ["New", "Accepted", "Prepared", "InProgress", "Canceling", "Canceled", "Completed", "Failed"],
  },
  message: text,
  acceptedTimestamp: time,
  startTimestamp: time,
  completionTimestamp: time,
  progress: { type: "object", properties: { totalBytes: integer, bytesDone: integer } },
};

export const veleroCrds: readonly JsonObject[] = [
  definition("PodVolumeBackup", "podvolumebackups", {
    spec: {
      type: "object",
      required: ["backupStorageLocation", "node", "pod", "repoIdentifier", "volume"],
      properties: { ...podVolumeSpec, node: text, tags: texts },
    },
    status: {
      type: "object",
      properties: { ...podVolumeStatus, path: text, snapshotID: text, incrementalBytes: integer },
    },
  }),
  definition("PodVolumeRestore", "podvolumerestores", {
    spec: {
      type: "object",
      required: ["backupStorageLocation", "pod", "repoIdentifier", "snapshotID", "sourceNamespace", "volume"],
      properties: { ...podVolumeSpec, snapshotID: text, sourceNamespace: text, snapshotSize: integer },
    },
    status: { type: "object", properties: { ...podVolumeStatus, node: text } },
  }),
  definition("BackupRepository", "backuprepositories", {
    spec: {
      type: "object",
      required: ["backupStorageLocation", "maintenanceFrequency", "volumeNamespace"],
      properties: {
        backupStorageLocation: text,
        maintenanceFrequency: text,
        volumeNamespace: text,
        repositoryType: uploaderType,
        resticIdentifier: text,
        repositoryConfig: { ...texts, nullable: true },
      },
    },
    status: {
      type: "object",
      properties: {
        phase: { type: "string", enum: ["New", "Ready", "NotReady"] },
        message: text,
        lastMaintenanceTime: time,
        recentMaintenance: {
          type: "array",
          items: {
            type: "object",
            properties: {
              startTimestamp: time,
              completeTimestamp: time,
              result: { type: "string", enum: ["Succeeded", "Failed"] },
              message: text,
            },
          },
        },
      },
    },
  }),
  definition(
    "BackupStorageLocation",
    "backupstoragelocations",
    {
      spec: {
        type: "object",
        required: ["objectStorage", "provider"],
        properties: {
          provider: text,
          objectStorage: {
            type: "object",
            required: ["bucket"],
            properties: {
              bucket: text,
              prefix: text,
              caCert: { type: "string", format: "byte" },
              caCertRef: secretKey,
            },
          },
          config: texts,
          credential: secretKey,
          default: flag,
          accessMode: { type: "string", enum: ["ReadOnly", "ReadWrite"] },
          backupSyncPeriod: { ...text, nullable: true },
          validationFrequency: { ...text, nullable: true },
        },
      },
      status: {
        type: "object",
        properties: {
          phase: { type: "string", enum: ["Available", "Unavailable"] },
          message: text,
          lastSyncedTime: time,
          lastValidationTime: time,
          accessMode: text,
          lastSyncedRevision: text,
        },
      },
    },
    ["bsl"],
  ),
  definition("Backup", "backups", { spec: anything, status: anything }),
  definition("Restore", "restores", { spec: anything, status: anything }),
];

/** None has a status subresource. */
function definition(
  kind: string,
  plural: string,
  properties: JsonObject,
  shortNames: readonly string[] = [],
): JsonObject {
  const singular = kind.toLowerCase();
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.velero.io`, labels: { component: "velero" } },
    spec: {
      group: "velero.io",
      scope: "Namespaced",
      names: { kind, plural, singular, listKind: `${kind}List`, shortNames },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: "object",
              properties: { apiVersion: text, kind: text, metadata: { type: "object" }, ...properties },
            },
          },
        },
      ],
    },
  };
}
