/**
 * From a BackupStorageLocation to the place of one namespace's repository.
 *
 * Source: Velero pkg/repository/config/config.go, pkg/repository/provider/unified_repo.go (1.14 to 1.18).
 */

import { posix } from "node:path";
import { AgentError } from "../agent-error.ts";
import type { BucketLocation, FolderLocation, RepositoryLocation } from "../engine/volume-work.ts";
import type { LocationSecrets } from "./location-secrets.ts";
import { type BackupStorageLocation, isPathComponent } from "./velero-resources.ts";

/** `<prefix>/kopia/<namespace>/`, or `kopia/<namespace>/` where the location has no prefix. */
export function repositoryPrefix(location: BackupStorageLocation, volumeNamespace: string): string {
  const given = location.objectStorage?.prefix ?? location.config.get("prefix") ?? "";
  const prefix = trimSlashes(given);
  if (prefix.split("/").includes("..") || !isPathComponent(volumeNamespace)) {
    throw invalid(location, "its prefix, or the namespace of the volume, leaves the bucket");
  }
  return `${posix.join(prefix, "kopia", volumeNamespace)}/`;
}

/**
 * `secrets` are those that the location names. As in Velero, `s3Url` makes any provider one of S3 that is not known
 * otherwise; keys of `config` that are for Velero's own plugin do not count (`s3ForcePathStyle`, `publicUrl`,
 * `checksumAlgorithm`, encryption by keys of the customer).
 *
 * Throws BACKUP_LOCATION_PROVIDER_UNSUPPORTED and BACKUP_LOCATION_INVALID.
 */
export function repositoryLocation(
  location: BackupStorageLocation,
  volumeNamespace: string,
  secrets: LocationSecrets,
): RepositoryLocation {
  const provider = location.provider.includes("/") ? location.provider : `velero.io/${location.provider}`;
  switch (provider) {
    case "velero.io/fs":
      return folderLocation(location, volumeNamespace);
    case "velero.io/aws":
      return bucketLocation(location, volumeNamespace, secrets);
    case "velero.io/azure":
    case "velero.io/gcp":
      throw unsupported(location, "let the stock agent serve this location: its object store is not supported yet");
    default:
      if ((location.config.get("s3Url") ?? "") !== "") return bucketLocation(location, volumeNamespace, secrets);
      throw unsupported(location, "use provider velero.io/aws, or one with config.s3Url, or velero.io/fs");
  }
}

function folderLocation(location: BackupStorageLocation, volumeNamespace: string): FolderLocation {
  const fspath = location.config.get("fspath") ?? "";
  if (!posix.isAbsolute(fspath)) throw invalid(location, "config.fspath is missing or no absolute path");
  const folder = posix.join(fspath, repositoryPrefix(location, volumeNamespace)).replace(/\/$/, "");
  return { kind: "fs", base: fspath, folder };
}

function bucketLocation(
  location: BackupStorageLocation,
  volumeNamespace: string,
  secrets: LocationSecrets,
): BucketLocation {
  const { config, objectStorage } = location;
  const bucket = trimSlashes(objectStorage === undefined ? (config.get("bucket") ?? "") : objectStorage.bucket);
  if (bucket === "") throw invalid(location, "it names no bucket");
  const [endpoint, region = "", profile, path] = ["s3Url", "region", "profile", "credentialsFile"].map(
    (key) => config.get(key) || undefined,
  );
  const credentials = secrets.credentials ?? (path === undefined ? undefined : { path });
  return {
    kind: "s3",
    bucket,
    prefix: repositoryPrefix(location, volumeNamespace),
    isCertificateUnchecked: /^(1|t|T|TRUE|true|True)$/.test(config.get("insecureSkipTLSVerify") ?? ""),
    ...(endpoint !== undefined && { endpoint }),
    ...(trimSlashes(region) !== "" && { region: trimSlashes(region) }),
    ...(profile !== undefined && { profile }),
    ...(credentials !== undefined && { credentials }),
    ...(secrets.authorities !== undefined && { authorities: secrets.authorities }),
  };
}

function trimSlashes(text: string): string {
  return text.replaceAll(/^\/+|\/+$/g, "");
}

function unsupported(location: BackupStorageLocation, hint: string): AgentError {
  return new AgentError(
    "BACKUP_LOCATION_PROVIDER_UNSUPPORTED",
    `invalid storage provider ${JSON.stringify(location.provider)} of backup storage location ${location.name}`,
    { hint },
  );
}

function invalid(location: BackupStorageLocation, what: string): AgentError {
  return new AgentError("BACKUP_LOCATION_INVALID", `backup storage location ${location.name} cannot be used: ${what}`);
}
