/**
 * A real Kubernetes API on loopback: etcd and kube-apiserver, with an administrator and a user with no rights at all
 * until a test gives it some. There are no nodes, no scheduler and no controllers.
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleepFor } from "node:timers/promises";
import { stringify } from "yaml";
import type { JsonObject } from "../../src/kubernetes/json.ts";
import { buildPeer } from "./peers.ts";

const kubernetesVersion = "v1.34.2";
const versionVariables = {
  "k8s.io/component-base/version.gitVersion": kubernetesVersion,
  "k8s.io/component-base/version.gitMajor": "1",
  "k8s.io/component-base/version.gitMinor": "34",
};
const readyWithinMs = 60_000;

/** Names of users, and which of them may do anything. */
export type ClusterUser = "admin" | "agent";

export interface ApiResponse {
  readonly status: number;
  readonly body: unknown;
}

/** A reason when a peer cannot be built here. The API server gets the flags beside its own. */
export async function startCluster(
  apiServerFlags: readonly string[] = [],
): Promise<KubernetesCluster | { readonly missing: string }> {
  const peers = [
    await buildPeer("etcd", "go.etcd.io/etcd/server/v3"),
    await buildPeer("kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", versionVariables),
  ] as const;
  const [etcd, apiServer] = peers;
  if (!("program" in etcd)) return etcd;
  if (!("program" in apiServer)) return apiServer;
  const cluster = new KubernetesCluster(etcd.program, [apiServer.program, ...apiServerFlags], await freePorts(3));
  try {
    await cluster.start();
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

/** The program kubectl of the same version. */
export function buildKubectl() {
  return buildPeer("kubernetes", "k8s.io/kubernetes/cmd/kubectl", versionVariables);
}

export class KubernetesCluster implements AsyncDisposable {
  /** With the kubeconfigs, certificates, data and logs. */
  readonly folder = mkdtempSync(join(tmpdir(), "fsb-cluster-"));
  readonly #programs: { readonly etcd: string; readonly apiServer: readonly string[] };
  readonly #ports: readonly number[];
  readonly #tokens: Readonly<Record<ClusterUser, string>>;
  readonly #running = new Map<"etcd" | "kube-apiserver", ChildProcess>();
  readonly #killAll = () => {
    for (const child of this.#running.values()) child.kill("SIGKILL");
  };

  constructor(etcd: string, apiServer: readonly string[], ports: readonly number[]) {
    this.#programs = { etcd, apiServer };
    this.#ports = ports;
    this.#tokens = { admin: randomBytes(16).toString("hex"), agent: randomBytes(16).toString("hex") };
    process.once("exit", this.#killAll);
  }

  get server(): string {
    return `https://127.0.0.1:${this.#ports[2]}`;
  }

  /** PEM; exists once the server has started. */
  get certificateFile(): string {
    return join(this.folder, "certificates", "apiserver.crt");
  }

  token(user: ClusterUser): string {
    return this.#tokens[user];
  }

  async start(): Promise<void> {
    const [client, peer] = this.#ports;
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    writeFileSync(join(this.folder, "accounts.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
    const users = [`${this.#tokens.admin},admin,1,"system:masters"`, `${this.#tokens.agent},agent,2,"agents"`];
    writeFileSync(join(this.folder, "tokens.csv"), `${users.join("\n")}\n`, { mode: 0o600 });
    this.#spawn("etcd", this.#programs.etcd, [
      `--data-dir=${join(this.folder, "etcd")}`,
      `--listen-client-urls=http://127.0.0.1:${client}`,
      `--advertise-client-urls=http://127.0.0.1:${client}`,
      `--listen-peer-urls=http://127.0.0.1:${peer}`,
      "--unsafe-no-fsync",
      "--log-level=warn",
    ]);
    await this.startApiServer();
    for (const user of ["admin", "agent"] as const) {
      writeFileSync(this.kubeconfig(user), stringify(this.#kubeconfig(user)), { mode: 0o600 });
    }
  }

  /** After `stopApiServer`: with the same address, objects and users. Returns when it is ready. */
  async startApiServer(): Promise<void> {
    const [client, , port] = this.#ports;
    const accounts = join(this.folder, "accounts.pem");
    mkdirSync(join(this.folder, "certificates"), { recursive: true });
    const [program = "", ...flags] = this.#programs.apiServer;
    this.#spawn("kube-apiserver", program, [
      ...flags,
      `--etcd-servers=http://127.0.0.1:${client}`,
      "--bind-address=127.0.0.1",
      `--secure-port=${port}`,
      `--cert-dir=${join(this.folder, "certificates")}`,
      `--token-auth-file=${join(this.folder, "tokens.csv")}`,
      "--authorization-mode=RBAC",
      "--allow-privileged",
      "--service-cluster-ip-range=10.0.0.0/24",
      `--service-account-key-file=${accounts}`,
      `--service-account-signing-key-file=${accounts}`,
      "--service-account-issuer=https://local",
      "--endpoint-reconciler-type=none",
      "--disable-admission-plugins=ServiceAccount,StorageObjectInUseProtection,NodeRestriction",
    ]);
    const until = performance.now() + readyWithinMs;
    while (!(await this.#isReady())) {
      const ended = this.#running.get("kube-apiserver")?.exitCode;
      if (typeof ended === "number" || performance.now() > until) {
        throw new Error(`kube-apiserver is not ready: ${this.log("kube-apiserver").slice(-2000)}`);
      }
      await sleepFor(100);
    }
  }

  async stopApiServer(): Promise<void> {
    await this.#stop("kube-apiserver");
  }

  kubeconfig(user: ClusterUser): string {
    return join(this.folder, `${user}.kubeconfig`);
  }

  log(program: "etcd" | "kube-apiserver"): string {
    const file = join(this.folder, `${program}.log`);
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  /** What the administrator asks the server, with the path as the API has it. */
  async ask(method: string, path: string, body?: JsonObject, contentType = "application/json"): Promise<ApiResponse> {
    const asked = request(`${this.server}${path}`, {
      method,
      ca: readFileSync(this.certificateFile),
      headers: { authorization: `Bearer ${this.#tokens.admin}`, "content-type": contentType },
      agent: false,
    });
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = await once(asked, "response");
    const parts: Buffer[] = [];
    for await (const part of response) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString("utf8");
    const isJson = String(response.headers["content-type"]).startsWith("application/json");
    return { status: response.statusCode, body: isJson ? JSON.parse(text) : text };
  }

  /** Creates or replaces; `collection` is the path of its kind, as "/api/v1/namespaces/shop/pods". */
  async put(collection: string, object: JsonObject): Promise<void> {
    const { name } = object.metadata as { readonly name: string };
    const created = await this.ask("POST", collection, object);
    if (created.status !== 409) return accepted(created);
    const path = `${collection}/${name}`;
    const now = (await this.ask("GET", path)).body as { readonly metadata: { readonly resourceVersion: string } };
    const metadata = { ...(object.metadata as JsonObject), resourceVersion: now.metadata.resourceVersion };
    accepted(await this.ask("PUT", path, { ...object, metadata }));
  }

  async remove(path: string): Promise<void> {
    const removed = await this.ask("DELETE", path);
    if (removed.status !== 404) accepted(removed);
  }

  /** Defines kinds and waits until they are served. */
  async define(definitions: readonly JsonObject[]): Promise<void> {
    const collection = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    for (const definition of definitions) await this.put(collection, definition);
    for (const definition of definitions) {
      const { group, names } = definition.spec as {
        readonly group: string;
        readonly names: { readonly plural: string };
      };
      const { versions } = definition.spec as { readonly versions: readonly { readonly name: string }[] };
      const until = performance.now() + readyWithinMs;
      const path = `/apis/${group}/${versions[0]?.name}/${names.plural}?limit=1`;
      while ((await this.ask("GET", path)).status !== 200) {
        assert.ok(performance.now() < until, `${names.plural}.${group} is served`);
        await sleepFor(50);
      }
    }
  }

  /** Lets the user "agent" do what these rules allow, in the whole cluster; each call adds to what it may. */
  async allow(name: string, rules: readonly JsonObject[]): Promise<void> {
    const roles = "/apis/rbac.authorization.k8s.io/v1";
    await this.put(`${roles}/clusterroles`, {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name },
      rules,
    });
    await this.put(`${roles}/clusterrolebindings`, {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "agent" }],
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop("kube-apiserver");
    await this.#stop("etcd");
    process.off("exit", this.#killAll);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #spawn(name: "etcd" | "kube-apiserver", program: string, args: readonly string[]): void {
    const log = openSync(join(this.folder, `${name}.log`), "a");
    const child = spawn(program, args, { cwd: this.folder, env: {}, stdio: ["ignore", log, log] });
    closeSync(log);
    this.#running.set(name, child);
  }

  async #stop(name: "etcd" | "kube-apiserver"): Promise<void> {
    const child = this.#running.get(name);
    this.#running.delete(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL"); // It would wait a minute for those who watch.
    await ended;
  }

  async #isReady(): Promise<boolean> {
    if (!existsSync(this.certificateFile)) return false;
    const answer = await this.ask("GET", "/readyz").catch(() => undefined); // Not there yet.
    if (answer?.status !== 200) return false;
    // Events and more need it, and the server makes it a moment later.
    return (await this.ask("GET", "/api/v1/namespaces/default")).status === 200;
  }

  #kubeconfig(user: ClusterUser): JsonObject {
    return {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "test", cluster: { server: this.server, "certificate-authority": this.certificateFile } }],
      users: [{ name: user, user: { token: this.#tokens[user] } }],
      contexts: [{ name: "test", context: { cluster: "test", user, namespace: "velero" } }],
      "current-context": "test",
    };
  }
}

function accepted(answer: ApiResponse): void {
  assert.ok(answer.status < 300, `${answer.status} ${JSON.stringify(answer.body)}`);
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  const ports: number[] = [];
  for (const server of servers) {
    if (!server.listening) await once(server, "listening");
    ports.push((server.address() as { readonly port: number }).port);
  }
  for (const server of servers) server.close();
  return ports;
}
