import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runAgent } from "../../src/agent/agent.ts";
import { StoreTrouble } from "../../src/agent/jobs/store-trouble.ts";
import { AgentMetrics } from "../../src/agent/observability/agent-metrics.ts";
import { blindObserver } from "../../src/agent/observability/agent-observer.ts";
import { holdAsOnlyAgent } from "../../src/agent/only-agent.ts";
import { podVolumeBackups, podVolumeRestores } from "../../src/agent/velero/velero-resources.ts";
import { systemClock } from "../../src/base/clock.ts";
import { hasCode } from "../../src/base/errors.ts";
import { silentLog } from "../../src/base/log.ts";
import type { JsonObject } from "../../src/kubernetes/json.ts";
import { applyMergePatch } from "../../src/kubernetes/merge-patch.ts";
import { CopyingWork } from "./copying-work.ts";
import { backupOf, Gate, inTime, messageOf, NodeUnderTest, restoreOf } from "./node-under-test.ts";

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

describe("an agent over a folder of resource files", () => {
  it("backs up twice and restores, with whole statuses and the done marker", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: { "a.txt": "hello" } });
    await node.put("first.yaml", backupOf("first", "db-0", "data"));
    node.start();
    const first = await node.untilBackup("first");
    assert.equal(first.phase, "Completed", messageOf(first));
    assert.equal(first.path, node.volume("db-0", "data"));
    assert.deepEqual(first.progress, { totalBytes: 5, bytesDone: 5 });
    assert.equal(first.incrementalBytes, 5);
    assert.match(String(first.startTimestamp), rfc3339);
    assert.match(String(first.completionTimestamp), rfc3339);
    await writeFile(join(node.volume("db-0", "data"), "b.txt"), "world!");
    await node.put("second.yaml", backupOf("second", "db-0", "data"));
    const second = await node.untilBackup("second");
    assert.equal(second.phase, "Completed");
    assert.notEqual(second.snapshotID, first.snapshotID);
    await rm(join(node.volume("db-0", "data"), "b.txt"));
    await node.put("restore.yaml", restoreOf("back", "db-0", "data", String(second.snapshotID)));
    const restored = await node.untilRestore("back");
    assert.equal(restored.phase, "Completed", messageOf(restored));
    assert.equal(restored.node, "node-1");
    assert.deepEqual(restored.progress, { totalBytes: 11, bytesDone: 11 });
    assert.equal(await readFile(join(node.volume("db-0", "data"), "b.txt"), "utf8"), "world!");
    assert.deepEqual(await readdir(join(node.volume("db-0", "data"), ".velero")), ["restore-uid-1"]);
    const [request] = node.work.backups;
    assert.deepEqual(request?.repository, {
      location: {
        kind: "fs",
        base: join(node.root, "store"),
        folder: join(node.root, "store", "p", "kopia", "shop"),
      },
      password: "pass word",
      create: true,
    });
    assert.equal(request?.source.path, "snapshot-pod-volume/kopia/shop/db-0/data");
    assert.ok(!node.logLines.join("").includes("pass word"));
    assert.match(node.logLines.join(""), /level=info msg="PodVolumeBackup completed"/);
  });

  it("gives the snapshot of a claim's newest completed backup as parent", async () => {
    await using node = await NodeUnderTest.create();
    const folder = join(node.root, "pods", "uid-of-db-0", "volumes", "kubernetes.io~csi", "pv-1", "mount");
    await mkdir(folder, { recursive: true });
    await node.put(
      "pod.yaml",
      {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { namespace: "shop", name: "db-0", uid: "uid-of-db-0" },
        spec: { nodeName: "node-1", volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data-db-0" } }] },
      },
      {
        apiVersion: "v1",
        kind: "PersistentVolumeClaim",
        metadata: { namespace: "shop", name: "data-db-0", uid: "c-1" },
        spec: { volumeName: "pv-1" },
      },
      { apiVersion: "v1", kind: "PersistentVolume", metadata: { name: "pv-1" }, spec: { csi: { driver: "d" } } },
    );
    const ofClaim = { labels: { "velero.io/pvc-uid": "c-1" }, annotations: { "velero.io/pvc-name": "data-db-0" } };
    const claimed = (name: string) => ({
      ...backupOf(name, "db-0", "data"),
      metadata: { namespace: "velero", name, ...ofClaim },
    });
    await node.put("first.yaml", claimed("first"));
    node.start();
    const first = await node.untilBackup("first");
    assert.equal(first.phase, "Completed", messageOf(first));
    await node.put("second.yaml", claimed("second"));
    await node.untilBackup("second");
    assert.deepEqual(
      node.work.backups.map(({ parent, source }) => [parent.snapshotId, source.path]),
      [
        [undefined, "snapshot-pod-volume/kopia/shop/db-0/data-db-0"],
        [first.snapshotID, "snapshot-pod-volume/kopia/shop/db-0/data-db-0"],
      ],
    );
  });

  it("files snapshots under the path that a stock agent of 1.16 has for the volume, when told so", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: {} });
    await node.put("one.yaml", backupOf("one", "db-0", "data"));
    node.start({ sourceStyle: "host-path" });
    const status = await node.untilBackup("one");
    assert.equal(status.path, node.volume("db-0", "data"));
    const [request] = node.work.backups;
    assert.equal(request?.source.path, "/host_pods/uid-of-db-0/volumes/kubernetes.io~empty-dir/data");
    assert.equal(request?.tags.backup, "b1");
  });

  it("answers probes and gives metrics, of failures too", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: { "a.txt": "hello", "b.txt": "world!" } });
    const metrics = new AgentMetrics({
      ...{ node: "node-1", version: "1.2.3", clock: systemClock },
      memoryUse: () => undefined,
      isEngineRunning: () => false,
    });
    const address = { host: "127.0.0.1", port: 0 };
    const { contentType } = metrics;
    const { stop } = node.start({
      observer: metrics,
      metrics: { address, contentType, text: () => metrics.text() },
      healthAddress: address,
    });
    const health = /Answering probes" address="(.+)"/;
    const given = /Starting metric server for node agent at address \[(.+)\]"/;
    await node.put("one.yaml", backupOf("one", "db-0", "data"));
    await node.put("two.yaml", backupOf("two", "db-0", "missing"));
    const status = await node.untilBackup("one");
    await node.untilBackup("two");
    const ask = async (pattern: RegExp, path: string) => {
      const answer = await fetch(`http://${pattern.exec(node.logLines.join(""))?.[1]}${path}`);
      return { status: answer.status, type: answer.headers.get("content-type"), text: await answer.text() };
    };
    assert.deepEqual([(await ask(health, "/healthz")).status, (await ask(health, "/readyz")).status], [200, 200]);
    await node.put("restore.yaml", restoreOf("back", "db-0", "data", String(status.snapshotID)));
    await node.untilRestore("back");
    const { text, type } = await ask(given, "/metrics");
    assert.equal(type, "text/plain; version=0.0.4; charset=utf-8");
    for (const line of [
      'podVolume_pod_volume_backup_enqueue_count{node="node-1"} 2',
      'podVolume_pod_volume_backup_dequeue_count{node="node-1"} 1',
      'fsb_bytes_total{operation="backup"} 11',
      'fsb_files_total{operation="backup"} 2',
      'fsb_files_total{operation="restore"} 2',
      'fsb_errors_total{operation="backup",code="POD_VOLUME_NOT_FOUND"} 1',
      'fsb_jobs_total{operation="backup",phase="Completed"} 1',
      'fsb_jobs_total{operation="backup",phase="Failed"} 1',
      'fsb_running{operation="backup"} 0',
    ]) {
      assert.ok(text.split("\n").includes(line), `${line}\n${text}`);
    }
    await stop();
    await assert.rejects(ask(health, "/healthz"));
  });

  it("tells once of a job that moves no byte, and of it again after it moved", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: { "a.txt": "hello" } });
    const stalls: boolean[] = [];
    const storeTrouble = new StoreTrouble();
    let onStall: () => void = () => undefined;
    const observer = {
      ...blindObserver,
      stalled: (_: string, isStalled: boolean) => {
        stalls.push(isStalled);
        if (isStalled) onStall();
      },
    };
    node.work.during = async (run) => {
      for (const bytesDone of [1, 2]) {
        const stalled = new Promise<void>((resolve) => {
          onStall = resolve;
        });
        run.onProgress({ bytesDone, totalBytes: 5 });
        await inTime("a stall", stalled);
        run.onProgress({ bytesDone, totalBytes: 5 });
        storeTrouble.note([{ operation: "put", result: "BLOB_STORE_UNAVAILABLE", durationMs: 1, bytes: 0 }]);
      }
    };
    await node.put("one.yaml", backupOf("one", "db-0", "data"));
    node.start({ stallMs: 1000, observer, storeTrouble });
    assert.equal((await node.untilBackup("one")).phase, "Completed");
    assert.deepEqual(
      stalls,
      stalls.map((_, index) => index % 2 === 0),
    );
    assert.equal(stalls.at(-1), false);
    // A slow machine may take so long for the first byte that it is told of that as well.
    const told = [1, 2].map((done) =>
      node.logLines.filter((line) => line.includes("Data-Path-Stalled") && line.includes(`${done} of 5 bytes done`)),
    );
    assert.deepEqual(
      told.map(({ length }) => length),
      [1, 1],
    );
    assert.match(
      told[0]?.[0] ?? "",
      /type=Warning .*backup of volume data of pod shop\/db-0 has not moved for 1 s, 1 of 5 bytes done: probably the object store/,
    );
    assert.match(
      told[1]?.[0] ?? "",
      /: the last request to object stores failed, put with BLOB_STORE_UNAVAILABLE; see/,
    );
    const lines = node.logLines.join("");
    assert.match(lines, /level=warning msg="Async fs backup data path is stalled" .*bytesDone=1 totalBytes=5/);
    assert.match(lines, /level=info msg="Async fs backup data path moves again"/);
  });

  it("tells of a job's start and end in the words of both generations of stock agents, and in one event each", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: { "a.txt": "hello" } });
    await node.put("one.yaml", backupOf("one", "db-0", "data"));
    await node.put("two.yaml", backupOf("two", "db-0", "missing"));
    await node.put("three.yaml", backupOf("three", "db-0", "data", { cancel: true }));
    const { stop } = node.start();
    const { snapshotID } = await node.untilBackup("one");
    await node.untilBackup("two");
    await node.untilBackup("three");
    await stop();
    const said = node.logLines.flatMap((line) => /msg=(?:"(.*?[^\\])"|(\S+))/.exec(line)?.slice(1, 3) ?? []);
    for (const message of [
      ...["Starting controllers", "Controllers starting...", "PodVolumeBackup starting", "Found path matching glob"],
      ...["PVB is marked as in progress", "Async fs backup data path started", "Opening backup repo"],
      ...["Async fs backup data path completed", "PodVolumeBackup completed", "PVB completed"],
      ...["Async fs backup data path failed", "update PVB status to Failed", "PVB is canceled"],
    ]) {
      assert.ok(said.includes(message), message);
    }
    const events = node.logLines.flatMap((line) => {
      const [, name, type, reason, note] =
        /Recorded event" .*name=(\S+) type=(\S+) reason=(\S+) note="(.*)"/.exec(line) ?? [];
      return name === undefined ? [] : [{ name, what: `${type} ${reason}`, note }];
    });
    const of = (name: string) => events.filter((event) => event.name === name).map(({ what }) => what);
    assert.deepEqual(of("one"), ["Normal Data-Path-Started", "Normal Data-Path-Completed"]);
    assert.deepEqual(of("two"), ["Normal Data-Path-Started", "Warning Data-Path-Failed"]);
    assert.deepEqual(of("three"), ["Normal Data-Path-Canceled"]);
    const [, completed] = events.filter(({ name }) => name === "one");
    assert.match(
      completed?.note ?? "",
      new RegExp(`^backup of volume data of pod shop/db-0 completed in \\d+ s, 5 bytes, .*, snapshot ${snapshotID}$`),
    );
    const [, failed] = events.filter(({ name }) => name === "two");
    assert.match(
      failed?.note ?? "",
      /^backup of volume missing of pod shop\/db-0: data path backup failed: .*\[POD_VOLUME_NOT_FOUND\]/,
    );
  });

  it("cancels a running backup and leaves no snapshot", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: { "a.txt": "hello" } });
    const gate = new Gate();
    node.work.during = (run) => gate.wait(run.signal);
    await node.put("one.yaml", backupOf("one", "db-0", "data"));
    node.start();
    await gate.arrived(1);
    await node.until(podVolumeBackups, "one", ({ phase }) => phase === "InProgress");
    const text = await readFile(node.file("one.yaml"), "utf8");
    await node.putText("one.yaml", text.replace("uploaderType: kopia", "uploaderType: kopia\n  cancel: true"));
    const status = await node.untilBackup("one");
    assert.equal(status.phase, "Canceled");
    assert.equal(status.message, "data path backup canceled: PVB is canceled");
    assert.equal(status.snapshotID, undefined);
    assert.deepEqual(await readdir(join(node.root, "store", "p", "kopia", "shop")), ["password"]);
  });

  it("passes on what was said by whoever canceled a backup", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: {} });
    const gate = new Gate();
    node.work.during = (run) => gate.wait(run.signal);
    await node.put("one.yaml", backupOf("one", "db-0", "data"));
    node.start();
    await gate.arrived(1);
    await node.until(podVolumeBackups, "one", ({ phase }) => phase === "InProgress");
    const text = await readFile(node.file("one.yaml"), "utf8");
    const canceled = text.replace("uploaderType: kopia", "uploaderType: kopia\n  cancel: true");
    await node.putText("one.yaml", canceled.replace("phase: InProgress", "phase: InProgress\n  message: at its start"));
    const status = await node.untilBackup("one");
    assert.equal(status.message, "data path backup canceled: PVB is canceled: at its start");
  });

  it("ends a canceled backup whose work does not stop, and starts no other before it has", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: { "a.txt": "hello" } });
    const gate = new Gate();
    const { signal: never } = new AbortController();
    node.work.during = () => gate.wait(never);
    await node.put("one.yaml", backupOf("one", "db-0", "data"));
    node.start();
    await gate.arrived(1);
    await node.until(podVolumeBackups, "one", ({ phase }) => phase === "InProgress");
    const text = await readFile(node.file("one.yaml"), "utf8");
    await node.putText("one.yaml", text.replace("uploaderType: kopia", "uploaderType: kopia\n  cancel: true"));
    assert.equal((await node.untilBackup("one")).phase, "Canceled");
    await node.put("two.yaml", backupOf("two", "db-0", "data"));
    await node.put("three.yaml", backupOf("three", "db-0", "data", { uploaderType: "restic" }));
    await node.untilBackup("three");
    assert.equal(node.work.backups.length, 1);
    gate.open();
    assert.equal((await node.untilBackup("two")).phase, "Completed");
    assert.equal(node.work.runningMax, 1);
  });

  it("fails what runs when it is stopped, though its work does not stop", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: {} });
    const gate = new Gate();
    const { signal: never } = new AbortController();
    node.work.during = () => gate.wait(never);
    await node.put("one.yaml", backupOf("one", "db-0", "data"));
    const agent = node.start({ graceMs: 60_000 });
    await gate.arrived(1);
    await agent.stop();
    const status = await node.untilBackup("one");
    assert.equal(status.phase, "Failed");
    assert.match(messageOf(status), /\[AGENT_STOPPED\]/);
    gate.open();
  });

  it("fails a canceled backup while its Backup is in progress", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: {} });
    const gate = new Gate();
    node.work.during = (run) => gate.wait(run.signal);
    const backup = {
      apiVersion: "velero.io/v1",
      kind: "Backup",
      metadata: { namespace: "velero", name: "b1", uid: "u1" },
    };
    await node.put("backup.yaml", { ...backup, status: { phase: "InProgress" } });
    const owners = [{ apiVersion: "velero.io/v1", kind: "Backup", name: "b1", uid: "u1", controller: true }];
    const owned = (spec: object) => ({
      ...backupOf("one", "db-0", "data", { ...spec }),
      metadata: { namespace: "velero", name: "one", ownerReferences: owners },
    });
    await node.put("one.yaml", owned({}));
    node.start();
    await gate.arrived(1);
    await node.put("one.yaml", { ...owned({ cancel: true }), status: { phase: "InProgress" } });
    assert.equal((await node.untilBackup("one")).phase, "Failed");
    await node.put("backup.yaml", { ...backup, status: { phase: "Completed" } });
    await node.put("two.yaml", {
      ...owned({}),
      metadata: { namespace: "velero", name: "two", ownerReferences: owners },
    });
    await node.put("three.yaml", backupOf("three", "gone", "data"));
    await node.untilBackup("three");
    assert.equal(node.work.backups.length, 1);
  });

  it("stops a backup whose object is deleted, and works on", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: {} });
    const gate = new Gate();
    let stopped: () => void = () => undefined;
    const wasStopped = new Promise<void>((resolve) => {
      stopped = resolve;
    });
    node.work.during = async (run) => {
      if (node.work.backups.length > 1) return;
      run.signal.addEventListener("abort", stopped);
      await gate.wait(run.signal);
    };
    await node.put("one.yaml", backupOf("one", "db-0", "data"));
    node.start();
    await gate.arrived(1);
    // At once, as a removal between the agent's last look and its own rename would be undone by that.
    rmSync(node.file("one.yaml"));
    await inTime("the job's end", wasStopped);
    await node.put("two.yaml", backupOf("two", "db-0", "data"));
    assert.equal((await node.untilBackup("two")).phase, "Completed");
    await assert.rejects(readFile(node.file("one.yaml")), { code: "ENOENT" });
  });

  it("fails what a process that died has left in progress", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: {} });
    const left = { status: { phase: "InProgress", startTimestamp: "2024-05-01T10:00:00Z" } };
    await node.put("pvb.yaml", { ...backupOf("one", "db-0", "data"), ...left });
    await node.put("pvr.yaml", { ...restoreOf("back", "db-0", "data", "s1"), ...left });
    await node.put("other.yaml", { ...backupOf("other", "db-0", "data", { node: "node-2" }), ...left });
    node.start();
    const backup = await node.untilBackup("one");
    const found = (noun: "backup" | "restore") =>
      `found a podvolume${noun} with status "InProgress" during the server starting, mark it as "Failed" (hint: the node agent ended while it worked on it; start the ${noun} anew)`;
    assert.deepEqual([backup.phase, backup.message], ["Failed", found("backup")]);
    assert.equal(backup.startTimestamp, "2024-05-01T10:00:00Z");
    const restore = await node.untilRestore("back");
    assert.deepEqual([restore.phase, restore.message], ["Failed", found("restore")]);
    assert.match(await readFile(node.file("other.yaml"), "utf8"), /phase: InProgress/);
  });

  it("fails what runs when it is stopped, leaves what waits, and does that after the next start", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: {} });
    const gate = new Gate();
    node.work.during = (run) => gate.wait(run.signal);
    await node.put("one.yaml", backupOf("one", "db-0", "data"));
    const agent = node.start();
    await gate.arrived(1);
    await node.put("two.yaml", backupOf("two", "db-0", "data"));
    await agent.stop();
    const one = await node.untilBackup("one");
    assert.equal(one.phase, "Failed");
    assert.match(messageOf(one), /^data path backup failed: the node agent was stopped meanwhile \[AGENT_STOPPED\]/);
    assert.match(await readFile(node.file("two.yaml"), "utf8"), /status:\n {2}progress: \{\}/);
    gate.open();
    node.start();
    assert.equal((await node.untilBackup("two")).phase, "Completed");
  });

  it("serves good files beside malformed ones", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: {} });
    await node.putText("bad.yaml", "kind: [\n");
    await node.put("one.yaml", backupOf("one", "db-0", "data"));
    node.start();
    assert.equal((await node.untilBackup("one")).phase, "Completed");
    assert.equal(node.logLines.filter((line) => line.includes("bad.yaml:")).length, 1);
  });

  it("keeps comments and edits that a person makes while it works", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: {} });
    const gate = new Gate();
    node.work.during = (run) => gate.wait(run.signal);
    await node.put("one.yaml", backupOf("one", "db-0", "data"));
    node.start();
    await gate.arrived(1);
    const text = await readFile(node.file("one.yaml"), "utf8");
    await node.putText("one.yaml", `# mine\n${text.replace("volume: data", "volume: data # the big one")}`);
    gate.open();
    assert.equal((await node.untilBackup("one")).phase, "Completed");
    const after = await readFile(node.file("one.yaml"), "utf8");
    assert.match(after, /^# mine\n/);
    assert.match(after, /volume: data # the big one\n/);
  });

  it("writes progress while it works, and nothing after the end", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: { "a.txt": "hello" } });
    const gate = new Gate();
    let report: () => void = () => undefined;
    node.work.during = async (run) => {
      report = () => run.onProgress({ bytesDone: 3, totalBytes: 5 });
      report();
      await gate.wait(run.signal);
    };
    await node.put("one.yaml", backupOf("one", "db-0", "data"));
    node.start();
    const running = await node.until(
      podVolumeBackups,
      "one",
      ({ progress }) => JSON.stringify(progress) === '{"totalBytes":5,"bytesDone":3}',
    );
    assert.equal(running.phase, "InProgress");
    gate.open();
    await node.untilBackup("one");
    const text = await readFile(node.file("one.yaml"), "utf8");
    report();
    await node.put("two.yaml", backupOf("two", "gone", "data"));
    await node.untilBackup("two");
    assert.equal(await readFile(node.file("one.yaml"), "utf8"), text);
  });

  it("works on as many at once as the ConfigMap says, unless told otherwise", async () => {
    for (const [given, expected] of [
      [{}, 2],
      [{ concurrency: 1 }, 1],
    ] as const) {
      await using node = await NodeUnderTest.create();
      await node.addPod("db-0", { data: {} });
      const gate = new Gate();
      node.work.during = (run) => gate.wait(run.signal);
      await node.put("config.yaml", {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "node-agent-config" },
        data: { config: JSON.stringify({ loadConcurrency: { globalConfig: 2 } }) },
      });
      for (const name of ["a", "b", "c"]) await node.put(`${name}.yaml`, backupOf(name, "db-0", "data"));
      node.start(given);
      await gate.arrived(expected);
      gate.open();
      for (const name of ["a", "b", "c"]) assert.equal((await node.untilBackup(name)).phase, "Completed");
      assert.equal(node.work.runningMax, expected);
    }
  });

  for (const concurrency of [1, 2]) {
    it(`works on ${concurrency} at once when told so, oldest first`, async () => {
      await using node = await NodeUnderTest.create();
      await node.addPod("db-0", { a: {}, b: {}, c: {} });
      const gate = new Gate();
      node.work.during = (run) => gate.wait(run.signal);
      const aged = (name: string, volume: string, day: number) => ({
        ...backupOf(name, "db-0", volume),
        metadata: { namespace: "velero", name, creationTimestamp: `2024-05-0${day}T10:00:00Z` },
      });
      await node.put("all.yaml", aged("young", "a", 3), aged("old", "b", 1), aged("middle", "c", 2));
      node.start({ concurrency });
      await gate.arrived(concurrency);
      assert.equal(node.work.running, concurrency);
      gate.open();
      for (const name of ["young", "old", "middle"]) {
        const status = await node.untilBackup(name);
        assert.equal(status.phase, "Completed", JSON.stringify(status));
      }
      assert.equal(node.work.runningMax, concurrency);
      const order = node.work.backups.map(({ source }) => source.path.slice(-1)).join("");
      if (concurrency === 1) assert.equal(order, "bca");
      else assert.match(order, /^(bc|cb)a$/);
    });
  }

  it("starts a restore once its pod is on the node and waits for it", async () => {
    await using node = await NodeUnderTest.create();
    await node.put("back.yaml", restoreOf("back", "db-0", "data", "missing"));
    node.start();
    await node.put("x.yaml", backupOf("x", "gone", "data"));
    await node.untilBackup("x");
    assert.equal(node.work.restores.length, 0);
    await node.addPod("db-0", { data: {} });
    const status = await node.untilRestore("back");
    assert.equal(status.phase, "Failed");
    assert.match(
      messageOf(status),
      /^data path restore failed: Failed to run kopia restore: unable to load snapshot missing: snapshot not found \[SNAPSHOT_NOT_FOUND\]/,
    );
  });

  it("fails a restore whose done marker the waiting pod cannot see, and leaves what it restored", async () => {
    await using node = await NodeUnderTest.create();
    const addWaiting = async (name: string, restoreWait: JsonObject): Promise<void> => {
      const pod = await node.addPod(name, { data: {} });
      await chmod(node.volume(name, "data"), 0o700);
      const spec = { ...(pod.spec as JsonObject), initContainers: [{ name: "restore-wait", ...restoreWait }] };
      await node.put(`pod-${name}.yaml`, { ...pod, spec });
    };
    await node.addPod("db-0", { data: { "a.txt": "hello" } });
    await addWaiting("db-1", { securityContext: { runAsUser: (process.getuid?.() ?? 0) + 1 } });
    await addWaiting("db-2", { image: "tools/wait:1" });
    await node.put("backup.yaml", backupOf("backup", "db-0", "data"));
    node.start();
    const { snapshotID } = await node.untilBackup("backup");
    await node.put("known.yaml", restoreOf("known", "db-1", "data", String(snapshotID)));
    const known = await node.untilRestore("known");
    assert.equal(known.phase, "Failed");
    assert.match(
      messageOf(known),
      /runs as user \d+, who cannot search the volume's root, mode 0700 of .+ \[RESTORE_MARKER_UNREACHABLE\] \(hint: set secCtxRunAsUser: "\d+"/,
    );
    assert.deepEqual(await readdir(node.volume("db-1", "data")), [".velero", "a.txt"]);
    await node.put("unknown.yaml", restoreOf("unknown", "db-2", "data", String(snapshotID)));
    const unknown = await node.untilRestore("unknown");
    assert.equal(unknown.phase, "Completed", messageOf(unknown));
    assert.match(messageOf(unknown), /cannot be told whether restore-wait, as the user of image tools\/wait:1/);
  });

  it("cancels a restore before and while it runs", async () => {
    await using node = await NodeUnderTest.create();
    await node.addPod("db-0", { data: {} });
    const gate = new Gate();
    node.work.during = (run) => gate.wait(run.signal);
    await node.put("early.yaml", restoreOf("early", "db-0", "data", "s1", { cancel: true }));
    await node.put("late.yaml", restoreOf("late", "db-0", "data", "s1"));
    node.start();
    await gate.arrived(1);
    await node.until(podVolumeRestores, "late", ({ phase }) => phase === "InProgress");
    const text = await readFile(node.file("late.yaml"), "utf8");
    await node.putText("late.yaml", text.replace("sourceNamespace: shop", "sourceNamespace: shop\n  cancel: true"));
    assert.equal((await node.untilRestore("late")).phase, "Canceled");
    assert.equal((await node.untilRestore("early")).phase, "Canceled");
    assert.equal(node.work.restores.length, 1);
  });

  it("does not start beside another for the same folder and node, and starts when that one is gone", async () => {
    await using node = await NodeUnderTest.create();
    await using _ = await holdAsOnlyAgent(join(node.root, "resources"), "node-1");
    await assert.rejects(holdAsOnlyAgent(join(node.root, "resources"), "node-1"), { code: "AGENT_ALREADY_RUNNING" });
    await using other = await holdAsOnlyAgent(join(node.root, "resources"), "node-2");
    await other[Symbol.asyncDispose]();
    await using again = await holdAsOnlyAgent(join(node.root, "resources"), "node-2");
    assert.ok(again);
  });

  it("saves no snapshot of a volume from which files vanish while its pod goes", async () => {
    await using node = await NodeUnderTest.create();
    const pod = await node.addPod("db-0", { data: { "a.txt": "hello" } });
    const deletionTimestamp = "2024-05-01T10:00:00Z";
    await node.put("pod-db-0.yaml", applyMergePatch(pod, { metadata: { deletionTimestamp } }) as JsonObject);
    await node.put("backup.yaml", backupOf("late", "db-0", "data"));
    node.work.losesFiles = true;
    node.start();
    const status = await node.untilBackup("late");
    assert.equal(status.phase, "Failed");
    assert.match(messageOf(status), /pod shop\/db-0 went away while its volume was read \[POD_TERMINATING\]/);
    assert.equal(status.snapshotID, undefined);
  });

  describe("fails a backup with a message that says why", () => {
    const cases: readonly [string, RegExp, (node: NodeUnderTest) => Promise<void>][] = [
      [
        "when the provider is not known",
        /error to initialize data path: invalid storage provider "gcp" of backup storage location default \[BACKUP_LOCATION_PROVIDER_UNSUPPORTED\]/,
        (node) =>
          node.put("location.yaml", {
            apiVersion: "velero.io/v1",
            kind: "BackupStorageLocation",
            metadata: { name: "default" },
            spec: { provider: "gcp", objectStorage: { bucket: "b" } },
          }),
      ],
      [
        "when the location is missing",
        /error getting backup storage location default: BackupStorageLocation "default" not found/,
        (node) => rm(node.file("location.yaml")),
      ],
      [
        "when the password is missing",
        /error to get repo password: error to get password: unable to get key for secret: Secret "velero-repo-credentials" not found \[REPOSITORY_PASSWORD_NOT_FOUND\].*hint: create Secret/,
        (node) => rm(node.file("secret.yaml")),
      ],
      [
        "when the password is empty but for white space",
        /"velero-repo-credentials" secret has an empty "repository-password" \[REPOSITORY_PASSWORD_NOT_FOUND\]/,
        (node) =>
          node.put("secret.yaml", {
            apiVersion: "v1",
            kind: "Secret",
            metadata: { name: "velero-repo-credentials" },
            stringData: { "repository-password": " \n" },
          }),
      ],
      [
        "when the pod is missing",
        /error exposing host path for pod volume: getting pod shop\/db-0: Pod "db-0" not found \[POD_NOT_FOUND\]/,
        (node) => rm(node.file("pod-db-0.yaml")),
      ],
      [
        "when the volume's folder is missing",
        /error identifying unique volume path on host for volume data in pod db-0: expected one matching path: .*\/pods\/uid-of-db-0\/volumes\/\*\/data, got 0/,
        (node) => rm(node.volume("db-0", "data"), { recursive: true }),
      ],
      [
        "when the repository is not ready",
        /error to ensure backup repository default-shop-kopia: failed to wait BackupRepository, errored early: backup repository is not ready: no bucket/,
        (node) =>
          node.put("repository.yaml", {
            apiVersion: "velero.io/v1",
            kind: "BackupRepository",
            metadata: { name: "r" },
            spec: { volumeNamespace: "shop", backupStorageLocation: "default", repositoryType: "kopia" },
            status: { phase: "NotReady", message: "no bucket" },
          }),
      ],
      [
        "when the uploader is restic",
        /uploader type "restic" is not supported/,
        (node) => node.put("one.yaml", backupOf("one", "db-0", "data", { uploaderType: "restic" })),
      ],
    ];
    for (const [name, message, spoil] of cases) {
      it(name, async () => {
        await using node = await NodeUnderTest.create();
        await node.addPod("db-0", { data: { "a.txt": "hello" } });
        await node.put("one.yaml", backupOf("one", "db-0", "data"));
        await spoil(node);
        node.start();
        const status = await node.untilBackup("one");
        assert.equal(status.phase, "Failed");
        assert.match(messageOf(status), message);
        assert.match(String(status.startTimestamp), rfc3339);
        assert.equal(status.snapshotID, undefined);
      });
    }
  });

  it("refuses to start without a pods root or a resource folder", async () => {
    await using node = await NodeUnderTest.create();
    const options = {
      resources: { folder: join(node.root, "resources") },
      podsRoot: join(node.root, "pods"),
      node: "node-1",
      work: new CopyingWork(),
      log: silentLog,
    };
    const signal = new AbortController().signal;
    const missing = join(node.root, "missing");
    await assert.rejects(runAgent({ ...options, podsRoot: missing }, signal), (e) =>
      hasCode(e, "AGENT_PODS_ROOT_INVALID"),
    );
    await assert.rejects(runAgent({ ...options, resources: { folder: missing } }, signal), (e) =>
      hasCode(e, "RESOURCE_STORE_INVALID"),
    );
    await assert.rejects(runAgent({ ...options, concurrency: 0 }, signal), (e) => hasCode(e, "AGENT_OPTIONS_INVALID"));
  });
});
