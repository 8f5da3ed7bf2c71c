/**
 * What a support bundle tells of objects: the fields that are named here, and nothing else. No annotations, which hold
 * whole objects as they were applied; no environment but its names; no `config` but keys that hold no secret.
 */

import { isJsonObject } from "../kubernetes/json.ts";

const metadata = ["name", "namespace", "creationTimestamp", "deletionTimestamp", "finalizers", "generation"].map(
  (field) => `metadata.${field}`,
);
const veleroLabels = ["backup-name", "restore-name", "volume-namespace", "storage-location", "repository-type"].map(
  (label) => `metadata.labels.velero\\.io/${label}`,
);
const pod = ["nodeName", "serviceAccountName", "hostPID", "hostNetwork", "nodeSelector", "affinity", "tolerations"];
const container = ["name", "image", "command", "args", "env.name", "resources", "securityContext", "volumeMounts"];
const podSpec = [
  ...pod,
  ...["containers", "initContainers"].flatMap((list) => container.map((field) => `${list}.${field}`)),
  ...["name", "hostPath", "emptyDir", "secret.secretName", "configMap.name"].map((field) => `volumes.${field}`),
];
const podVolume = [
  ...["node", "pod", "volume", "backupStorageLocation", "uploaderType", "uploaderSettings", "cancel", "snapshotID"],
  "sourceNamespace",
].map((field) => `spec.${field}`);
const locationConfig = [
  "region",
  "s3Url",
  "publicUrl",
  "s3ForcePathStyle",
  "insecureSkipTLSVerify",
  "checksumAlgorithm",
];

/** By kind; a path goes through lists to each of their items, and a backslash keeps a dot within a name. */
export const keptFields: Readonly<Record<string, readonly string[]>> = {
  Deployment: [...metadata, "spec.replicas", ...podSpec.map((field) => `spec.template.spec.${field}`), "status"],
  DaemonSet: [
    ...metadata,
    "spec.updateStrategy",
    "spec.template.metadata.labels",
    ...podSpec.map((field) => `spec.template.spec.${field}`),
    "status",
  ],
  Pod: [...metadata, "metadata.labels", ...podSpec.map((field) => `spec.${field}`), "status"],
  BackupStorageLocation: [
    ...metadata,
    ...["provider", "default", "accessMode", "objectStorage.bucket", "objectStorage.prefix"].map(
      (field) => `spec.${field}`,
    ),
    ...["credential.name", "credential.key", "validationFrequency", "backupSyncPeriod"].map((field) => `spec.${field}`),
    ...locationConfig.map((key) => `spec.config.${key}`),
    "status",
  ],
  BackupRepository: [
    ...metadata,
    ...veleroLabels,
    ...["volumeNamespace", "backupStorageLocation", "repositoryType", "maintenanceFrequency"].map(
      (field) => `spec.${field}`,
    ),
    "status",
  ],
  Backup: [
    ...metadata,
    ...["storageLocation", "includedNamespaces", "excludedNamespaces", "defaultVolumesToFsBackup"].map(
      (field) => `spec.${field}`,
    ),
    ...["snapshotMoveData", "uploaderConfig"].map((field) => `spec.${field}`),
    "status",
  ],
  PodVolumeBackup: [...metadata, ...veleroLabels, ...podVolume, "status"],
  PodVolumeRestore: [...metadata, ...veleroLabels, ...podVolume, "status"],
  Event: [
    ...metadata,
    ...["involvedObject.kind", "involvedObject.name", "involvedObject.namespace", "reason", "message", "type", "count"],
    ...["firstTimestamp", "lastTimestamp", "eventTime", "source"],
  ],
};

/** A copy of what the paths lead to. */
export function keepFields(value: unknown, paths: readonly string[]): unknown {
  const split = paths.map((path) => path.split(/(?<!\\)\./).map((name) => name.replaceAll("\\.", ".")));
  return kept(value, split);
}

function kept(value: unknown, paths: readonly (readonly string[])[]): unknown {
  if (paths.some((path) => path.length === 0)) return value;
  if (Array.isArray(value)) return value.map((item) => kept(item, paths));
  if (!isJsonObject(value)) return undefined;
  const names = new Set(paths.map(([first = ""]) => first));
  const entries = [...names].filter((name) => Object.hasOwn(value, name));
  return Object.fromEntries(
    entries.map((name) => [
      name,
      kept(
        value[name],
        paths.filter(([first]) => first === name).map((path) => path.slice(1)),
      ),
    ]),
  );
}
