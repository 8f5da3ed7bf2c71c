/** `fsb agent` on a cluster, as a process that logs in as the user "agent", whose rights a test gives it. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { BackgroundProgram } from "./background-program.ts";
import { kernelChoice } from "./kernel-choice.ts";
import type { KubernetesCluster } from "./kubernetes-cluster.ts";
import { until } from "./until.ts";

export interface ClusterAgentOptions {
  readonly node: string;
  /** The kubelet's folder of pods. */
  readonly podsRoot: string;
  /** Default `agent`. */
  readonly command?: readonly string[];
  /** Further arguments. */
  readonly args?: readonly string[];
}

const launcher = join(import.meta.dirname, "..", "..", "src", "launch.mjs");

/** Starts the process, which looks at the cluster a moment later. */
export async function startClusterAgent(
  cluster: KubernetesCluster,
  options: ClusterAgentOptions,
): Promise<ClusterAgent> {
  const agent = new ClusterAgent(cluster, options);
  await agent.start();
  return agent;
}

let agents = 0;

export class ClusterAgent implements AsyncDisposable {
  readonly #program: BackgroundProgram;

  constructor(cluster: KubernetesCluster, options: ClusterAgentOptions) {
    const place = ["--kubeconfig", cluster.kubeconfig("agent"), "--node", options.node];
    const args = [...place, "--pods-root", options.podsRoot, "--log-level", "debug", ...(options.args ?? [])];
    this.#program = new BackgroundProgram({
      name: "the agent",
      command: process.execPath,
      args: [launcher, ...(options.command ?? ["agent"]), ...args],
      env: { HOME: cluster.folder, ...kernelChoice },
      logFile: join(cluster.folder, `agent-${++agents}.log`),
    });
  }

  /** With arguments beside those it always gets. Returns when it has begun, and ends in order from then on. */
  async start(...args: readonly string[]): Promise<void> {
    const { length } = this.log();
    this.#program.start(...args);
    await this.says(/Starting Velero node-agent server/, length);
  }

  /** As a kubelet ends a pod, and as it should end: in order. */
  async stop(): Promise<void> {
    const exitCode = await this.#program.end("SIGTERM");
    assert.ok(exitCode === 0 || exitCode === undefined, `exit code ${exitCode}\n${this.log().slice(-4000)}`);
  }

  async kill(): Promise<void> {
    await this.#program.end("SIGKILL");
  }

  get isRunning(): boolean {
    return this.#program.isRunning;
  }

  get pid(): number {
    return this.#program.pid;
  }

  /** Of all its runs. */
  log(): string {
    return this.#program.log();
  }

  /** Waits until a line of its log matches, of those from an offset on. */
  async says(pattern: RegExp, from = 0): Promise<void> {
    await until(
      async () => {
        assert.ok(this.isRunning, this.log());
        return pattern.test(this.log().slice(from)) || undefined;
      },
      () => `${pattern} in ${this.log()}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop();
    } finally {
      await this.#program[Symbol.asyncDispose]();
    }
  }
}
