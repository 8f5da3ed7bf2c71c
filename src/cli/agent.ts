/** `fsb agent`: the daemon. */

import { type Command, InvalidArgumentError, Option } from "commander";
import type { LogFormat, LogLevel } from "../agent/agent-log.ts";
import type { OnFileError } from "../agent/volume-work.ts";
import { systemClock } from "../base/clock.ts";
import type { ApiConnection } from "../kubernetes/api-connection.ts";
import type { Invocation } from "./invocation.ts";

interface AgentCommandOptions {
  readonly resources?: string;
  readonly kubeconfig?: string;
  readonly podsRoot: string;
  readonly node: string;
  readonly namespace: string;
  readonly concurrency: number;
  readonly onFileError: OnFileError;
  readonly logFormat: LogFormat;
  readonly logLevel: LogLevel;
}

export function addAgentCommand(program: Command, invocation: Invocation): void {
  program
    .command("agent")
    .description("do what PodVolumeBackups and PodVolumeRestores ask of this node")
    .addOption(new Option("--kubeconfig <file>", "of the cluster (else as kubectl, else the pod's service account)"))
    .addOption(
      new Option("--resources <folder>", "a folder with YAML files, instead of a cluster").conflicts("kubeconfig"),
    )
    .addOption(new Option("--pods-root <folder>", "the kubelet's folder of pods").default("/var/lib/kubelet/pods"))
    .addOption(new Option("--node <name>", "this node's name").env("NODE_NAME").makeOptionMandatory())
    .addOption(new Option("-n, --namespace <name>", "Velero's namespace").env("VELERO_NAMESPACE").default("velero"))
    .addOption(new Option("--concurrency <count>", "volumes worked on at once").default(1).argParser(parseCount))
    .addOption(
      new Option("--on-file-error <fail|continue>", "what to do about a file that cannot be read")
        .choices(["fail", "continue"])
        .default("fail"),
    )
    .addOption(new Option("--log-format <text|json>", "of the log").choices(["text", "json"]).default("text"))
    .addOption(
      new Option("--log-level <level>", "least level that is logged")
        .choices(["panic", "fatal", "error", "warning", "info", "debug", "trace"])
        .default("info"),
    )
    .action((options: AgentCommandOptions) => agent(invocation, options));
}

/** Loaded only here: the other commands start sooner and smaller without the daemon's packages, and it without theirs. */
async function agent(invocation: Invocation, options: AgentCommandOptions): Promise<void> {
  const { resources: folder, kubeconfig } = options;
  const [{ runAgent }, { createAgentLog }, { EngineThread }] = await Promise.all([
    import("../agent/agent.ts"),
    import("../agent/agent-log.ts"),
    import("../agent/engine-thread.ts"),
  ]);
  const log = createAgentLog({ format: options.logFormat, level: options.logLevel });
  await using work = new EngineThread({ log });
  await runAgent(
    {
      resources: folder === undefined ? { cluster: await connect(kubeconfig) } : { folder },
      podsRoot: options.podsRoot,
      node: options.node,
      veleroNamespace: options.namespace,
      concurrency: options.concurrency,
      onFileError: options.onFileError,
      work,
      log,
    },
    invocation.signal,
  );
}

async function connect(kubeconfig: string | undefined): Promise<ApiConnection> {
  const { openApiConnection } = await import("../kubernetes/open-connection.ts");
  const named = kubeconfig === undefined ? {} : { kubeconfig };
  return await openApiConnection({ ...named, env: process.env, clock: systemClock });
}

function parseCount(text: string): number {
  if (/^[1-9][0-9]{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("it must be a whole number from 1 to 9999");
}
