/**
 * Looks at an installation from a kubeconfig, one thing after the other, and has each judged. What cannot be looked at does
 * not end it: it is a finding. Nothing is changed in the cluster; a review of rights is asked, and kept nowhere.
 *
 * Source: Kubernetes authorization.k8s.io/v1; docs/operations/command-line.md, "fsb doctor".
 */

import assert from "node:assert/strict";
import type { LocationSecrets } from "../agent/velero/location-secrets.ts";
import { readLocationSecrets } from "../agent/velero/location-secrets.ts";
import { repositoryLocation } from "../agent/velero/repository-location.ts";
import { readRepositoryPassword } from "../agent/velero/repository-password.ts";
import { deployments, isCredentialOfServer, serverCredential } from "../agent/velero/server-credential.ts";
import { generationOf } from "../agent/velero/velero-generation.ts";
import {
  type BackupStorageLocation,
  backupRepositories,
  backupStorageLocations,
  parseBackupRepository,
  parseBackupStorageLocation,
  pods,
  podVolumeBackups,
} from "../agent/velero/velero-resources.ts";
import { mapBounded } from "../base/concurrency.ts";
import { ApiClient } from "../kubernetes/api-client.ts";
import type { ApiConnection } from "../kubernetes/api-connection.ts";
import type { ApiResourceStore } from "../kubernetes/api-resource-store.ts";
import { fieldAt, type JsonObject, textAt } from "../kubernetes/json.ts";
import type { KubernetesObject, ResourceType } from "../kubernetes/kubernetes-object.ts";
import type { S3Location } from "../repository/blob/s3-location.ts";
import { agentRights } from "./agent-rights.ts";
import { agentName, daemonSets } from "./cluster-resources.ts";
import { lookAtRepository, type Means, probe } from "./examine-repository.ts";
import { type Finding, fail, look, ok, type Seen, unknown, warn } from "./finding.ts";
import {
  type ApiServerSeen,
  agentAccount,
  aheadOf,
  judgeAgentPods,
  judgeAgentRights,
  judgeApiServer,
  judgeDaemonSet,
  judgeDefinitions,
  judgeOwnRights,
  judgeServer,
  type RightSeen,
} from "./judge-cluster.ts";
import { judgeMaintenance, judgeOpening, judgePassword, judgeRepositoryState, subjectOf } from "./judge-repository.ts";
import { type CredentialsSeen, judgeCredentials, judgeLocation, judgeProbe, judgeStoreClock } from "./judge-store.ts";

export interface ClusterExamination extends Means {
  readonly connection: ApiConnection;
  readonly store: ApiResourceStore;
  readonly veleroNamespace: string;
  /** Asked from within a pod, by the rights of its service account. */
  readonly isInPod: boolean;
  /** Only this location, and the repositories at it. */
  readonly bsl?: string;
  /** Only the repositories of this namespace. */
  readonly namespace?: string;
  /** Of the store's server, instead of the location's. */
  readonly endpoint?: string;
  /** Given where the password is not that of the cluster. */
  readOwnPassword?(): Promise<string>;
  /** Told of every secret that is read, before anything else is done with it. */
  onSecret(text: string): void;
}

const reviewsAtOnce = 4;

export async function* examineCluster(asked: ClusterExamination): AsyncGenerator<Finding> {
  const { connection, store, veleroNamespace, clock, signal } = asked;
  using client = new ApiClient({ connection, stallMs: 10_000 });
  const server = await look(() => readApiServer(client, asked));
  yield* judgeApiServer(connection.displayName, server);
  if ("trouble" in server && server.trouble.code !== "RESOURCE_STORE_DENIED") return;
  yield judgeOwnRights(await look(() => ownRights(client, asked)), asked.isInPod);

  const namespace = veleroNamespace;
  const deployment = await look(() => store.get(deployments, { namespace, name: "velero" }, { signal }));
  yield* judgeServer(veleroNamespace, deployment);
  const generation = await look(async () => generationOf(await store.schema(podVolumeBackups, { signal })));
  yield judgeDefinitions(generation, deployment);

  const daemonSet = await look(() => store.get(daemonSets, { namespace, name: agentName }, { signal }));
  yield* judgeDaemonSet(veleroNamespace, daemonSet);
  const agents = await look(() => store.list(pods, { namespace, labels: { name: agentName } }, { signal }));
  yield* judgeAgentPods(veleroNamespace, agents);
  const account = "value" in daemonSet && daemonSet.value && agentAccount(veleroNamespace, daemonSet.value);
  if (account) yield judgeAgentRights(account, await look(() => rightsOfAccount(client, account, asked)));

  const password = await look(asked.readOwnPassword ?? (() => readRepositoryPassword(store, namespace, signal)));
  if ("value" in password) asked.onSecret(password.value);
  yield judgePassword(password);
  const clusterAheadMs = "value" in server ? server.value.aheadMs : undefined;
  const places = new Map<string, OpenedLocation>();
  for (const object of yield* locationsOf(asked)) {
    const opened = yield* examineLocation(asked, object, deployment, clusterAheadMs);
    if (opened !== undefined) places.set(opened.location.name, opened);
  }
  yield* examineRepositories(asked, password, places, clock.nowMs());
}

async function readApiServer(client: ApiClient, { clock, signal }: ClusterExamination): Promise<ApiServerSeen> {
  const type: ResourceType = { apiVersion: "v1", kind: "Version", plural: "/version", namespaced: false };
  const beforeMs = clock.nowMs();
  const purpose = { verb: "get", type, namespace: undefined } as const;
  const { document, dateMs } = await client.callDated({ purpose, method: "GET", path: "/version" }, signal);
  const afterMs = clock.nowMs();
  const ours = { beforeMs, afterMs };
  return {
    version: textAt(document, "gitVersion") ?? "of unknown version",
    aheadMs: dateMs === undefined ? undefined : aheadOf(ours, { fromMs: dateMs, toMs: dateMs + 999 }),
  };
}

async function ownRights(client: ApiClient, asked: ClusterExamination): Promise<readonly RightSeen[]> {
  return await reviewed(client, asked, "SelfSubjectAccessReview", {});
}

async function rightsOfAccount(
  client: ApiClient,
  account: string,
  asked: ClusterExamination,
): Promise<readonly RightSeen[]> {
  const [, , namespace = ""] = account.split(":");
  const groups = ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"];
  return await reviewed(client, asked, "SubjectAccessReview", { user: account, groups });
}

async function reviewed(
  client: ApiClient,
  { veleroNamespace, signal }: ClusterExamination,
  kind: "SelfSubjectAccessReview" | "SubjectAccessReview",
  who: JsonObject,
): Promise<readonly RightSeen[]> {
  const apiVersion = "authorization.k8s.io/v1";
  const type: ResourceType = { apiVersion, kind, plural: `${kind.toLowerCase()}s`, namespaced: false };
  const purpose = { verb: "create", type, namespace: undefined } as const;
  const path = `/apis/${apiVersion}/${type.plural}`;
  return await mapBounded(agentRights, reviewsAtOnce, signal, async (right) => {
    const { verb, group, resource } = right;
    const resourceAttributes = { verb, group, resource, namespace: right.isOfVelero ? veleroNamespace : "" };
    const body = { apiVersion, kind, spec: { ...who, resourceAttributes } };
    const answer = await client.call({ purpose, method: "POST", path, body }, signal);
    return { right, isAllowed: fieldAt(answer, "status", "allowed") === true };
  });
}

interface OpenedLocation {
  readonly location: BackupStorageLocation;
  readonly secrets: LocationSecrets;
}

const withoutCredentials = "not known: there are no credentials to try it with";
const seeCredentials = "see check credentials of it";

async function* locationsOf(asked: ClusterExamination): AsyncGenerator<Finding, readonly KubernetesObject[]> {
  const { store, veleroNamespace: namespace, signal } = asked;
  const objects = await look(() => store.list(backupStorageLocations, { namespace }, { signal }));
  if ("trouble" in objects) {
    yield unknown("location", "", objects.trouble);
    return [];
  }
  const chosen = objects.value.filter(({ metadata }) => asked.bsl === undefined || metadata.name === asked.bsl);
  if (chosen.length === 0) {
    const what = asked.bsl === undefined ? "no BackupStorageLocation" : `no BackupStorageLocation ${asked.bsl}`;
    const fix = "velero backup-location create, or name Velero's namespace with -n";
    yield fail("location", "", `namespace ${namespace} has ${what}`, fix);
  }
  return chosen;
}

/** Returns it where it can be read, so that repositories there can be looked at. */
async function* examineLocation(
  asked: ClusterExamination,
  object: KubernetesObject,
  deployment: Seen<KubernetesObject | undefined>,
  clusterAheadMs: number | undefined,
): AsyncGenerator<Finding, OpenedLocation | undefined> {
  const { store, veleroNamespace, signal } = asked;
  yield judgeLocation(object);
  const named = parseBackupStorageLocation(object);
  const { name } = named;
  // Below the prefix of all repositories, and not one of them: a namespace has no such name's repository.
  const plain = await look(async () => repositoryLocation(named, "fsb-doctor", {}));
  if ("trouble" in plain) {
    const { because, hint } = plain.trouble;
    const fix = hint === "" ? "correct the location" : hint;
    yield fail("store", name, because, fix);
    return undefined;
  }
  if (plain.value.kind === "fs") {
    yield ok("credentials", name, "a folder needs none");
    const because = `not known: it is folder ${plain.value.base} of the nodes`;
    yield warn("store", name, because, "run fsb doctor --repo with a repository's folder on a node");
    return undefined;
  }
  if ("trouble" in deployment && isCredentialOfServer(named)) {
    yield unknown("credentials", name, deployment.trouble);
    yield warn("store", name, withoutCredentials, seeCredentials);
    return undefined;
  }
  const server = "value" in deployment ? deployment.value : undefined;
  const credential = named.credential ?? serverCredential(server, named);
  const location = credential === undefined ? named : { ...named, credential };
  const secrets = await look(() => readLocationSecrets(store, location, veleroNamespace, signal));
  if ("value" in secrets) for (const text of textsOf(secrets.value)) asked.onSecret(text);
  const seen: CredentialsSeen =
    "trouble" in secrets
      ? { is: "missing", trouble: secrets.trouble }
      : credential === undefined
        ? { is: "none" }
        : { is: "found", from: `key ${credential.key} of Secret ${credential.name}` };
  yield judgeCredentials(named, seen);
  if ("trouble" in secrets || credential === undefined) {
    yield warn("store", name, withoutCredentials, seeCredentials);
    return undefined;
  }
  const opened = { location, secrets: secrets.value };
  const notPut = textAt(object.content, "spec", "accessMode") === "ReadOnly" ? "the location is ReadOnly" : "";
  const probed = await probe(bucketOf(opened, "fsb-doctor", asked.endpoint), notPut, asked);
  yield* judgeProbe(name, probed);
  // What may not be written to can still be read.
  if ("trouble" in probed || probed.value.wrong?.step === "reach") return undefined;
  if (probed.value.wrong === undefined) yield judgeStoreClock(name, probed.value.aheadMs, clusterAheadMs);
  return opened;
}

async function* examineRepositories(
  asked: ClusterExamination,
  password: Seen<string>,
  places: ReadonlyMap<string, OpenedLocation>,
  nowMs: number,
): AsyncGenerator<Finding> {
  const { store, veleroNamespace, signal } = asked;
  const objects = await look(() => store.list(backupRepositories, { namespace: veleroNamespace }, { signal }));
  if ("trouble" in objects) return yield unknown("repository", "", objects.trouble);
  let count = 0;
  for (const object of objects.value) {
    const { volumeNamespace, backupStorageLocation: at, repositoryType } = parseBackupRepository(object);
    const isAsked =
      repositoryType === "kopia" &&
      (asked.bsl === undefined || asked.bsl === at) &&
      (asked.namespace === undefined || asked.namespace === volumeNamespace);
    if (!isAsked) continue;
    count += 1;
    const subject = subjectOf(object);
    yield judgeRepositoryState(object);
    yield* judgeMaintenance(object, nowMs);
    const place = places.get(at);
    if (place === undefined || "trouble" in password) {
      const what = place === undefined ? "its location could not be used" : "there is no password";
      yield warn("repository-open", subject, `not known: ${what}`, "see what is said of those");
      continue;
    }
    const location = await look(async () => bucketOf(place, volumeNamespace, asked.endpoint));
    if ("trouble" in location) yield unknown("repository-open", subject, location.trouble);
    else yield* judgeOpening(subject, await lookAtRepository(location.value, password.value, asked));
  }
  if (count > 0) return;
  const of = [
    ...(asked.namespace === undefined ? [] : [` of namespace ${asked.namespace}`]),
    ...(asked.bsl === undefined ? [] : [` at ${asked.bsl}`]),
  ].join("");
  yield warn("repository", "", `there is none${of} yet`, "the first backup of a pod's volumes makes one");
}

function bucketOf({ location, secrets }: OpenedLocation, namespace: string, endpoint: string | undefined): S3Location {
  const place = repositoryLocation(location, namespace, secrets);
  assert(place.kind === "s3", "a folder was opened as a bucket");
  return endpoint === undefined ? place : { ...place, endpoint };
}

/** What is secret in a credentials file, and the file as a whole. */
function textsOf({ credentials }: LocationSecrets): readonly string[] {
  if (credentials === undefined || !("text" in credentials)) return [];
  const lines = credentials.text.split("\n").map((line) => /^\s*(.*?)\s*=\s*(.*?)\s*$/.exec(line));
  const values = lines.flatMap((match) =>
    /key|secret|token|password/i.test(match?.[1] ?? "") ? [match?.[2] ?? ""] : [],
  );
  return [credentials.text, ...values];
}
