/**
 * The container of DaemonSet `node-agent` as `velero install --use-node-agent` of 1.15 makes it: command, arguments,
 * environment, mounts, and the token of its service account. Which agent it is depends on the image alone, which here is
 * what lies at `/velero`.
 *
 * Two things are not the DaemonSet's: the log level, and the address of metrics, which here is any free port.
 *
 * Source: Velero 1.15 pkg/install/daemonset.go.
 */

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BackgroundProgram } from "./background-program.ts";
import { kernelChoice } from "./kernel-choice.ts";
import type { ClusterUser } from "./kubernetes-cluster.ts";
import { inOwnRoot } from "./own-root.ts";
import { until } from "./until.ts";
import type { VeleroCluster } from "./velero-cluster.ts";
import { veleroNamespace } from "./velero-server.ts";

/** The stock agent by the path of Velero's program, or this one. */
export type AgentImage = { readonly stock: string } | "fsb";

/** The ConfigMap with settings that it is told of; it may be missing. */
export const nodeAgentConfigMap = "node-agent-settings";

const flags = [
  "--features=EnableCSI",
  `--node-agent-configmap=${nodeAgentConfigMap}`,
  "--log-level=debug",
  "--metrics-address=127.0.0.1:0",
];
const launcher = join(import.meta.dirname, "..", "..", "src", "launch.mjs");

export class NodeAgentContainer implements AsyncDisposable {
  readonly #program: BackgroundProgram;

  constructor(velero: VeleroCluster, image: AgentImage) {
    const { cluster, node, location } = velero;
    const folder = mkdtempSync(join(cluster.folder, "node-agent-"));
    const made = (...path: readonly string[]): string => {
      mkdirSync(join(folder, ...path), { recursive: true });
      return join(folder, ...path);
    };
    // The stock agent has all rights.
    const user: ClusterUser = image === "fsb" ? "agent" : "admin";
    const account = made("run", "secrets", "kubernetes.io", "serviceaccount");
    writeFileSync(join(account, "token"), cluster.token(user));
    copyFileSync(cluster.certificateFile, join(account, "ca.crt"));
    writeFileSync(join(account, "namespace"), veleroNamespace);
    assert.ok(location.credentials !== undefined && "text" in location.credentials);
    writeFileSync(join(made("credentials"), "cloud"), location.credentials.text);
    const program = join(folder, "velero");
    if (image === "fsb") symlinkSync(launcher, program);
    const { hostname, port } = new URL(cluster.server);

    const [command, ...args] = inOwnRoot(made("root"), {
      velero: image === "fsb" ? program : image.stock,
      host_pods: node.podsRoot,
      scratch: made("scratch"),
      credentials: made("credentials"),
      run: made("run"),
      // It writes credentials to where the server does; the sources of this one may lie in the machine's.
      ...(image === "fsb" ? {} : { tmp: made("tmp") }),
    });
    this.#program = new BackgroundProgram({
      name: "the container node-agent",
      command,
      args: [...args, "/velero", "node-agent", "server", ...flags],
      env: {
        PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
        HOME: "/scratch",
        NODE_NAME: node.name,
        VELERO_NAMESPACE: veleroNamespace,
        VELERO_SCRATCH_DIR: "/scratch",
        ...kernelChoice,
        GOOGLE_APPLICATION_CREDENTIALS: "/credentials/cloud",
        AWS_SHARED_CREDENTIALS_FILE: "/credentials/cloud",
        AZURE_CREDENTIALS_FILE: "/credentials/cloud",
        ALIBABA_CLOUD_CREDENTIALS_FILE: "/credentials/cloud",
        KUBERNETES_SERVICE_HOST: hostname,
        KUBERNETES_SERVICE_PORT: port,
      },
      logFile: join(folder, "log"),
    });
  }

  /** Returns when it works. */
  async start(): Promise<void> {
    const before = this.log().length;
    this.#program.start();
    await until(
      async () => {
        assert.ok(this.#program.isRunning, this.log().slice(-4000));
        return this.log().includes("Starting controllers", before) || undefined;
      },
      () => this.log().slice(-4000),
    );
  }

  /** As the kubelet ends it, and as it should end: in order. */
  async stop(): Promise<void> {
    const exitCode = await this.#program.end("SIGTERM");
    assert.ok(exitCode === 0 || exitCode === undefined, `exit code ${exitCode}\n${this.log().slice(-4000)}`);
  }

  /** What it has read so far by system calls, from files and sockets; in bytes. */
  bytesRead(): number {
    const read = /^rchar: (\d+)$/m.exec(readFileSync(`/proc/${this.#program.pid}/io`, "utf8"))?.[1];
    assert.ok(read !== undefined);
    return Number(read);
  }

  /** Of all its runs. */
  log(): string {
    return this.#program.log();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }
}
