/**
 * Velero 1.15 with the agents exchanged: its own, as it is released, and this one, in turn in the same container of the
 * same DaemonSet. Each goes on from what the other stored, for a claim's volume, whose parent the agents find by
 * PodVolumeBackups whatever pod has it, and for an emptyDir, whose parent they find by the source of snapshots.
 */

import assert from "node:assert/strict";
import { appendFileSync, renameSync, rmdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { fieldAt, type JsonObject, textAt } from "../../src/kubernetes/json.ts";
import { fsb, fsbJsonLines } from "../support/fsb.ts";
import { type Kopia, requireKopia } from "../support/kopia.ts";
import { NodeAgentContainer, nodeAgentConfigMap } from "../support/node-agent-container.ts";
import { requireOwnRoot } from "../support/own-root.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { asKopiaRestores, assertSameTree, type ComparisonOptions, readManifest } from "../support/tree-manifest.ts";
import { until } from "../support/until.ts";
import { assertCompleted, requireVelero, type VeleroCluster } from "../support/velero-cluster.ts";
import { buildVelero, veleroNamespace, veleroPath } from "../support/velero-server.ts";
import { bytesOf, withoutRootTime, writeVolume } from "./velero-scenarios.ts";

const mebibyte = 1 << 20;
const bulkBytes = 6 * mebibyte;
/** Zeros that a sparse file has. */
const largeBytes = 16 * 1024 * mebibyte;
/** Of what a small change may add to the bucket, with both volumes' folders, manifests, indexes and policies. */
const newBytesMax = mebibyte / 4;
/** Of what an agent may read for a small change, requests and files: a quarter of one volume. */
const readBytesMax = bulkBytes / 4;

const fsbFinds = /msg="Based on parent snapshot for this backup".* parentSnapshotId="?([0-9a-f]+)/g;
const stockFinds = /msg="Using parent snapshot ([0-9a-f]+), /g;

interface Place {
  readonly t: TestContext;
  readonly velero: VeleroCluster;
  readonly kopia: Kopia;
}

describe("a node whose agent is Velero's own and this one in turn, under a Velero 1.15 server", () => {
  it("keeps its backups and its increments, whichever agent stored the last one", async (t) => {
    const kopia = await requireKopia(t, temporaryFolder(t));
    const agents = kopia && (await exchange(t));
    if (kopia === undefined || agents === undefined) return;
    await using _ = agents;
    const { velero, stock, ours } = agents;
    const place = { t, velero, kopia };
    await velero.runPod({ namespace: "swap", name: "db-0", volumes: { data: "claim" } });
    await velero.runPod({ namespace: "swap", name: "web", volumes: { scratch: "emptyDir" } });
    for (const [name, folder] of Object.entries(await foldersOf(velero, "swap"))) {
      writeVolume(folder, `swap-${name}`);
      writeFileSync(join(folder, "bulk.bin"), bytesOf(`swap-${name}-bulk`, bulkBytes));
    }

    // From the stock agent to this one.
    await stock.start();
    const before = stock.bytesRead();
    const first = await backUp(velero, "swap-1");
    assert.ok(stock.bytesRead() - before > 2 * bulkBytes, "what an agent reads shows");
    await stock.stop();
    await ours.start();
    await assertRestores(velero, "swap-1");
    await change(velero, "by the stock agent before");
    const second = await backUpLittle(place, { name: "swap-2", by: ours, parents: first, finds: fsbFinds });

    // And back.
    await ours.stop();
    await stock.start();
    await assertRestores(velero, "swap-2", asKopiaRestores);
    await change(velero, "by this agent before");
    const third = await backUpLittle(place, { name: "swap-3", by: stock, parents: second, finds: stockFinds });

    // What one stored, the server deletes while the other is there; what is left stays whole.
    await deleteBackup(velero, "swap-2");
    await assertRestores(velero, "swap-3", asKopiaRestores);
    await stock.stop();
    await ours.start();
    await deleteBackup(velero, "swap-1");
    await assertRestores(velero, "swap-3");
    await change(velero, "by the stock agent before, and others are gone");
    const fourth = await backUpLittle(place, { name: "swap-4", by: ours, parents: third, finds: fsbFinds });
    await ours.stop();

    await kopia.verify();
    const kept = [third, fourth].flatMap((ids) => Object.values(ids)).sort();
    assert.deepEqual((await kopia.snapshotList()).map(({ id }) => id).sort(), kept);
    const location = locationOf(velero, t);
    const listed = await fsbJsonLines(["snapshot", "list", "--repo", location]);
    assert.deepEqual(listed.map(({ snapshotId }) => snapshotId).sort(), kept);
    await fsb(["snapshot", "verify", "--repo", location]);
  });

  it("fails what is under way when the agent is exchanged, keeps no Backup waiting, and goes on", async (t) => {
    const agents = await exchange(t);
    if (agents === undefined) return;
    await using _ = agents;
    const { velero, stock, ours } = agents;
    const what = { includedNamespaces: ["midway"], defaultVolumesToFsBackup: true };
    const pod = await velero.runPod({ namespace: "midway", name: "web", volumes: { pages: "emptyDir" } });
    const large = join(pod.volumes.pages ?? "", "large.bin");

    for (const [name, from, to, message] of [
      ["midway-1", stock, ours, /^found a podvolumebackup with status "InProgress" during the server starting/],
      ["midway-2", ours, stock, /the node agent was stopped meanwhile \[AGENT_STOPPED\]/],
    ] as const) {
      // Nothing to store, but much to read: long enough to be seen at work.
      writeFileSync(large, "");
      truncateSync(large, largeBytes);
      await from.start();
      const ending = velero.backUp(name, what);
      await until(
        async () => (await volumeOf(velero, name)).phase === "InProgress" || undefined,
        () => `no volume of ${name} is in progress`,
      );
      await from.stop();
      await to.start();
      assert.equal(textAt(await ending, "status", "phase"), "PartiallyFailed");
      const { phase, message: said } = await volumeOf(velero, name);
      assert.equal(phase, "Failed");
      assert.match(said ?? "", message);

      truncateSync(large, 1000);
      await assertCompleted(velero, "backup", await velero.backUp(`${name}-again`, what));
      await to.stop();
    }
  });
});

interface Exchange extends AsyncDisposable {
  readonly velero: VeleroCluster;
  /** Neither runs yet. */
  readonly stock: NodeAgentContainer;
  readonly ours: NodeAgentContainer;
}

/** Undefined when the test was skipped because a part cannot be had here. */
async function exchange(t: TestContext): Promise<Exchange | undefined> {
  if (!(await requireOwnRoot(t))) return undefined;
  const velero = await requireVelero(t, "1.15");
  const peer = await buildVelero("1.15");
  if (velero === undefined || !("program" in peer)) return undefined;
  await velero.agent.stop();
  await velero.cluster.put(`/api/v1/namespaces/${veleroNamespace}/configmaps`, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: nodeAgentConfigMap },
    data: { "node-agent": JSON.stringify({ loadConcurrency: { globalConfig: 2 } }) },
  });
  await using parts = new AsyncDisposableStack();
  const stock = parts.use(new NodeAgentContainer(velero, { stock: peer.program }));
  const ours = parts.use(new NodeAgentContainer(velero, "fsb"));
  showLogsIfItFails(t, { stock, ours });
  const kept = parts.move();
  return { velero, stock, ours, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Of a Backup with one. */
async function volumeOf(
  velero: VeleroCluster,
  backup: string,
): Promise<{ readonly phase: string | undefined; readonly message: string | undefined }> {
  const [volume] = await velero.volumesOf("backup", backup);
  return { phase: textAt(volume, "status", "phase"), message: textAt(volume, "status", "message") };
}

/** By volume. */
type SnapshotIds = Readonly<Record<string, string>>;

/** Gives what it stored, by volume. */
async function backUp(velero: VeleroCluster, name: string): Promise<SnapshotIds> {
  const what = { includedNamespaces: ["swap"], defaultVolumesToFsBackup: true };
  await assertCompleted(velero, "backup", await velero.backUp(name, what));
  const volumes = await velero.volumesOf("backup", name);
  const stored = Object.fromEntries(
    volumes.map((volume) => [textAt(volume, "spec", "volume"), textAt(volume, "status", "snapshotID") ?? ""]),
  );
  assert.deepEqual(Object.keys(stored).sort(), ["data", "scratch"]);
  return stored;
}

interface LittleBackup {
  readonly name: string;
  readonly by: NodeAgentContainer;
  readonly parents: SnapshotIds;
  /** What the agent's log says of a parent that it found, with its id. */
  readonly finds: RegExp;
}

/** Checks that it stores and reads little, and where it goes on from. */
async function backUpLittle(
  { t, velero, kopia }: Place,
  { name, by, parents, finds }: LittleBackup,
): Promise<SnapshotIds> {
  const before = { size: await velero.repositorySize("swap"), read: by.bytesRead(), log: by.log().length };
  const stored = await backUp(velero, name);
  const read = by.bytesRead() - before.read;
  const grown = (await velero.repositorySize("swap")) - before.size;
  assert.ok(grown > 0 && grown < newBytesMax, `${name}: the repository grew by ${grown} bytes`);
  assert.ok(read > 0 && read < readBytesMax, `${name}: the agent read ${read} bytes`);
  const found = [...by.log().slice(before.log).matchAll(finds)].map(([, id]) => id);
  assert.deepEqual(found.sort(), Object.values(parents).sort(), `${name}: the parents that the agent found`);
  // By kopia, which says the same of either agent's snapshots.
  await connect(kopia, velero);
  const snapshots = await kopia.snapshotList();
  const filesRead = Object.entries(stored).map(([volume, id]) => {
    const stats = snapshots.find((one) => one.id === id)?.stats;
    return [volume, [stats?.cachedFiles, stats?.nonCachedFiles]];
  });
  assert.deepEqual(Object.fromEntries(filesRead), { data: [8, 1], scratch: [9, 0] }, `${name}: files kept and read`);
  t.diagnostic(`${name}: ${read} bytes read, ${grown} bytes more in the bucket`);
  return stored;
}

/** Restores into a namespace of its own. */
async function assertRestores(velero: VeleroCluster, backup: string, options: ComparisonOptions = {}): Promise<void> {
  const name = `${backup}-${++restores}`;
  const ended = await velero.restore(name, { backupName: backup, namespaceMapping: { swap: name } });
  await assertCompleted(velero, "restore", ended);
  const [wanted, found] = [await foldersOf(velero, "swap"), await foldersOf(velero, name)];
  for (const volume of ["data", "scratch"] as const) {
    const [expected, restored] = [wanted, found].map((folders) => withoutRootTime(readManifest(folders[volume])));
    assert.ok(expected !== undefined && restored !== undefined);
    assertSameTree(expected, restored, options);
  }
}

let restores = 0;

/** Of both volumes, by their names. Waits until their pods run. */
async function foldersOf(
  velero: VeleroCluster,
  namespace: string,
): Promise<{ readonly data: string; readonly scratch: string }> {
  const { data } = (await velero.runningPod(namespace, "db-0")).volumes;
  const { scratch } = (await velero.runningPod(namespace, "web")).volumes;
  assert.ok(data !== undefined && scratch !== undefined);
  return { data, scratch };
}

/**
 * A line more in one file of the claim's volume, which another pod has now, as after a move: only by its PodVolumeBackups
 * is the parent to be found. The emptyDir and its pod stay as they are.
 */
async function change(velero: VeleroCluster, line: string): Promise<void> {
  const { cluster } = velero;
  const { data } = await foldersOf(velero, "swap");
  appendFileSync(join(data, "changed"), `${line}\n`);
  const detached = join(cluster.folder, "detached");
  renameSync(data, detached);
  const pods = "/api/v1/namespaces/swap/pods";
  const { body } = await cluster.ask("GET", `${pods}/db-0`);
  await cluster.remove(`${pods}/db-0`);
  await until(
    async () => (await cluster.ask("GET", `${pods}/db-0`)).status === 404 || undefined,
    () => "pod db-0 is still there",
  );
  const { nodeName: _, ...spec } = fieldAt(body, "spec") as JsonObject;
  await cluster.put(pods, { apiVersion: "v1", kind: "Pod", metadata: { namespace: "swap", name: "db-0" }, spec });
  const attached = (await foldersOf(velero, "swap")).data;
  assert.notEqual(attached, data);
  rmdirSync(attached);
  renameSync(detached, attached);
}

async function deleteBackup(velero: VeleroCluster, backupName: string): Promise<void> {
  await velero.create("DeleteBackupRequest", "deletebackuprequests", `delete-${backupName}`, { backupName });
  await until(
    async () => (await velero.cluster.ask("GET", `${veleroPath}/backups/${backupName}`)).status === 404 || undefined,
    () => `Backup ${backupName} is still there`,
  );
}

async function connect(kopia: Kopia, velero: VeleroCluster): Promise<void> {
  const { owner, endpoint, region } = velero.bucket;
  await kopia.connectS3({ ...repositoryOf(velero), ...owner, endpoint, region });
}

function repositoryOf({ location }: VeleroCluster): { readonly bucket: string; readonly prefix: string } {
  return { bucket: location.bucket, prefix: `${location.prefix}kopia/swap/` };
}

/** As `--repo` takes it. */
function locationOf(velero: VeleroCluster, t: TestContext): string {
  const { accessKeyId, secretAccessKey } = velero.bucket.owner;
  const credentialsFile = join(temporaryFolder(t), "credentials");
  const lines = ["[default]", `aws_access_key_id=${accessKeyId}`, `aws_secret_access_key=${secretAccessKey}`, ""];
  writeFileSync(credentialsFile, lines.join("\n"));
  const { bucket, prefix } = repositoryOf(velero);
  const { endpoint, region } = velero.bucket;
  return `s3://${bucket}/${prefix}?${new URLSearchParams({ endpoint, region, credentialsFile })}`;
}

function showLogsIfItFails(t: TestContext, agents: Readonly<Record<string, NodeAgentContainer>>): void {
  t.after(() => {
    if ("passed" in t && t.passed === true) return;
    for (const [name, agent] of Object.entries(agents)) t.diagnostic(`--- ${name}:\n${agent.log().slice(-6000)}`);
  });
}
