/** `fsb check-node`: whether an agent could work here, for its DaemonSet's init container. */

import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { systemClock } from "../base/clock.ts";
import { silentLog } from "../base/log.ts";
import { type CommonOptions, type Invocation, jsonOption, outputOf } from "./invocation.ts";

interface CheckNodeOptions extends CommonOptions {
  readonly kubeconfig?: string;
  readonly podsRoot: string;
  readonly node: string;
  readonly namespace: string;
}

export function addCheckNodeCommand(program: Command, invocation: Invocation): void {
  program
    .command("check-node")
    .description("see whether an agent could work on this node of a cluster")
    .addOption(new Option("--kubeconfig <file>", "of the cluster (else as kubectl, else the pod's service account)"))
    .addOption(new Option("--pods-root <folder>", "the kubelet's folder of pods").default("/var/lib/kubelet/pods"))
    .addOption(new Option("--node <name>", "this node's name").env("NODE_NAME").makeOptionMandatory())
    .addOption(new Option("-n, --namespace <name>", "Velero's namespace").env("VELERO_NAMESPACE").default("velero"))
    .addOption(jsonOption)
    .action((options: CheckNodeOptions) => check(invocation, options));
}

/** What it needs is loaded only here. */
async function check(invocation: Invocation, options: CheckNodeOptions): Promise<void> {
  const [{ checkNode }, { openApiConnection }, { ApiResourceStore }] = await Promise.all([
    import("../agent/check-node.ts"),
    import("../kubernetes/open-connection.ts"),
    import("../kubernetes/api-resource-store.ts"),
  ]);
  const { node, namespace: veleroNamespace, kubeconfig } = options;
  const podsRoot = resolve(options.podsRoot);
  const named = kubeconfig === undefined ? {} : { kubeconfig };
  const connection = await openApiConnection({ ...named, env: process.env, clock: systemClock });
  const by = { component: "check-node", host: node, clock: systemClock, log: silentLog, random: Math.random };
  await using store = new ApiResourceStore({ connection, ...by });
  const found = await checkNode({ store, podsRoot, node, veleroNamespace }, invocation.signal);
  await outputOf(invocation, options).result({ node, podsRoot, ...found }, () => {
    const folders = `${found.runningPods - found.withoutFolder} of ${found.runningPods} running pods`;
    return `an agent can work on node ${node}: ${folders} have a folder in ${podsRoot}`;
  });
}
