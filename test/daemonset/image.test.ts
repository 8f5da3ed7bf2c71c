/**
 * The image without a container runtime: its files as the Dockerfile lays them out, on the libraries that its base has,
 * with a root that cannot be written and exactly the rights that the DaemonSet gives.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, it, type TestContext } from "node:test";
import { parse } from "yaml";
import { layOutImage } from "../../daemonset/image-root.ts";
import { fieldAt, itemsAt } from "../../src/kubernetes/json.ts";
import { repositoryPassword } from "../support/kopia.ts";
import { KubernetesCluster, startCluster } from "../support/kubernetes-cluster.ts";
import { describeRun, type ProgramResult, runProgram } from "../support/program.ts";
import { lacking, requireRoot } from "../support/required.ts";
import { giveShippedRoles } from "../support/shipped-roles.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";
import { veleroCrds } from "../support/velero-crds.ts";
import { daemonsetFolder } from "./render.ts";

const project = join(daemonsetFolder, "..");
const roots: string[] = [];
after(() => {
  for (const root of roots) fs.rmSync(root, { recursive: true, force: true });
});
const image = fs.existsSync(join(project, "dist", "bundle", "main.js")) ? layOut() : undefined;
const pod = fieldAt(
  parse(fs.readFileSync(join(daemonsetFolder, "base", "daemon-set.yaml"), "utf8")),
  ...["spec", "template", "spec"],
);
const capabilities = capabilitiesOf(itemsAt(pod, "containers")[0]);

describe("the image", () => {
  /** Capability, and a complaint of the run that lacks it. */
  const without: Readonly<Record<string, RegExp>> = {
    DAC_OVERRIDE: /database: list: EACCES/,
    CHOWN: /database\/table: owner is 0:0, not 999:1000 \(EPERM\)/,
    FOWNER: /database\/shared: mode is 0700, not 2770 \(EPERM\)/,
    FSETID: /everyone\/group-program: mode is 0755, not 2755/,
  };

  it("has the program, the packages it runs with, and nothing that is for development", (t) => {
    if (image === undefined) return lacking(t, "dist/ is not built; npm run build does it");
    const { files } = image;
    for (const path of ["velero", "fsb", "usr/local/bin/node", "app/package.json", "app/dist/bundle/main.js"]) {
      assert.ok(files.includes(path), path);
    }
    const native = `app/dist/native/kernel.${process.platform}-${process.arch}.node`;
    if (!files.includes(native)) return lacking(t, "the native kernel is not built; npm run build does it");
    const packages = new Set(files.flatMap((path) => /node_modules\/((@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []));
    const { dependencies, devDependencies } = JSON.parse(fs.readFileSync(join(project, "package.json"), "utf8"));
    for (const name of Object.keys(dependencies)) if (name !== "node") assert.ok(packages.has(name), name);
    for (const name of Object.keys(devDependencies)) assert.ok(!packages.has(name), name);
    const odd = files.filter((path) => /\.(d\.ts|ts|map|md|sh|c|cc|h)$|\/\.|(^|\/)test\//.test(path));
    assert.deepEqual(
      odd.filter((path) => !path.includes("node_modules")),
      [],
    );
    assert.deepEqual(
      odd.filter((path) => /\.(ts|map|sh)$/.test(path)),
      [],
    );
    const size = files.reduce((sum, path) => sum + fs.statSync(join(image.root, path)).size, 0);
    t.diagnostic(
      `${files.length} files, ${Math.round(size / 1e6)} MB, ${Math.round(nodeSize(image.root) / 1e6)} of them Node`,
    );
  });

  it("runs under both names, as a numeric user without rights, with a root that cannot be written", async (t) => {
    if (image === undefined) return lacking(t, "dist/ is not built; npm run build does it");
    if (!requireRoot(t)) return;
    const container = newContainer(t, image.root);
    const nobody = { user: 65_532, capabilities: [] };
    const server = await container.run(["/velero", "node-agent", "server", "--help"], nobody);
    assert.equal(server.exitCode, 0, describeRun(server));
    assert.match(server.stdout.toString(), /--node-agent-configmap/);
    const version = await container.run(["/fsb", "--version"], nobody);
    const { version: expected } = JSON.parse(fs.readFileSync(join(project, "package.json"), "utf8"));
    assert.equal(version.stdout.toString().trim(), expected, describeRun(version));
  });

  it("serves a cluster with the DaemonSet's own arguments, and answers its probes and scrapes", async (t) => {
    if (image === undefined) return lacking(t, "dist/ is not built; npm run build does it");
    if (!requireRoot(t)) return;
    const started = await startCluster();
    if (!(started instanceof KubernetesCluster)) return lacking(t, started.missing);
    await using cluster = started;
    await cluster.put("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "velero" } });
    await cluster.define(veleroCrds);
    await giveShippedRoles(cluster);
    const container = newContainer(t, image.root);
    fs.copyFileSync(cluster.certificateFile, join(container.scratch, "ca.crt"));
    const kubeconfig = fs.readFileSync(cluster.kubeconfig("agent"), "utf8");
    const inside = kubeconfig.replace(cluster.certificateFile, "/scratch/ca.crt");
    fs.writeFileSync(join(container.scratch, "kubeconfig"), inside);
    const env = { NODE_NAME: "node-a", VELERO_NAMESPACE: "velero", KUBECONFIG: "/scratch/kubeconfig" };
    const asPod = { user: 0, capabilities };

    const [check] = itemsAt(pod, "initContainers");
    const checked = await container.run(commandOf(check), { user: 0, capabilities: [] }, { env });
    // Here the folder is no mount that a kubelet made, and the check sees that.
    assert.match(checked.stderr, /AGENT_MOUNT_PROPAGATION_MISSING/, describeRun(checked));

    const [agent] = itemsAt(pod, "containers");
    const probes = ["livenessProbe", "readinessProbe"].map((probe) => [probe, "httpGet"] as const);
    const [metrics, health] = await freePorts(2);
    const command = commandOf(agent).map((arg) => arg.replace(/:8085$/, `:${metrics}`).replace(/:8086$/, `:${health}`));
    let pid = 0;
    const ended = container.run(command, asPod, { env, onStart: (leader) => (pid = leader) });
    let isOver = false;
    ended.then(
      () => (isOver = true),
      () => (isOver = true),
    );
    try {
      for (const [probe, httpGet] of probes) {
        assert.equal(fieldAt(agent, probe, httpGet, "port"), "health");
        const url = `http://127.0.0.1:${health}${fieldAt(agent, probe, httpGet, "path")}`;
        await until(
          async () => isOver || ((await fetch(url).catch(() => undefined))?.status === 200 ? true : undefined), // Not yet.
          () => `${probe} is answered`,
        );
      }
      const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
      assert.match(text, /^fsb_build_info\{/m);
    } finally {
      if (!isOver) process.kill(pid, "SIGTERM");
    }
    const run = await ended;
    assert.equal(run.exitCode, 0, `${describeRun(run)}\n${run.stdout}`);
    assert.doesNotMatch(
      `${run.stdout}${run.stderr}`,
      /Ignored flags|RESOURCE_STORE_DENIED|level=error/,
      run.stdout.toString(),
    );
  });

  it("backs up and restores owners, modes and times of all users' files with the DaemonSet's capabilities", async (t) => {
    if (image === undefined) return lacking(t, "dist/ is not built; npm run build does it");
    if (!requireRoot(t)) return;
    assert.deepEqual(capabilities.toSorted(), Object.keys(without).sort());
    const container = newContainer(t, image.root);
    writeVolume(container.pods);
    const runs = await backUpAndRestore(container, capabilities);
    for (const run of runs) assert.equal(run.exitCode, 0, describeRun(run));
    assert.deepEqual(picture(join(container.scratch, "restored")), picture(container.pods));
  });

  for (const [capability, complaint] of Object.entries(without)) {
    it(`needs ${capability} for that, and says what is wrong without it`, async (t) => {
      if (image === undefined) return lacking(t, "dist/ is not built; npm run build does it");
      if (!requireRoot(t)) return;
      const container = newContainer(t, image.root);
      writeVolume(container.pods);
      const kept = capabilities.filter((other) => other !== capability);
      const failed = (await backUpAndRestore(container, kept)).find((run) => run.exitCode !== 0);
      assert.match(failed?.stderr ?? "", complaint);
    });
  }
});

/** The files, and beside them what the base of the image brings: here from this machine, with setpriv for the tests. */
function layOut(): { readonly root: string; readonly files: readonly string[] } {
  const root = fs.mkdtempSync(join(tmpdir(), "fsb-image-"));
  roots.push(root);
  fs.chmodSync(root, 0o755);
  const files = layOutImage(root);
  const programs = files.filter((path) => path.endsWith(".node") || path.endsWith("/bin/node"));
  const setpriv = execFileSync("sh", ["-c", "command -v setpriv"], { encoding: "utf8" }).trim();
  const libraries = [...programs.map((path) => join(root, path)), setpriv].flatMap(librariesOf);
  for (const [from, to] of [...libraries.map((path) => [path, path] as const), [setpriv, "/base/setpriv"] as const]) {
    fs.mkdirSync(join(root, dirname(to)), { recursive: true });
    fs.copyFileSync(from, join(root, to));
  }
  for (const path of ["host_pods", "scratch", "proc", "dev"]) fs.mkdirSync(join(root, path));
  return { root, files };
}

/** With the loader. */
function librariesOf(program: string): readonly string[] {
  const list = execFileSync("ldd", [program], { encoding: "utf8" });
  return [...list.matchAll(/(?:=> |^\s+)(\/\S+) \(/gm)].map((match) => match[1] as string);
}

/** Stands for the DaemonSet's pod. */
interface Container {
  /** Mounted at /host_pods. */
  readonly pods: string;
  /** Mounted at /scratch. */
  readonly scratch: string;
  run(
    args: readonly string[],
    as: { readonly user: number; readonly capabilities: readonly string[] },
    options?: { readonly env?: NodeJS.ProcessEnv; readonly onStart?: (pid: number) => void },
  ): Promise<ProgramResult>;
}

function newContainer(t: TestContext, root: string): Container {
  const folder = temporaryFolder(t);
  const [pods, scratch] = [join(folder, "pods"), join(folder, "scratch")];
  for (const path of [pods, scratch]) fs.mkdirSync(path);
  // setpriv runs inside, after chroot, which needs a right of its own.
  const script = `
    set -e
    root=$1 pods=$2 scratch=$3; shift 3
    mount --bind "$root" "$root"
    mount --bind /dev "$root/dev"
    mount --bind /proc "$root/proc"
    mount --bind "$pods" "$root/host_pods"
    mount --bind "$scratch" "$root/scratch"
    mount -o remount,bind,ro "$root"
    exec chroot "$root" /base/setpriv "$@"`;
  return {
    pods,
    scratch,
    run(args, { user, capabilities: kept }, { env, ...options } = {}) {
      const bounding = ["-all", ...kept.map((name) => `+${name.toLowerCase()}`)].join(",");
      const privileges = ["--no-new-privs", "--bounding-set", bounding, "--inh-caps", "-all", "--clear-groups"];
      const identity = [`--reuid=${user}`, `--regid=${user}`];
      const inside = [...privileges, ...identity, ...args];
      const all = ["--mount", "--propagation", "private", "sh", "-c", script, "sh", root, pods, scratch, ...inside];
      return runProgram("unshare", all, {
        env: { PATH: process.env.PATH, TMPDIR: "/scratch", FSB_PASSWORD: repositoryPassword, ...env },
        ...options,
      });
    },
  };
}

async function backUpAndRestore(container: Container, kept: readonly string[]): Promise<ProgramResult[]> {
  const repo = ["--repo", "/scratch/repository"];
  const runs: ProgramResult[] = [];
  for (const args of [
    ["repo", "create", ...repo],
    ["backup", "/host_pods", ...repo],
    ["restore", "latest", "/scratch/restored", ...repo],
  ]) {
    runs.push(await container.run(["/fsb", ...args], { user: 0, capabilities: kept }));
  }
  return runs;
}

/** Files and folders of several users, which none but their owners may read, with all bits that a mode can have. */
function writeVolume(folder: string): void {
  const write = (path: string, owner: number, mode: number) => {
    const at = join(folder, path);
    if (path.endsWith("/")) fs.mkdirSync(at);
    else fs.writeFileSync(at, `contents of ${path}`);
    fs.chownSync(at, owner, owner + 1);
    fs.chmodSync(at, mode);
  };
  write("database/", 999, 0o700);
  write("database/table", 999, 0o600);
  write("database/unreadable", 999, 0o000);
  write("database/shared/", 1000, 0o2770);
  write("database/shared/note", 1000, 0o640);
  write("everyone/", 0, 0o1777);
  write("everyone/program", 1001, 0o4755);
  write("everyone/group-program", 1001, 0o2755);
  write("everyone/both", 0, 0o6711);
  fs.symlinkSync("program", join(folder, "everyone", "link"));
  fs.lchownSync(join(folder, "everyone", "link"), 1002, 1002);
  for (const [index, path] of fs
    .readdirSync(folder, { recursive: true, encoding: "utf8" })
    .sort()
    .reverse()
    .entries()) {
    fs.lutimesSync(join(folder, path), 1_600_000_000.25, 1_600_000_000.25 + index);
  }
}

function picture(folder: string): readonly string[] {
  return fs
    .readdirSync(folder, { recursive: true, encoding: "utf8" })
    .sort()
    .map((path) => {
      const at = join(folder, path);
      const { mode, uid, gid, mtimeNs } = fs.lstatSync(at, { bigint: true });
      const content = fs.lstatSync(at).isFile() ? fs.readFileSync(at, "utf8") : "";
      return `${path} ${mode.toString(8)} ${uid}:${gid} ${mtimeNs} ${content}`;
    });
}

function capabilitiesOf(container: unknown): readonly string[] {
  assert.deepEqual(fieldAt(container, "securityContext", "capabilities", "drop"), ["ALL"]);
  return itemsAt(container, "securityContext", "capabilities", "add") as string[];
}

function commandOf(container: unknown): readonly string[] {
  return [...itemsAt(container, "command"), ...itemsAt(container, "args")] as string[];
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  for (const server of servers) if (!server.listening) await once(server, "listening");
  const ports = servers.map((server) => (server.address() as { readonly port: number }).port);
  for (const server of servers) server.close();
  return ports;
}

function nodeSize(root: string): number {
  return fs.statSync(join(root, "usr", "local", "bin", "node")).size;
}
