/** `fsb agent`: the daemon. What it shares with the stock agent's own command line is defined here, once. */

import { type Command, InvalidArgumentError, Option } from "commander";
import type { AgentOptions } from "../agent/agent.ts";
import type { OnFileError, StoreRequest } from "../agent/engine/volume-work.ts";
import { StoreTrouble } from "../agent/jobs/store-trouble.ts";
import type { LogFormat, LogLevel } from "../agent/observability/agent-log.ts";
import type { AgentMetrics } from "../agent/observability/agent-metrics.ts";
import type { SourceStyle } from "../agent/velero/backup-source.ts";
import { systemClock } from "../base/clock.ts";
import { parseGoDuration } from "../base/go-duration.ts";
import { type ListenAddress, parseListenAddress } from "../base/listen-address.ts";
import type { ApiConnection } from "../kubernetes/api-connection.ts";
import { type CompressionChoice, compressionOf, compressionOption } from "./compression-option.ts";
import { addEngineOptions, type EngineOptions, engineSettingsOf } from "./engine-options.ts";
import type { Invocation } from "./invocation.ts";
import { versionOfPackage } from "./package-version.ts";

/** What both command lines of the daemon come to. */
export interface AgentCommandOptions extends EngineOptions {
  readonly resources?: string;
  readonly kubeconfig?: string;
  readonly kubecontext?: string;
  readonly podsRoot: string;
  readonly node: string;
  readonly namespace: string;
  readonly concurrency?: number;
  readonly nodeAgentConfigmap?: string;
  readonly resourceTimeout: number;
  readonly stallTimeout: number;
  readonly metricsAddress?: ListenAddress;
  readonly healthAddress?: ListenAddress;
  readonly sourceStyle: SourceStyle | "auto";
  readonly onFileError: OnFileError;
  readonly compression: CompressionChoice;
  readonly logFormat: LogFormat;
  readonly logLevel: LogLevel;
}

/** Where the two command lines differ in what they do when nothing is said. */
export interface AgentDefaults {
  readonly podsRoot: string;
  /** Empty for nowhere. */
  readonly metricsAddress: string;
  readonly healthAddress: string;
}

export function addAgentCommand(program: Command, invocation: Invocation): void {
  const command = program
    .command("agent")
    .description("do what PodVolumeBackups and PodVolumeRestores ask of this node");
  addAgentOptions(command, { podsRoot: "/var/lib/kubelet/pods", metricsAddress: "", healthAddress: "" });
  command
    .addOption(
      new Option("--resources <folder>", "a folder with YAML files, instead of a cluster").conflicts([
        "kubeconfig",
        "kubecontext",
      ]),
    )
    .action((options: AgentCommandOptions) => serveAsAgent(invocation, options, []));
}

export function addAgentOptions(command: Command, defaults: AgentDefaults): void {
  command
    .addOption(new Option("--kubeconfig <file>", "of the cluster (else as kubectl, else the pod's service account)"))
    .addOption(new Option("--kubecontext <name>", "the kubeconfig's context (else its current one)"))
    .addOption(new Option("--pods-root <folder>", "the kubelet's folder of pods").default(defaults.podsRoot))
    .addOption(new Option("--node <name>", "this node's name").env("NODE_NAME").makeOptionMandatory())
    .addOption(
      new Option("-n, --namespace <name>", "Velero's namespace")
        .env("VELERO_NAMESPACE")
        .default("velero")
        .argParser(withoutEqualsSign),
    )
    .addOption(
      new Option("--concurrency <count>", "volumes worked on at once (else as the ConfigMap says, else 1)").argParser(
        parseCount,
      ),
    )
    .addOption(new Option("--node-agent-configmap <name>", "the ConfigMap with settings (else node-agent-config)"))
    .addOption(
      new Option("--resource-timeout <duration>", "how long to wait for a BackupRepository")
        .default(600_000, "10m")
        .argParser(parseDuration),
    )
    .addOption(
      new Option("--stall-timeout <duration>", "how long a job may move no byte before that is told; 0 is for ever")
        .default(600_000, "10m")
        .argParser(parseDuration),
    )
    .addOption(addressOption("--metrics-address <address>", "where metrics are given", defaults.metricsAddress))
    .addOption(addressOption("--health-address <address>", "where probes are answered", defaults.healthAddress))
    .addOption(
      new Option(
        "--source-style <auto|pod-volume|host-path>",
        "how snapshots are filed (auto: as Velero's own agent does)",
      )
        .choices(["auto", "pod-volume", "host-path"])
        .default("auto"),
    )
    .addOption(
      new Option("--on-file-error <fail|continue>", "what to do about a file that cannot be read")
        .choices(["fail", "continue"])
        .default("fail"),
    )
    .addOption(compressionOption())
    .addOption(new Option("--log-format <text|json>", "of the log").choices(["text", "json"]).default("text"))
    .addOption(
      new Option("--log-level <level>", "least level that is logged")
        .choices(["panic", "fatal", "error", "warning", "info", "debug", "trace"])
        .default("info"),
    );
  addEngineOptions(command);
}

/**
 * Runs the daemon; `ignored` are flags that were given and mean nothing here. Its packages are loaded only now: the other
 * commands start sooner and smaller without them, and it without theirs.
 */
export async function serveAsAgent(
  invocation: Invocation,
  options: AgentCommandOptions,
  ignored: readonly string[],
): Promise<void> {
  const { resources: folder } = options;
  const [{ runAgent }, { createAgentLog }, { EngineThread }] = await Promise.all([
    import("../agent/agent.ts"),
    import("../agent/observability/agent-log.ts"),
    import("../agent/engine/engine-thread.ts"),
  ]);
  const log = createAgentLog({ format: options.logFormat, level: options.logLevel });
  if (ignored.length > 0) log.info("Ignored flags, which mean nothing to this agent", { flags: ignored.join(" ") });
  const { metricsAddress: address, healthAddress } = options;
  const version = versionOfPackage();
  let metrics: AgentMetrics | undefined;
  const storeTrouble = new StoreTrouble();
  const onStoreRequests = (batch: readonly StoreRequest[]): void => {
    storeTrouble.note(batch);
    metrics?.storeRequests(batch);
  };
  await using work = new EngineThread({ log, onStoreRequests, settings: engineSettingsOf(options) });
  const tellProfile = (): void => work.tellProfile();
  process.on("SIGUSR2", tellProfile);
  using _ = { [Symbol.dispose]: () => void process.off("SIGUSR2", tellProfile) };
  if (address !== undefined) {
    const { AgentMetrics } = await import("../agent/observability/agent-metrics.ts");
    const isEngineRunning = () => work.isRunning;
    const memoryUse = () => work.memoryUse;
    metrics = new AgentMetrics({ node: options.node, version, clock: systemClock, isEngineRunning, memoryUse });
  }
  await runAgent(
    {
      resources: folder === undefined ? { cluster: await connect(options) } : { folder },
      podsRoot: options.podsRoot,
      node: options.node,
      veleroNamespace: options.namespace,
      ...(options.concurrency === undefined ? {} : { concurrency: options.concurrency }),
      onEngineSettings: (settings) => work.configure(settings),
      ...(options.nodeAgentConfigmap ? { configMap: options.nodeAgentConfigmap } : {}),
      resourceTimeoutMs: options.resourceTimeout,
      ...(options.sourceStyle === "auto" ? {} : { sourceStyle: options.sourceStyle }),
      onFileError: options.onFileError,
      ...compressionOf(options.compression),
      stallMs: options.stallTimeout,
      ...(address === undefined || metrics === undefined ? {} : exposed(metrics, address)),
      ...(healthAddress === undefined ? {} : { healthAddress }),
      storeTrouble,
      version,
      work,
      log,
    },
    invocation.signal,
  );
}

function exposed(metrics: AgentMetrics, address: ListenAddress): Pick<AgentOptions, "observer" | "metrics"> {
  const { contentType } = metrics;
  return { observer: metrics, metrics: { address, contentType, text: () => metrics.text() } };
}

async function connect({ kubeconfig, kubecontext }: AgentCommandOptions): Promise<ApiConnection> {
  const { openApiConnection } = await import("../kubernetes/open-connection.ts");
  const named = {
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(kubecontext === undefined ? {} : { context: kubecontext }),
  };
  return await openApiConnection({ ...named, env: process.env, clock: systemClock });
}

function parseCount(text: string): number {
  if (/^[1-9][0-9]{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("it must be a whole number from 1 to 9999");
}

/** Milliseconds. */
function parseDuration(text: string): number {
  const ms = parseGoDuration(text);
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError("it must be a duration, as 10m or 1h30m");
}

function addressOption(flags: string, description: string, fallback: string): Option {
  const parse = (text: string): ListenAddress | undefined => {
    const address = parseListenAddress(text);
    if (text !== "" && address === undefined) throw new InvalidArgumentError("it must be an address, as :8085");
    return address;
  };
  return new Option(flags, description).default(parse(fallback), fallback || "nowhere").argParser(parse);
}

/** Go's flags take `-n=velero` too. */
function withoutEqualsSign(text: string): string {
  return text.replace(/^=/, "");
}
