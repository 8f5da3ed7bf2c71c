/**
 * `--velero`: a namespace's repository as the Velero server of a cluster has it. Location, credentials and password are
 * read as the agent reads them, by the rights of the person's own kubeconfig; nothing is written, in the cluster or here.
 *
 * A location without credentials of its own has those of the server. They are in the Secret that `velero install` and the
 * Helm chart mount at /credentials; where there is none, a person's own stand in for a pod's role.
 *
 * Errors: ResourceError, and AgentError and CliError with BACKUP_LOCATION_…, REPOSITORY_PASSWORD_NOT_FOUND,
 * CLI_ENDPOINT_UNRESOLVED, CLI_USAGE.
 */

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { AgentError } from "../agent/agent-error.ts";
import type { RepositoryLocation } from "../agent/engine/volume-work.ts";
import { readLocationSecrets } from "../agent/velero/location-secrets.ts";
import { repositoryLocation } from "../agent/velero/repository-location.ts";
import { readRepositoryPassword } from "../agent/velero/repository-password.ts";
import { deployments, isCredentialOfServer, serverCredential } from "../agent/velero/server-credential.ts";
import {
  type BackupStorageLocation,
  backupRepositories,
  backupStorageLocations,
  parseBackupRepository,
  parseBackupStorageLocation,
  type SecretKey,
} from "../agent/velero/velero-resources.ts";
import { errnoOf, hasCode, isNameUnknown } from "../base/errors.ts";
import type { ResourceStore } from "../kubernetes/resource-store.ts";
import { parseS3Endpoint } from "../repository/blob/s3-location.ts";
import { CliError } from "./cli-error.ts";
import { openCluster } from "./cluster.ts";
import type { Output } from "./terminal.ts";

/** As given on the command line. */
export interface VeleroOptions {
  readonly velero?: boolean;
  readonly veleroNamespace?: string;
  readonly bsl?: string;
  /** Of the pods. */
  readonly namespace?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly endpoint?: string;
}

export interface VeleroSearch {
  readonly env: NodeJS.ProcessEnv;
  readonly output: Output;
  readonly signal: AbortSignal;
  /** Given where the password is not that of the cluster. */
  readOwnPassword?(): Promise<string>;
}

export async function findVeleroRepository(
  options: VeleroOptions,
  search: VeleroSearch,
): Promise<{ readonly location: RepositoryLocation; readonly password: string }> {
  const { kubeconfig, context, veleroNamespace = "velero" } = options;
  const { env, output, signal } = search;
  await using cluster = await openCluster({ kubeconfig, context }, { env, log: output.log() });
  const { store } = cluster;
  const bsl = await findStorageLocation(store, veleroNamespace, options.bsl, signal);
  const namespace = options.namespace ?? (await unnamed(store, veleroNamespace, bsl, signal));
  const location = await locate(store, veleroNamespace, bsl, namespace, search);
  const password = (await search.readOwnPassword?.()) ?? (await readRepositoryPassword(store, veleroNamespace, signal));
  return { location: await reachable(location, options.endpoint, bsl, veleroNamespace), password };
}

async function findStorageLocation(
  store: ResourceStore,
  veleroNamespace: string,
  name: string | undefined,
  signal: AbortSignal,
): Promise<BackupStorageLocation> {
  const named =
    name === undefined
      ? undefined
      : await store.get(backupStorageLocations, { namespace: veleroNamespace, name }, { signal });
  if (named !== undefined) return parseBackupStorageLocation(named);
  const objects = await store.list(backupStorageLocations, { namespace: veleroNamespace }, { signal });
  const all = objects.map(parseBackupStorageLocation);
  const defaults = all.filter(({ isDefault }) => isDefault);
  const [only] = defaults;
  if (name === undefined && only !== undefined && defaults.length === 1) return only;
  const what =
    name !== undefined
      ? `namespace ${veleroNamespace} has no backup storage location ${name}`
      : defaults.length === 0
        ? `no backup storage location of namespace ${veleroNamespace} is the default one`
        : `several backup storage locations of namespace ${veleroNamespace} are the default one`;
  const names = all.map((location) => location.name).sort();
  throw new AgentError("BACKUP_LOCATION_NOT_FOUND", what, {
    hint:
      names.length === 0
        ? `there is none in namespace ${veleroNamespace}: name Velero's namespace with -n`
        : `name one of those there are: --bsl ${names.join(", --bsl ")}`,
  });
}

/** Throws, with the namespaces that there are, where this person may know. */
async function unnamed(
  store: ResourceStore,
  veleroNamespace: string,
  bsl: BackupStorageLocation,
  signal: AbortSignal,
): Promise<never> {
  const repositories = await store
    .list(backupRepositories, { namespace: veleroNamespace }, { signal })
    .catch((error: unknown) => {
      if (hasCode(error, "RESOURCE_STORE_DENIED")) return []; // It was for the hint only.
      throw error;
    });
  const namespaces = repositories
    .map(parseBackupRepository)
    .filter(({ backupStorageLocation }) => backupStorageLocation === bsl.name)
    .map(({ volumeNamespace }) => volumeNamespace);
  const known = [...new Set(namespaces)].sort();
  throw new CliError("CLI_USAGE", "a repository of Velero's is of one namespace, and none was named", {
    hint:
      known.length === 0
        ? "give --namespace, the namespace of the pods"
        : `name one of those that ${bsl.name} has: --namespace ${known.slice(0, 20).join(", --namespace ")}`,
  });
}

async function locate(
  store: ResourceStore,
  veleroNamespace: string,
  bsl: BackupStorageLocation,
  namespace: string,
  { output, signal }: VeleroSearch,
): Promise<RepositoryLocation> {
  // Without secrets at first: what cannot be served needs none.
  const plain = repositoryLocation(bsl, namespace, {});
  if (plain.kind === "fs") return plain;
  const credential = bsl.credential ?? (await credentialOfServer(store, veleroNamespace, bsl, signal));
  if (credential === undefined) {
    output.note(`the cluster has no credentials for backup storage location ${bsl.name}: your own are used`);
  }
  const withCredential = credential === undefined ? bsl : { ...bsl, credential };
  const secrets = await readLocationSecrets(store, withCredential, veleroNamespace, signal);
  const location = repositoryLocation(withCredential, namespace, secrets);
  if (credential !== undefined || location.kind === "fs") return location;
  // A file that the location names is one of the server's container.
  const { credentials: _, ...withoutFile } = location;
  return withoutFile;
}

/** As if there were none where the Deployment may not be looked at. */
async function credentialOfServer(
  store: ResourceStore,
  veleroNamespace: string,
  bsl: BackupStorageLocation,
  signal: AbortSignal,
): Promise<SecretKey | undefined> {
  if (!isCredentialOfServer(bsl)) return undefined;
  const deployment = await store
    .get(deployments, { namespace: veleroNamespace, name: "velero" }, { signal })
    .catch((error: unknown) => {
      if (hasCode(error, "RESOURCE_STORE_DENIED")) return undefined;
      throw error;
    });
  return serverCredential(deployment, bsl);
}

/** At the server as it is called here. A name that only the cluster knows is told at once, not after many attempts. */
async function reachable(
  location: RepositoryLocation,
  override: string | undefined,
  bsl: BackupStorageLocation,
  veleroNamespace: string,
): Promise<RepositoryLocation> {
  if (location.kind === "fs") {
    if (override === undefined) return location;
    throw new CliError("CLI_USAGE", `backup storage location ${bsl.name} is a folder, which has no endpoint`, {
      hint: "leave --endpoint out",
    });
  }
  const endpoint = parseS3Endpoint(override ?? location.endpoint);
  if (endpoint === undefined) return location;
  const url = new URL(endpoint.url);
  if (isIP(url.hostname.replaceAll(/[[\]]/g, "")) === 0) {
    try {
      await lookup(url.hostname);
    } catch (cause) {
      if (!isNameUnknown(errnoOf(cause))) throw cause;
      throw new CliError("CLI_ENDPOINT_UNRESOLVED", `the name of ${endpoint.url} is not known here`, {
        cause,
        detail: { endpoint: endpoint.url, location: bsl.name },
        hint: override === undefined ? wayInto(url, bsl, veleroNamespace) : "correct --endpoint",
      });
    }
  }
  return { ...location, endpoint: endpoint.url };
}

function wayInto(url: URL, { config }: BackupStorageLocation, veleroNamespace: string): string {
  const publicUrl = URL.parse(config.get("publicUrl") ?? "");
  if (publicUrl !== null) return `give --endpoint ${publicUrl.origin}, which the location calls its public URL`;
  const [service, namespace = veleroNamespace] = url.hostname.split(".");
  const port = url.port || (url.protocol === "http:" ? "80" : "443");
  return `if it is a Service of the cluster: kubectl port-forward -n ${namespace} service/${service} 9000:${port}, and give --endpoint ${url.protocol}//127.0.0.1:9000`;
}
