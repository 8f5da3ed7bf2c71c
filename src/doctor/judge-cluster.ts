/** Findings about an API server, rights in it, the Velero server and the agent's DaemonSet. Pure: of what was seen. */

import type { VeleroGeneration } from "../agent/velero/velero-generation.ts";
import { isPathComponent } from "../agent/velero/velero-resources.ts";
import { fieldAt, itemNamed, itemsAt, textAt } from "../kubernetes/json.ts";
import type { KubernetesObject } from "../kubernetes/kubernetes-object.ts";
import { describeRight, type Right } from "./agent-rights.ts";
import { podsFolderOf, podsVolume } from "./cluster-resources.ts";
import { type Finding, fail, failed, ok, type Seen, unknown, warn } from "./finding.ts";
import { formatVersion, isBefore, judgeVersion, versionOfImage } from "./velero-version.ts";

export interface ApiServerSeen {
  readonly version: string;
  /** By how much its clock is ahead of ours, at least; undefined where it does not tell. */
  readonly aheadMs: number | undefined;
}

/** Beyond it, times in statuses, logs and stores no longer fit together. */
export const skewWarnMs = 60_000;
/** kopia refuses maintenance beyond it. */
export const skewFailMs = 5 * 60_000;

export function judgeApiServer(server: string, seen: Seen<ApiServerSeen>): readonly Finding[] {
  if ("trouble" in seen) {
    // It answers; what it says to /version is for whom it lets ask.
    if (seen.trouble.code === "RESOURCE_STORE_DENIED") return [unknown("api-server", server, seen.trouble)];
    const fix =
      "kubectl get --raw /version shows whether kubectl reaches it; name another with --kubeconfig or --context";
    return [failed("api-server", server, seen.trouble, fix)];
  }
  const { version, aheadMs } = seen.value;
  return [ok("api-server", server, `Kubernetes ${version} answers`), judgeApiClock(server, aheadMs)];
}

function judgeApiClock(server: string, aheadMs: number | undefined): Finding {
  if (aheadMs === undefined) {
    return warn("api-clock", server, "not known: its answers have no date", "compare the clocks of the nodes by hand");
  }
  if (Math.abs(aheadMs) <= skewWarnMs) return ok("api-clock", server, "its clock and this machine's agree");
  return warn(
    "api-clock",
    server,
    `its clock is ${describeSkew(aheadMs)} this machine's`,
    "set the clock of the one that is wrong: schedules, expiry and certificates go by it",
  );
}

/** "3 minutes ahead of". */
export function describeSkew(aheadMs: number): string {
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  const long = seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`;
  return `${long} ${aheadMs > 0 ? "ahead of" : "behind"}`;
}

/** How far [fromMs, toMs] lies ahead of [beforeMs, afterMs] at least; 0 where they meet. */
export function aheadOf(
  ours: { readonly beforeMs: number; readonly afterMs: number },
  theirs: { readonly fromMs: number; readonly toMs: number },
): number {
  if (theirs.fromMs > ours.afterMs) return theirs.fromMs - ours.afterMs;
  if (theirs.toMs < ours.beforeMs) return theirs.toMs - ours.beforeMs;
  return 0;
}

export interface RightSeen {
  readonly right: Right;
  readonly isAllowed: boolean;
}

/** `isInPod`: in a pod the rights are those of its service account, and to be an agent's. */
export function judgeOwnRights(seen: Seen<readonly RightSeen[]>, isInPod: boolean): Finding {
  if ("trouble" in seen) return unknown("own-rights", "", seen.trouble);
  const missing = missingOf(seen.value);
  if (missing === "") return ok("own-rights", "", `all ${seen.value.length} rights that an agent needs are yours`);
  return isInPod
    ? fail("own-rights", "", `you may not ${missing}`, giveRights)
    : warn(
        "own-rights",
        "",
        `you may not ${missing}`,
        "ask for these rights, or take what is not known below for unchecked",
      );
}

export function judgeAgentRights(account: string, seen: Seen<readonly RightSeen[]>): Finding {
  if ("trouble" in seen) return unknown("agent-rights", account, seen.trouble);
  const missing = missingOf(seen.value);
  if (missing === "") return ok("agent-rights", account, `it has all ${seen.value.length} rights that an agent needs`);
  return fail("agent-rights", account, `it may not ${missing}`, giveRights);
}

const giveRights =
  "apply the roles and bindings of daemonset/base, with the namespace and service account that are used here";

function missingOf(rights: readonly RightSeen[]): string {
  return rights
    .filter(({ isAllowed }) => !isAllowed)
    .map(({ right }) => `${describeRight(right)}${right.isOfVelero ? "" : " in the whole cluster"}`)
    .join(", ");
}

/** `veleroNamespace` for the fix. */
export function judgeServer(veleroNamespace: string, seen: Seen<KubernetesObject | undefined>): readonly Finding[] {
  if ("trouble" in seen) return [unknown("velero-server", "", seen.trouble)];
  if (seen.value === undefined) {
    const because = `namespace ${veleroNamespace} has no Deployment velero`;
    return [fail("velero-server", "", because, "name Velero's namespace with -n, or install Velero")];
  }
  const { content } = seen.value;
  const container = containerOf(seen.value, "velero");
  const image = textAt(container, "image") ?? "";
  const available = fieldAt(content, "status", "availableReplicas");
  const findings: Finding[] = [];
  if (typeof available !== "number" || available < 1) {
    const fix = `kubectl -n ${veleroNamespace} describe deployment velero, and its pod's log`;
    findings.push(fail("velero-server", "", `no replica of Deployment velero is available (image ${image})`, fix));
  } else findings.push(ok("velero-server", "", `Deployment velero is available (image ${image})`));
  return [...findings, judgeServerVersion(image), ...judgeServerArguments(textsOf(container, "args"))];
}

function judgeServerVersion(image: string): Finding {
  const version = versionOfImage(image);
  if (version === undefined) {
    const fix = "give the image a tag that is a version; 1.14 to 1.18 are what this agent is made for";
    return warn("velero-version", "", `not known: image ${JSON.stringify(image)} names no version`, fix);
  }
  const name = `Velero ${formatVersion(version)}`;
  const judged = judgeVersion(version);
  if (judged.is === "untried") {
    return warn("velero-version", "", `${name} was never tried with this agent`, "use Velero 1.14 to 1.18");
  }
  if (judged.is === "harmful") {
    return warn("velero-version", "", `${name}: ${judged.because}`, `upgrade Velero to ${judged.upgradeTo} or later`);
  }
  return ok("velero-version", "", [name, ...judged.traps].join("; "));
}

/** The server hands volumes to whom its uploader type says, and this agent knows one. */
function judgeServerArguments(args: readonly string[]): readonly Finding[] {
  const uploader = flagOf(args, "uploader-type");
  if (uploader === undefined || uploader === "kopia") return [];
  const because = `the server asks for uploader ${JSON.stringify(uploader)}, whose volumes every agent of this kind refuses`;
  return [fail("velero-uploader", "", because, "start the server with --uploader-type=kopia, or without the flag")];
}

function flagOf(args: readonly string[], name: string): string | undefined {
  const at = args.findLastIndex((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`));
  const arg = args[at];
  if (arg === undefined) return undefined;
  return arg.includes("=") ? arg.slice(arg.indexOf("=") + 1) : args[at + 1];
}

/** The kinds as they are defined here, beside the server that works with them. */
export function judgeDefinitions(
  generation: Seen<VeleroGeneration>,
  server: Seen<KubernetesObject | undefined>,
): Finding {
  const check = "velero-definitions";
  if ("trouble" in generation) return unknown(check, "", generation.trouble);
  if (generation.value === "unknown") {
    const because = "the API server does not know PodVolumeBackups as Velero 1.14 to 1.18 define them";
    return fail(check, "", because, "velero install --crds-only --dry-run -o yaml | kubectl apply -f -");
  }
  const deployment = "value" in server ? server.value : undefined;
  const image = deployment === undefined ? "" : (textAt(containerOf(deployment, "velero"), "image") ?? "");
  const version = versionOfImage(image);
  if (generation.value === "1.16" && version !== undefined && !isBefore(version, 17, 0)) {
    const because = `the definitions are of Velero 1.16 or before, the server is ${formatVersion(version)}`;
    return fail(check, "", because, "velero install --crds-only --dry-run -o yaml | kubectl apply -f -");
  }
  const since = generation.value === "1.16" ? "1.16 or before" : "1.17 or later";
  return ok(check, "", `the custom resources are those of Velero ${since}`);
}

/** The agent's DaemonSet; the mount by which it sees the pods' volumes among it. */
export function judgeDaemonSet(veleroNamespace: string, seen: Seen<KubernetesObject | undefined>): readonly Finding[] {
  if ("trouble" in seen) return [unknown("daemon-set", "", seen.trouble)];
  if (seen.value === undefined) {
    const because = `namespace ${veleroNamespace} has no DaemonSet node-agent, the only name that a Velero server looks for`;
    return [fail("daemon-set", "", because, "install the agent: docs/operations/install.md")];
  }
  return [
    judgeDaemonSetStatus(veleroNamespace, seen.value),
    judgeDaemonSetLabels(seen.value),
    ...judgePodsMount(seen.value),
  ];
}

function judgeDaemonSetStatus(veleroNamespace: string, { content }: KubernetesObject): Finding {
  const count = (field: string): number => {
    const value = fieldAt(content, "status", field);
    return typeof value === "number" ? value : 0;
  };
  const [wanted, ready] = [count("desiredNumberScheduled"), count("numberReady")];
  const images = itemsAt(content, "spec", "template", "spec", "containers").map((one) => textAt(one, "image") ?? "");
  const told = `${ready} of ${wanted} pods of DaemonSet node-agent are ready (image ${images.join(", ")})`;
  if (wanted === 0) {
    const fix = "see its nodeSelector, affinity and tolerations: each node whose pods are backed up needs an agent";
    return fail("daemon-set", "", `no node is to run an agent (image ${images.join(", ")})`, fix);
  }
  if (ready >= wanted) return ok("daemon-set", "", told);
  return fail(
    "daemon-set",
    "",
    told,
    `kubectl -n ${veleroNamespace} get pods -l name=node-agent -o wide, and describe those that are not`,
  );
}

function judgeDaemonSetLabels({ content }: KubernetesObject): Finding {
  const label = (name: string) => textAt(content, "spec", "template", "metadata", "labels", name);
  const missing = ["name", "role"].filter((name) => label(name) !== "node-agent");
  if (missing.length === 0) return ok("daemon-set-labels", "", "its pods have the labels by which servers find agents");
  const because = `its pods have no label ${missing.map((name) => `${name}=node-agent`).join(" and no ")}`;
  const fix = "add it to spec.template.metadata.labels: servers up to 1.15 look for name, later ones for role";
  return fail("daemon-set-labels", "", because, fix);
}

function judgePodsMount(daemonSet: KubernetesObject): readonly Finding[] {
  const mount = itemNamed(podsVolume, containerOf(daemonSet, "node-agent"), "volumeMounts");
  const path = podsFolderOf(daemonSet);
  if (path === undefined || mount === undefined) {
    const what = path === undefined ? "has no hostPath volume host-pods" : "does not mount volume host-pods";
    const fix = "mount the kubelet's folder of pods (hostPath, usually /var/lib/kubelet/pods) as daemonset/base does";
    return [fail("pods-folder", "", `DaemonSet node-agent ${what}`, fix)];
  }
  const at = textAt(mount, "mountPath") ?? "";
  const fix = "the folder pods below the root of the nodes' kubelet (its --root-dir) is wanted there";
  const folder = path.endsWith("/pods")
    ? ok("pods-folder", "", `${path} of the nodes is mounted at ${at}`)
    : warn("pods-folder", "", `${path} of the nodes is mounted at ${at}, and is not called pods`, fix);
  const propagation = textAt(mount, "mountPropagation") ?? "None";
  if (propagation === "HostToContainer" || propagation === "Bidirectional") {
    return [folder, ok("mount-propagation", "", `what is mounted later shows at ${at} (${propagation})`)];
  }
  const because = `mountPropagation of ${at} is ${propagation}: volumes that are mounted after the agent started look empty`;
  return [
    folder,
    fail("mount-propagation", "", because, "set mountPropagation: HostToContainer on the mount of host-pods"),
  ];
}

/** Each pod that is not in order; one line where all are. */
export function judgeAgentPods(veleroNamespace: string, seen: Seen<readonly KubernetesObject[]>): readonly Finding[] {
  if ("trouble" in seen) return [unknown("agent-pods", "", seen.trouble)];
  const findings = seen.value.flatMap((pod): readonly Finding[] => {
    const { name } = pod.metadata;
    const node = textAt(pod.content, "spec", "nodeName") ?? "no node";
    const trouble = troubleOfPod(pod);
    if (trouble === undefined) return [];
    const fix = `kubectl -n ${veleroNamespace} logs ${name} --all-containers; a server counts on it though it does not work`;
    return [fail("agent-pods", name, `on ${node}: ${trouble}`, fix)];
  });
  const nodes = seen.value.map((pod) => textAt(pod.content, "spec", "nodeName") ?? "").filter((node) => node !== "");
  const doubled = [...new Set(nodes.filter((node, at) => nodes.indexOf(node) !== at))];
  for (const node of doubled) {
    findings.push(
      fail("agent-pods", node, "two agents run on this node, and both take its volumes", "remove one of them"),
    );
  }
  if (findings.length > 0) return findings;
  if (seen.value.length === 0) {
    return [
      warn(
        "agent-pods",
        "",
        `no pod of namespace ${veleroNamespace} has label name=node-agent`,
        "see DaemonSet node-agent",
      ),
    ];
  }
  return [ok("agent-pods", "", `${seen.value.length} run, none of them restarted for an error`)];
}

function troubleOfPod({ content }: KubernetesObject): string | undefined {
  const statuses = ["initContainerStatuses", "containerStatuses"].flatMap((list) => itemsAt(content, "status", list));
  for (const status of statuses) {
    const name = textAt(status, "name") ?? "";
    const waiting = textAt(status, "state", "waiting", "reason");
    if (waiting !== undefined && waiting !== "PodInitializing") return `container ${name} is waiting: ${waiting}`;
    const ended = textAt(status, "state", "terminated", "reason");
    if (ended !== undefined && ended !== "Completed") return `container ${name} ended with ${ended}`;
    const last = textAt(status, "lastState", "terminated", "reason");
    if (last !== undefined && last !== "Completed")
      return `container ${name} ended with ${last}, and was started again`;
  }
  const phase = textAt(content, "status", "phase") ?? "";
  return phase === "Running" ? undefined : `it is ${phase === "" ? "not started" : phase}`;
}

/** "system:serviceaccount:velero:node-agent" of the pods; undefined where it could be no name. */
export function agentAccount(veleroNamespace: string, daemonSet: KubernetesObject): string | undefined {
  const name = textAt(daemonSet.content, "spec", "template", "spec", "serviceAccountName") || "default";
  return isPathComponent(name) ? `system:serviceaccount:${veleroNamespace}:${name}` : undefined;
}

function containerOf({ content }: KubernetesObject, name: string): unknown {
  const path = ["spec", "template", "spec", "containers"] as const;
  return itemNamed(name, content, ...path) ?? itemsAt(content, ...path)[0];
}

function textsOf(value: unknown, ...path: readonly string[]): readonly string[] {
  return itemsAt(value, ...path).filter((item) => typeof item === "string");
}
