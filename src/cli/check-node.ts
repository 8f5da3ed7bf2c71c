/** `fsb check-node`: whether an agent could work here, for its DaemonSet's init container. */

import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { systemClock } from "../base/clock.ts";
import { silentLog } from "../base/log.ts";
import type { Invocation } from "./invocation.ts";
import { Output } from "./terminal.ts";

interface CheckNodeOptions {
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
    .action((options: CheckNodeOptions) => check(invocation, options));
}

/** What it needs is loaded only here. */
async function check(invocation: Invocation, options: CheckNodeOptions): Promise<void> {
  const [{ checkNode }, { openApiConnection }, { ApiResourceStore }] = await Promise.all([
    import("../agent/node/check-node.ts"),
    import("../kubernetes/open-connection.ts"),
    import("../kubernetes/api-resource-store.ts"),
  ]);
  const { node, namespace: veleroNamespace, kubeconfig } = options;
  const podsRoot = resolve(options.podsRoot);
  const named = kubeconfig === undefined ? {} : { kubeconfig };
  const connection = await openApiConnection({ ...named, env: process.env, clock: systemClock });
  const by = { component: "check-node", host: node, clock: systemClock, log: silentLog, random: Math.random };
  await using store = new ApiResourceStore({ connection, ...by });
  const { runningPods, withoutFolder } = await checkNode({ store, podsRoot, node, veleroNamespace }, invocation.signal);
  const folders = `${runningPods - withoutFolder} of ${runningPods} running pods have a folder in ${podsRoot}`;
  await new Output(invocation.terminal).result({}, () => `an agent can work on node ${node}: ${folders}`);
}
