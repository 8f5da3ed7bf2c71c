/**
 * What somebody elsewhere needs to see why a cluster's backups fail: the findings, Velero's objects, recent events and the
 * agents' logs. One JSON document, without secrets: of objects only the fields of `kept-fields.ts`, and every text through
 * `redaction.ts`. What could not be had is named in it.
 */

import { deployments } from "../agent/velero/server-credential.ts";
import {
  backupRepositories,
  backupStorageLocations,
  backups,
  pods,
  podVolumeBackups,
  podVolumeRestores,
} from "../agent/velero/velero-resources.ts";
import { compareText } from "../base/go-json.ts";
import { ApiClient } from "../kubernetes/api-client.ts";
import type { ApiConnection } from "../kubernetes/api-connection.ts";
import { objectPath } from "../kubernetes/api-path.ts";
import type { ApiResourceStore } from "../kubernetes/api-resource-store.ts";
import { itemsAt, textAt } from "../kubernetes/json.ts";
import type { KubernetesObject, ResourceType } from "../kubernetes/kubernetes-object.ts";
import { agentName, daemonSets } from "./cluster-resources.ts";
import { look } from "./finding.ts";
import { keepFields, keptFields } from "./kept-fields.ts";
import type { Redaction } from "./redaction.ts";

const events: ResourceType = { apiVersion: "v1", kind: "Event", plural: "events", namespaced: true };

/** Of each kind the newest: enough to see what fails, and a document that can be sent. */
const objectsMax = 500;
const podsWithLogMax = 20;
const logLines = 1000;
const logBytesMax = 256 * 1024;

export interface ClusterOfBundle {
  readonly connection: ApiConnection;
  readonly store: ApiResourceStore;
  readonly veleroNamespace: string;
  readonly signal: AbortSignal;
}

export type ClusterPart = {
  readonly objects: Readonly<Record<string, readonly unknown[]>>;
  /** By "pod/container". */
  readonly logs: Readonly<Record<string, string>>;
  readonly notKnown: readonly string[];
};

/** Not redacted yet. */
export async function gatherForBundle(cluster: ClusterOfBundle): Promise<ClusterPart> {
  const { connection, store, veleroNamespace: namespace, signal } = cluster;
  const objects: Record<string, readonly unknown[]> = {};
  const logs: Record<string, string> = {};
  const notKnown: string[] = [];
  const take = async (type: ResourceType, find: () => Promise<readonly KubernetesObject[]>) => {
    const seen = await look(find);
    if ("value" in seen)
      objects[type.kind] = newest(seen.value).map(({ content }) => keepFields(content, keptFields[type.kind] ?? []));
    else notKnown.push(`${type.plural}: ${seen.trouble.because}`);
    return "value" in seen ? seen.value : [];
  };
  // Others of the namespace are none of Velero's, and whoever may get these two may not be let list them.
  const one = async (type: ResourceType, name: string): Promise<readonly KubernetesObject[]> => {
    const object = await store.get(type, { namespace, name }, { signal });
    return object === undefined ? [] : [object];
  };
  const list = (type: ResourceType, labels: Readonly<Record<string, string>> = {}) =>
    take(type, () => store.list(type, { namespace, labels }, { signal }));
  await take(deployments, () => one(deployments, "velero"));
  await take(daemonSets, () => one(daemonSets, agentName));
  for (const type of [
    backupStorageLocations,
    backupRepositories,
    backups,
    podVolumeBackups,
    podVolumeRestores,
    events,
  ]) {
    await list(type);
  }
  const agents = await list(pods, { name: agentName });
  using client = new ApiClient({ connection, stallMs: 10_000 });
  for (const pod of agents.slice(0, podsWithLogMax)) {
    for (const container of ["initContainers", "containers"].flatMap((field) => itemsAt(pod.content, "spec", field))) {
      const name = textAt(container, "name") ?? "";
      const log = await look(() => readLog(client, pod, name, signal));
      if ("value" in log) logs[`${pod.metadata.name}/${name}`] = log.value;
      else notKnown.push(`log of ${pod.metadata.name}/${name}: ${log.trouble.because}`);
    }
  }
  return { objects, logs, notKnown };
}

async function readLog(
  client: ApiClient,
  pod: KubernetesObject,
  container: string,
  signal: AbortSignal,
): Promise<string> {
  const { namespace, name } = pod.metadata;
  const query = new URLSearchParams({
    container,
    timestamps: "true",
    tailLines: String(logLines),
    limitBytes: String(logBytesMax),
  });
  const type: ResourceType = { apiVersion: "v1", kind: "PodLog", plural: "pods/log", namespaced: true };
  const purpose = { verb: "get", type, namespace, name } as const;
  const path = `${objectPath(pods, { namespace, name })}/log`;
  return await client.text({ purpose, method: "GET", path, query, accept: "*/*" }, signal);
}

function newest(objects: readonly KubernetesObject[]): readonly KubernetesObject[] {
  const made = ({ metadata }: KubernetesObject) => metadata.creationTimestamp ?? "";
  return objects.toSorted((a, b) => compareText(made(b), made(a))).slice(0, objectsMax);
}

/** Indented, so that it can be read and looked through before it is sent. */
export function writeBundle(parts: Readonly<Record<string, unknown>>, redaction: Redaction): string {
  return `${JSON.stringify(redaction.value(parts), undefined, 1)}\n`;
}
