/**
 * From a BackupStorageLocation to the place of one namespace's repository.
 *
 * Source: Velero pkg/repository/config/config.go, pkg/repository/provider/unified_repo.go (1.14 to 1.18).
 */

import { posix } from "node:path";
import { AgentError } from "./agent-error.ts";
import { type BackupStorageLocation, isPathComponent } from "./velero-resources.ts";
import type { RepositoryLocation } from "./volume-work.ts";

/** `<prefix>/kopia/<namespace>/`, or `kopia/<namespace>/` where the location has no prefix. */
export function repositoryPrefix(location: BackupStorageLocation, volumeNamespace: string): string {
  const given = location.objectStorage?.prefix ?? location.config.get("prefix") ?? "";
  const prefix = given.replaceAll(/^\/+|\/+$/g, "");
  if (prefix.split("/").includes("..") || !isPathComponent(volumeNamespace)) {
    throw invalid(location, "its prefix, or the namespace of the volume, leaves the bucket");
  }
  return `${posix.join(prefix, "kopia", volumeNamespace)}/`;
}

/** Throws BACKUP_LOCATION_PROVIDER_UNSUPPORTED and BACKUP_LOCATION_INVALID. */
export function repositoryLocation(location: BackupStorageLocation, volumeNamespace: string): RepositoryLocation {
  const provider = location.provider.includes("/") ? location.provider : `velero.io/${location.provider}`;
  if (provider !== "velero.io/fs") {
    throw new AgentError(
      "BACKUP_LOCATION_PROVIDER_UNSUPPORTED",
      `invalid storage provider ${JSON.stringify(location.provider)} of backup storage location ${location.name}`,
      { hint: "this agent serves provider velero.io/fs with config.fspath" },
    );
  }
  const fspath = location.config.get("fspath") ?? "";
  if (!posix.isAbsolute(fspath)) throw invalid(location, "config.fspath is missing or no absolute path");
  const folder = posix.join(fspath, repositoryPrefix(location, volumeNamespace)).replace(/\/$/, "");
  return { kind: "fs", base: fspath, folder };
}

function invalid(location: BackupStorageLocation, what: string): AgentError {
  return new AgentError("BACKUP_LOCATION_INVALID", `backup storage location ${location.name} cannot be used: ${what}`);
}
