/**
 * The credentials of a location that names none: those of the Velero server, in the Secret that `velero install` and the
 * Helm chart mount at /credentials.
 *
 * Source: Velero pkg/install/deployment.go, 1.14 to 1.18.
 */

import { posix } from "node:path";
import { hasCode } from "../../base/errors.ts";
import { itemsAt, textAt } from "../../kubernetes/json.ts";
import type { ResourceType } from "../../kubernetes/kubernetes-object.ts";
import type { ResourceReader } from "../../kubernetes/resource-store.ts";
import type { BackupStorageLocation, SecretKey } from "./velero-resources.ts";

export const deployments: ResourceType = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  plural: "deployments",
  namespaced: true,
};

/** Of the volume that Deployment velero mounts at /credentials; undefined where it has none, or may not be looked at. */
export async function credentialOfServer(
  store: ResourceReader,
  veleroNamespace: string,
  { config }: BackupStorageLocation,
  signal: AbortSignal,
): Promise<SecretKey | undefined> {
  const file = config.get("credentialsFile") || "/credentials/cloud";
  if (posix.dirname(file) !== "/credentials") return undefined;
  const deployment = await store
    .get(deployments, { namespace: veleroNamespace, name: "velero" }, { signal })
    .catch((error: unknown) => {
      if (hasCode(error, "RESOURCE_STORE_DENIED")) return undefined; // Then it is as if there were none.
      throw error;
    });
  const volumes = itemsAt(deployment?.content, "spec", "template", "spec", "volumes");
  const volume = volumes.find((candidate) => textAt(candidate, "name") === "cloud-credentials");
  const name = textAt(volume, "secret", "secretName");
  return name === undefined ? undefined : { name, key: posix.basename(file) };
}
