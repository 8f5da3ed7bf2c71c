/**
 * The main job on embedded defaults, with the real agent in a process of its own: a pods folder like the kubelet's, a
 * repository in a folder, and the same objects that a Velero server would write, as YAML files. Two backups, a loss, a
 * restore, and a comparison.
 *
 *   npm run demo            keeps its folder and tells how to look around
 *   npm run demo -- --tidy  removes it at the end
 */

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parse, stringify } from "yaml";
import { compareManifests, type Manifest, readManifest } from "../support/tree-manifest.ts";

const projectFolder = join(import.meta.dirname, "..", "..");
const launcher = join(projectFolder, "src", "launch.mjs");
const node = "demo-node";
const podUid = "0d7f4a5e-2c7b-4c8e-9a43-6f1d1f6a0001";
const restoredPodUid = "0d7f4a5e-2c7b-4c8e-9a43-6f1d1f6a0002";
const restoreUid = "0d7f4a5e-2c7b-4c8e-9a43-6f1d1f6a0003";
const password = "demo-password";
const jobTimeoutMs = 60_000;

interface Status {
  readonly phase?: string;
  readonly message?: string;
  readonly snapshotID?: string;
  readonly incrementalBytes?: number;
  readonly progress?: { readonly totalBytes?: number; readonly bytesDone?: number };
}

const home = mkdtempSync(join(tmpdir(), "fsb-demo-"));
const podsRoot = join(home, "pods");
const resources = join(home, "resources");
const bucket = join(home, "bucket");
const volume = join(podsRoot, podUid, "volumes", "kubernetes.io~empty-dir", "data");
const restoredVolume = join(podsRoot, restoredPodUid, "volumes", "kubernetes.io~empty-dir", "data");
const stop = new AbortController();
let interrupted = false;
for (const name of ["SIGINT", "SIGTERM"] as const) {
  // Not `once`: npm passes on the Ctrl-C that the terminal sends here too.
  process.on(name, () => {
    interrupted = true;
    stop.abort();
  });
}

say(`Everything of this demo is in ${home}`);
const agent = startAgent();
try {
  await demonstrate();
} catch (error) {
  if (!stop.signal.aborted) throw error;
  process.exitCode = 1; // The agent's end was told when it came.
} finally {
  await agent[Symbol.asyncDispose]();
  if (interrupted) {
    rmSync(home, { recursive: true, force: true });
    say(`interrupted; ${home} is removed`);
    process.exitCode = 130;
  }
}

async function demonstrate(): Promise<void> {
  step("A pod with a volume, as the kubelet lays it out");
  fillVolume(volume);
  writeObjects();
  say(`${countOf(readManifest(volume))} in ${below(volume)}`);

  step("First backup: a PodVolumeBackup is written, the agent does the rest");
  const first = await backUp("nightly-1");
  const firstSize = repositoryBytes();
  say(
    `${first.phase}: snapshot ${first.snapshotID}, ${bytes(first.progress?.totalBytes)}; the repository has ${bytes(firstSize)}`,
  );

  step("The pod writes a little, then the second backup");
  writeFileSync(join(volume, "orders.log"), "one more order\n", { flag: "a" });
  writeFileSync(join(volume, "new-file.txt"), "a new file\n");
  const expected = readManifest(volume);
  const second = await backUp("nightly-2");
  say(
    `${second.phase}: snapshot ${second.snapshotID}, ${bytes(second.progress?.totalBytes)}, of which ` +
      `${bytes(second.incrementalBytes)} had changed and were read; the repository grew by ${bytes(repositoryBytes() - firstSize)}`,
  );

  step("A loss: the pod and its volume are gone");
  rmSync(join(podsRoot, podUid), { recursive: true });

  step("Restore into a new pod: a PodVolumeRestore is written, restore-wait waits in the pod");
  mkdirSync(restoredVolume, { recursive: true });
  writeObject("pod-restored", podObject("db-restored", restoredPodUid, true));
  const restored = await restoreFrom(second.snapshotID ?? "");
  const marker = join(restoredVolume, ".velero", restoreUid);
  say(
    `${restored.phase}: ${bytes(restored.progress?.bytesDone)} of files written; ` +
      "a backup's count has the targets of unchanged links in it too, as kopia counts",
  );
  say(`done marker ${below(marker)}: ${existsSync(marker) ? "there" : "MISSING"}`);

  step("Comparison of contents, types, owners, modes, times and link targets");
  rmSync(join(restoredVolume, ".velero"), { recursive: true }); // As restore-wait does, before the pod starts.
  const differences = compareManifests(withoutRootTime(expected), withoutRootTime(readManifest(restoredVolume)));
  say(differences.length === 0 ? `none: ${countOf(expected)} are the same` : differences.join("\n"));

  await agent[Symbol.asyncDispose]();
  const passed =
    differences.length === 0 &&
    restored.phase === "Completed" &&
    first.phase === "Completed" &&
    second.phase === "Completed";
  if (process.argv.includes("--tidy")) {
    rmSync(home, { recursive: true });
  } else {
    step("Look around");
    say(`export FSB_REPO=${bucket}/kopia/shop FSB_PASSWORD=${password}
  node src/launch.mjs snapshot list
  node src/launch.mjs snapshot ls latest:etc
  node src/launch.mjs snapshot cat latest:orders.log
  node src/launch.mjs snapshot verify latest
  cat ${resources}/nightly-2.yaml
  kopia repository connect filesystem --path ${bucket}/kopia/shop --password ${password}   # kopia reads it too
  rm -r ${home}   # when you are done`);
  }
  process.exitCode = passed ? 0 : 1;
}

function startAgent(): AsyncDisposable {
  mkdirSync(resources, { recursive: true });
  mkdirSync(podsRoot, { recursive: true });
  mkdirSync(bucket);
  const args = ["agent", "--resources", resources, "--pods-root", podsRoot, "--node", node];
  const child = spawn(process.execPath, [launcher, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  say(`$ fsb ${args.join(" ")}`);
  let log = "";
  child.stdout.on("data", (chunk: Buffer) => {
    log += chunk.toString();
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.once("exit", (code) => {
    if (code !== 0 && !stop.signal.aborted) process.stderr.write(`the agent ended with ${code}:\n${log}`);
    stop.abort();
  });
  return {
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      stop.abort();
      child.kill("SIGTERM");
      await exited;
    },
  };
}

async function backUp(name: string): Promise<Status> {
  writeObject(name, {
    apiVersion: "velero.io/v1",
    kind: "PodVolumeBackup",
    metadata: { name, namespace: "velero", labels: { "velero.io/backup-name": name } },
    spec: {
      node,
      pod: { kind: "Pod", namespace: "shop", name: "db-0", uid: podUid },
      volume: "data",
      backupStorageLocation: "default",
      repoIdentifier: "",
      uploaderType: "kopia",
      tags: { backup: name, ns: "shop", pod: "db-0", volume: "data" },
    },
  });
  return await finalStatusOf(name);
}

async function restoreFrom(snapshotID: string): Promise<Status> {
  writeObject("restore-1", {
    apiVersion: "velero.io/v1",
    kind: "PodVolumeRestore",
    metadata: {
      name: "restore-1",
      namespace: "velero",
      labels: { "velero.io/pod-uid": restoredPodUid },
      ownerReferences: [
        { apiVersion: "velero.io/v1", kind: "Restore", name: "restore-1", uid: restoreUid, controller: true },
      ],
    },
    spec: {
      pod: { kind: "Pod", namespace: "shop", name: "db-restored", uid: restoredPodUid },
      volume: "data",
      backupStorageLocation: "default",
      repoIdentifier: "",
      uploaderType: "kopia",
      snapshotID,
      sourceNamespace: "shop",
    },
  });
  return await finalStatusOf("restore-1");
}

async function finalStatusOf(name: string): Promise<Status> {
  const file = join(resources, `${name}.yaml`);
  const deadlineMs = Date.now() + jobTimeoutMs;
  for (;;) {
    const { status = {} } = parse(await readFile(file, "utf8")) as { status?: Status };
    if (status.phase === "Completed") return status;
    if (status.phase === "Failed" || status.phase === "Canceled" || Date.now() > deadlineMs) {
      say(`${name} is ${status.phase ?? "not begun"}: ${status.message ?? "it took too long"}`);
      process.exitCode = 1;
      await agent[Symbol.asyncDispose]();
      process.exit(1);
    }
    await sleep(100, undefined, { signal: stop.signal });
  }
}

function writeObjects(): void {
  writeObject("location", {
    apiVersion: "velero.io/v1",
    kind: "BackupStorageLocation",
    metadata: { name: "default", namespace: "velero" },
    spec: { provider: "velero.io/fs", objectStorage: { bucket: "demo" }, config: { fspath: bucket } },
  });
  writeObject("password", {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "velero-repo-credentials", namespace: "velero" },
    stringData: { "repository-password": password },
  });
  writeObject("pod", podObject("db-0", podUid, false));
}

function podObject(name: string, uid: string, isRestored: boolean): object {
  const wait = { name: "restore-wait", image: "velero/velero:demo", args: [restoreUid] };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop", uid },
    spec: {
      nodeName: node,
      ...(isRestored ? { initContainers: [wait] } : {}),
      containers: [{ name: "db", image: "db:demo", volumeMounts: [{ name: "data", mountPath: "/data" }] }],
      volumes: [{ name: "data", emptyDir: {} }],
    },
    status: isRestored
      ? { phase: "Pending", initContainerStatuses: [{ name: "restore-wait", state: { running: {} } }] }
      : { phase: "Running" },
  };
}

function writeObject(name: string, object: object): void {
  writeFileSync(
    join(resources, `${name}.yaml`),
    `# Written by the demo; the agent adds the status.\n${stringify(object)}`,
  );
}

/** Some of everything: many small files, a larger one, odd names, links, modes and, for root, owners. */
function fillVolume(folder: string): void {
  mkdirSync(join(folder, "etc", "conf.d"), { recursive: true });
  mkdirSync(join(folder, "empty"));
  for (let i = 0; i < 200; i++) writeFileSync(join(folder, "etc", "conf.d", `${i}.conf`), `setting = ${i}\n`.repeat(i));
  writeFileSync(join(folder, "orders.log"), "an order\n".repeat(50_000));
  writeFileSync(join(folder, "heap.bin"), createHash("shake256", { outputLength: 12_000_000 }).update("demo").digest());
  writeFileSync(join(folder, "ünïcödé 🚀"), "a name\n");
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/not-utf-8-`), Uint8Array.of(0xff, 0xfe)]), "a name of bytes\n");
  writeFileSync(join(folder, "tool"), "#!/bin/sh\n");
  chmodSync(join(folder, "tool"), 0o4755);
  mkdirSync(join(folder, "drop-box"));
  chmodSync(join(folder, "drop-box"), 0o1777);
  symlinkSync("orders.log", join(folder, "current"));
  symlinkSync("/etc/hostname", join(folder, "outside"));
  writeFileSync(join(folder, "old.txt"), "old\n");
  utimesSync(join(folder, "old.txt"), 86_400, 86_400);
  if (process.getuid?.() === 0) chownSync(join(folder, "orders.log"), 1000, 2000);
}

/** The folder's own time cannot stay: removing the done marker, as the pod does, touches it. */
function withoutRootTime(manifest: Manifest): Manifest {
  const root = manifest.get(".");
  return root === undefined ? manifest : new Map([...manifest, [".", { ...root, mtimeNs: "0" }]]);
}

function repositoryBytes(): number {
  return readdirSync(bucket, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

function countOf(manifest: Manifest): string {
  return `${manifest.size} files, folders and links`;
}

function bytes(count = 0): string {
  return `${count.toLocaleString("en")} bytes`;
}

function below(path: string): string {
  return relative(home, path);
}

function step(title: string): void {
  process.stdout.write(`\n── ${title}\n`);
}

function say(text: string): void {
  process.stdout.write(`   ${text.replaceAll("\n", "\n   ")}\n`);
}
