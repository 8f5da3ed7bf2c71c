/**
 * The credentials of a location that names none: those of the Velero server, in the Secret that `velero install` and the
 * Helm chart mount at /credentials.
 *
 * Source: Velero pkg/install/deployment.go, 1.14 to 1.18.
 */

import { posix } from "node:path";
import { itemNamed, textAt } from "../../kubernetes/json.ts";
import type { KubernetesObject, ResourceType } from "../../kubernetes/kubernetes-object.ts";
import type { BackupStorageLocation, SecretKey } from "./velero-resources.ts";

export const deployments: ResourceType = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  plural: "deployments",
  namespaced: true,
};

/** Whether the location's credentials are a file of that Secret, so that the Deployment says which one it is. */
export function isCredentialOfServer(location: BackupStorageLocation): boolean {
  return location.credential === undefined && posix.dirname(credentialsFileOf(location)) === "/credentials";
}

/** Of the volume that Deployment velero mounts at /credentials; undefined where it has none, or there is no Deployment. */
export function serverCredential(
  deployment: KubernetesObject | undefined,
  location: BackupStorageLocation,
): SecretKey | undefined {
  if (!isCredentialOfServer(location)) return undefined;
  const volume = itemNamed("cloud-credentials", deployment?.content, "spec", "template", "spec", "volumes");
  const name = textAt(volume, "secret", "secretName");
  return name === undefined ? undefined : { name, key: posix.basename(credentialsFileOf(location)) };
}

function credentialsFileOf({ config }: BackupStorageLocation): string {
  return config.get("credentialsFile") || "/credentials/cloud";
}
