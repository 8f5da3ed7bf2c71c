/**
 * The objects that the agent reads, parsed from data that nobody has checked.
 *
 * Strict where a wrong value would hurt, tolerant otherwise: a field that is not there is an empty text, and what a
 * backup or restore cannot do without is named in `invalid`, so that its status can tell.
 *
 * Source: Velero v1 CRDs, 1.14 to 1.18; docs/operations/folder-mode.md lists the fields.
 */

import { fromBase64, fromUtf8, toUtf8 } from "../../base/bytes.ts";
import { fieldAt, isJsonObject, itemsAt, textAt, textsAt } from "../../kubernetes/json.ts";
import type { KubernetesObject, ObjectName, OwnerReference, ResourceType } from "../../kubernetes/kubernetes-object.ts";

const velero = "velero.io/v1";
export const podVolumeBackups = typeOf(velero, "PodVolumeBackup", "podvolumebackups");
export const podVolumeRestores = typeOf(velero, "PodVolumeRestore", "podvolumerestores");
export const backupRepositories = typeOf(velero, "BackupRepository", "backuprepositories");
export const backupStorageLocations = typeOf(velero, "BackupStorageLocation", "backupstoragelocations");
export const backups = typeOf(velero, "Backup", "backups");
export const pods = typeOf("v1", "Pod", "pods");
export const secrets = typeOf("v1", "Secret", "secrets");
export const persistentVolumeClaims = typeOf("v1", "PersistentVolumeClaim", "persistentvolumeclaims");
export const persistentVolumes = { ...typeOf("v1", "PersistentVolume", "persistentvolumes"), namespaced: false };
export const configMaps = typeOf("v1", "ConfigMap", "configmaps");
export const nodes = { ...typeOf("v1", "Node", "nodes"), namespaced: false };
export const csiDrivers = { ...typeOf("storage.k8s.io/v1", "CSIDriver", "csidrivers"), namespaced: false };

/** All kinds the agent knows. */
export const agentResourceTypes: readonly ResourceType[] = [
  podVolumeBackups,
  podVolumeRestores,
  backupRepositories,
  backupStorageLocations,
  backups,
  pods,
  secrets,
  persistentVolumeClaims,
  persistentVolumes,
  csiDrivers,
  configMaps,
  nodes,
];

/** The finalizer that a stock agent of 1.17 and later puts on PodVolumeBackups and PodVolumeRestores. */
export const podVolumeFinalizer = "velero.io/pod-volume-finalizer";

export interface PodReference extends ObjectName {
  readonly uid: string;
}

/** What PodVolumeBackup and PodVolumeRestore share. */
export interface PodVolumeResource {
  readonly object: KubernetesObject;
  readonly pod: PodReference;
  readonly volume: string;
  readonly backupStorageLocation: string;
  readonly uploaderType: string;
  readonly uploaderSettings: ReadonlyMap<string, string>;
  readonly isCanceled: boolean;
  /** Empty for a new one. */
  readonly phase: string;
  readonly isDeleted: boolean;
  /** What is missing or wrong, as "spec.volume is missing"; the object cannot be worked on. */
  readonly invalid: string | undefined;
}

export interface PodVolumeBackup extends PodVolumeResource {
  readonly node: string;
  readonly tags: ReadonlyMap<string, string>;
  /** Of the label; empty for volumes that are no claim. */
  readonly pvcUid: string;
  /** Of the annotation; empty for volumes that are no claim. */
  readonly pvcName: string;
  /** The Backup it belongs to. */
  readonly owner: OwnerReference | undefined;
  readonly startTimestamp: string;
  readonly snapshotId: string;
}

export interface PodVolumeRestore extends PodVolumeResource {
  readonly sourceNamespace: string;
  readonly snapshotId: string;
  /** Name of the done marker. */
  readonly restoreUid: string;
  readonly statusNode: string;
}

export function parsePodVolumeBackup(object: KubernetesObject): PodVolumeBackup {
  const { content, metadata } = object;
  const common = parsePodVolumeResource(object, ["node"]);
  return {
    ...common,
    node: textAt(content, "spec", "node") ?? "",
    tags: textsAt(content, "spec", "tags"),
    pvcUid: metadata.labels.get("velero.io/pvc-uid") ?? "",
    pvcName: metadata.annotations.get("velero.io/pvc-name") ?? "",
    owner: metadata.ownerReferences.find((owner) => owner.kind === "Backup"),
    startTimestamp: textAt(content, "status", "startTimestamp") ?? "",
    snapshotId: textAt(content, "status", "snapshotID") ?? "",
  };
}

export function parsePodVolumeRestore(object: KubernetesObject): PodVolumeRestore {
  const { content, metadata } = object;
  const common = parsePodVolumeResource(object, ["sourceNamespace", "snapshotID"]);
  const owners = metadata.ownerReferences;
  const owner = owners.find((reference) => reference.controller) ?? owners[0];
  const restoreUid = owner?.uid || (metadata.labels.get("velero.io/restore-uid") ?? "");
  const noMarker = isPathComponent(restoreUid)
    ? undefined
    : "metadata.ownerReferences names no Restore whose uid could name the done marker";
  return {
    ...common,
    invalid: common.invalid ?? noMarker,
    sourceNamespace: textAt(content, "spec", "sourceNamespace") ?? "",
    snapshotId: textAt(content, "spec", "snapshotID") ?? "",
    restoreUid,
    statusNode: textAt(content, "status", "node") ?? "",
  };
}

function parsePodVolumeResource(object: KubernetesObject, required: readonly string[]): PodVolumeResource {
  const { content, metadata } = object;
  const text = (...path: string[]) => textAt(content, "spec", ...path) ?? "";
  const names = [["pod", "namespace"], ["pod", "name"], ["volume"]];
  const problems = [
    ...[...required.map((field) => [field]), ...names, ["backupStorageLocation"]]
      .filter((path) => text(...path) === "")
      .map((path) => `spec.${path.join(".")} is missing`),
    ...names.filter((path) => !isPathComponent(text(...path))).map((path) => `spec.${path.join(".")} is no name`),
  ];
  return {
    object,
    pod: { namespace: text("pod", "namespace"), name: text("pod", "name"), uid: text("pod", "uid") },
    volume: text("volume"),
    backupStorageLocation: text("backupStorageLocation"),
    uploaderType: text("uploaderType"),
    uploaderSettings: textsAt(content, "spec", "uploaderSettings"),
    isCanceled: fieldAt(content, "spec", "cancel") === true,
    phase: textAt(content, "status", "phase") ?? "",
    isDeleted: metadata.deletionTimestamp !== undefined,
    invalid: problems[0],
  };
}

export type PodVolumeSource =
  | { readonly kind: "claim"; readonly claimName: string }
  | { readonly kind: "csi" }
  /** Of a claim that is made for the pod and named after both. */
  | { readonly kind: "ephemeral" }
  | {
      readonly kind: "other";
      /** As the pod's spec names it: "emptyDir", "nfs"; empty where it names none. */
      readonly type: string;
      /** An emptyDir that is a mount of its own. */
      readonly isMemory: boolean;
    };

export interface Pod {
  readonly object: KubernetesObject;
  readonly uid: string;
  readonly node: string;
  readonly phase: string;
  readonly volumes: ReadonlyMap<string, PodVolumeSource>;
  /** The init container that waits for the done marker: not there, there, or running. */
  readonly restoreWait: "absent" | "not running" | "running";
  /** Of a pod that the kubelet mirrors from a file; its folder is named after it. */
  readonly mirrorUid: string | undefined;
}

export function parsePod(object: KubernetesObject): Pod {
  const { content, metadata } = object;
  const volumes = new Map<string, PodVolumeSource>();
  for (const volume of itemsAt(content, "spec", "volumes")) {
    const name = textAt(volume, "name");
    if (name !== undefined) volumes.set(name, podVolumeSource(volume));
  }
  const isRunning = itemsAt(content, "status", "initContainerStatuses")
    .filter(isRestoreWait)
    .some(
      (status) => fieldAt(status, "state", "running") !== undefined && fieldAt(status, "state", "running") !== null,
    );
  const isThere = itemsAt(content, "spec", "initContainers").some(isRestoreWait);
  return {
    object,
    uid: metadata.uid,
    node: textAt(content, "spec", "nodeName") ?? "",
    phase: textAt(content, "status", "phase") ?? "",
    volumes,
    restoreWait: !isThere ? "absent" : isRunning ? "running" : "not running",
    mirrorUid: metadata.annotations.get("kubernetes.io/config.mirror"),
  };
}

function podVolumeSource(volume: unknown): PodVolumeSource {
  const claimName = textAt(volume, "persistentVolumeClaim", "claimName");
  if (claimName !== undefined) return { kind: "claim", claimName };
  const [type = ""] = isJsonObject(volume) ? Object.keys(volume).filter((key) => key !== "name") : [];
  if (type === "csi" || type === "ephemeral") return { kind: type };
  return { kind: "other", type, isMemory: (textAt(volume, "emptyDir", "medium") ?? "") !== "" };
}

/** Whom init container restore-wait runs as, as far as its pod says. */
export interface RestoreWaitUser {
  readonly image: string;
  /** Of the container, else of the pod; undefined where the image says. */
  readonly userId: number | undefined;
  readonly groupId: number | undefined;
  /** That it has besides: fsGroup and supplementalGroups. */
  readonly otherGroupIds: readonly number[];
  readonly isPrivileged: boolean;
  /** Capabilities without "CAP_", in capitals; "ALL" is one. */
  readonly added: readonly string[];
  readonly dropped: readonly string[];
}

/** Undefined where the pod has no such container. A container's own security context goes before the pod's. */
export function parseRestoreWaitUser({ content }: KubernetesObject): RestoreWaitUser | undefined {
  const container = itemsAt(content, "spec", "initContainers").find(isRestoreWait);
  if (container === undefined) return undefined;
  const ofPod = (field: string) => fieldAt(content, "spec", "securityContext", field);
  const own = (...path: string[]) => fieldAt(container, "securityContext", ...path);
  const capabilities = (list: string) =>
    itemsAt(container, "securityContext", "capabilities", list)
      .filter((name) => typeof name === "string")
      .map((name) => name.toUpperCase().replace(/^CAP_/, ""));
  return {
    image: textAt(container, "image") ?? "",
    userId: idOf(own("runAsUser")) ?? idOf(ofPod("runAsUser")),
    groupId: idOf(own("runAsGroup")) ?? idOf(ofPod("runAsGroup")),
    otherGroupIds: [ofPod("fsGroup"), ...itemsAt(content, "spec", "securityContext", "supplementalGroups")]
      .map(idOf)
      .filter((id) => id !== undefined),
    isPrivileged: own("privileged") === true,
    added: capabilities("add"),
    dropped: capabilities("drop"),
  };
}

function isRestoreWait(container: unknown): boolean {
  return textAt(container, "name") === "restore-wait";
}

function idOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;
}

export interface PersistentVolumeClaim {
  /** Empty while it is not bound. */
  readonly volumeName: string;
}

export function parsePersistentVolumeClaim(object: KubernetesObject): PersistentVolumeClaim {
  return { volumeName: textAt(object.content, "spec", "volumeName") ?? "" };
}

export interface PersistentVolume {
  readonly name: string;
  readonly isCsi: boolean;
  readonly isBlock: boolean;
  readonly isHostPath: boolean;
  /** Names that may be those of the CSI drivers which now serve an in-tree volume. */
  readonly migratedTo: readonly string[];
}

export function parsePersistentVolume(object: KubernetesObject): PersistentVolume {
  const { annotations } = object.metadata;
  const drivers = ["pv.kubernetes.io/provisioned-by", "pv.kubernetes.io/migrated-to"].map((key) =>
    annotations.get(key),
  );
  return {
    name: object.metadata.name,
    isCsi: (fieldAt(object.content, "spec", "csi") ?? null) !== null,
    isBlock: textAt(object.content, "spec", "volumeMode") === "Block",
    isHostPath: (fieldAt(object.content, "spec", "hostPath") ?? null) !== null,
    migratedTo: drivers.filter((driver): driver is string => driver !== undefined && driver !== ""),
  };
}

export interface ObjectStorage {
  readonly bucket: string;
  readonly prefix: string;
  /** PEM; empty for none. */
  readonly caCert: string;
  /** Goes before `caCert`; of Velero 1.18. */
  readonly caCertRef: SecretKey | undefined;
}

/** One key of a Secret in Velero's namespace. */
export interface SecretKey {
  readonly name: string;
  readonly key: string;
}

export interface BackupStorageLocation {
  readonly name: string;
  /** The one that is meant where none is named. */
  readonly isDefault: boolean;
  readonly provider: string;
  /** Undefined where the object has no objectStorage at all. */
  readonly objectStorage: ObjectStorage | undefined;
  /** Of the store's credentials. */
  readonly credential: SecretKey | undefined;
  readonly config: ReadonlyMap<string, string>;
}

export function parseBackupStorageLocation(object: KubernetesObject): BackupStorageLocation {
  const { content, metadata } = object;
  const text = (key: string) => textAt(content, "spec", "objectStorage", key) ?? "";
  const isStorageGiven = (fieldAt(content, "spec", "objectStorage") ?? null) !== null;
  return {
    name: metadata.name,
    isDefault: fieldAt(content, "spec", "default") === true,
    provider: textAt(content, "spec", "provider") ?? "",
    objectStorage: isStorageGiven
      ? {
          bucket: text("bucket"),
          prefix: text("prefix"),
          caCert: decodedIfEncoded(text("caCert")),
          caCertRef: secretKeyAt(content, "objectStorage", "caCertRef"),
        }
      : undefined,
    credential: secretKeyAt(content, "credential"),
    config: textsAt(content, "spec", "config"),
  };
}

/** The API has it in base64; who writes a file by hand may put the PEM there. */
function decodedIfEncoded(text: string): string {
  const bytes = fromBase64(text.replaceAll(/\s/g, ""));
  return bytes === undefined ? text : fromUtf8(bytes);
}

/** Undefined unless it names both. */
function secretKeyAt(content: unknown, ...path: readonly string[]): SecretKey | undefined {
  const name = textAt(content, "spec", ...path, "name") ?? "";
  const key = textAt(content, "spec", ...path, "key") ?? "";
  return name === "" || key === "" ? undefined : { name, key };
}

export interface BackupRepository {
  readonly volumeNamespace: string;
  readonly backupStorageLocation: string;
  readonly repositoryType: string;
  readonly phase: string;
  readonly message: string;
}

export function parseBackupRepository(object: KubernetesObject): BackupRepository {
  const { content } = object;
  return {
    volumeNamespace: textAt(content, "spec", "volumeNamespace") ?? "",
    backupStorageLocation: textAt(content, "spec", "backupStorageLocation") ?? "",
    repositoryType: textAt(content, "spec", "repositoryType") ?? "",
    phase: textAt(content, "status", "phase") ?? "",
    message: textAt(content, "status", "message") ?? "",
  };
}

/** The bytes of a Secret's key, or undefined. As in an API server, `stringData` wins over `data`. */
export function secretValue(object: KubernetesObject, key: string): Uint8Array | undefined {
  const plain = textAt(object.content, "stringData", key);
  if (plain !== undefined) return toUtf8(plain);
  const encoded = textAt(object.content, "data", key);
  return encoded === undefined ? undefined : fromBase64(encoded.replaceAll(/\s/g, ""));
}

/** Whether a text may be one component of a path: not empty, not long, no slash, no dot names, no control characters. */
export function isPathComponent(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return text !== "." && text !== ".." && /^[^/\u0000-\u001f\u007f]{1,255}$/.test(text);
}

function typeOf(apiVersion: string, kind: string, plural: string): ResourceType {
  return { apiVersion, kind, plural, namespaced: true };
}
