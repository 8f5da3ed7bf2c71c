import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AgentMetrics } from "../../../src/agent/observability/agent-metrics.ts";
import { parsePodVolumeBackup } from "../../../src/agent/velero/velero-resources.ts";
import { parseKubernetesObject } from "../../../src/kubernetes/kubernetes-object.ts";
import { applyMergePatch } from "../../../src/kubernetes/merge-patch.ts";
import { ManualClock } from "../../repository/manual-clock.ts";
import { backupOf } from "../node-under-test.ts";

const clock = new ManualClock(Date.UTC(2026, 0, 1));
const nowSeconds = Date.UTC(2026, 0, 1) / 1000;

const mebibyte = 2 ** 20;

function newMetrics(isEngineRunning = () => false): AgentMetrics {
  const memoryUse = () =>
    isEngineRunning() ? { limitBytes: 256 * mebibyte, usedBytes: 94 * mebibyte, peakBytes: 0 } : undefined;
  return new AgentMetrics({ node: "node-1", version: "1.2.3", clock, isEngineRunning, memoryUse });
}

/** Values by name and labels, as the text has them. */
async function valuesOf(metrics: AgentMetrics): Promise<ReadonlyMap<string, number>> {
  const lines = (await metrics.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ") + 1))]),
  );
}

const backup = (name: string) =>
  parsePodVolumeBackup(
    parseKubernetesObject(
      applyMergePatch(backupOf(name, "db-0", "data"), {
        metadata: { ownerReferences: [{ apiVersion: "velero.io/v1", kind: "Backup", name: "nightly", uid: "u" }] },
      }),
    ),
  );

describe("the stock agent's metrics", () => {
  const counters = [
    "podVolume_pod_volume_backup_enqueue_count",
    "podVolume_pod_volume_backup_dequeue_count",
    ...["upload", "download"].flatMap((way) =>
      ["success", "failure", "cancel"].map((how) => `podVolume_data_${way}_${how}_total`),
    ),
  ];

  it("are there from the start, at 0 for the node", async () => {
    const metrics = newMetrics();
    const [values, text] = [await valuesOf(metrics), await metrics.text()];
    for (const name of counters) {
      assert.equal(values.get(`${name}{node="node-1"}`), 0, name);
      assert.match(text, new RegExp(`^# TYPE ${name} counter$`, "m"));
    }
    assert.match(text, /^# TYPE podVolume_pod_volume_operation_latency_seconds histogram$/m);
    assert.match(text, /^# TYPE podVolume_pod_volume_operation_latency_seconds_gauge gauge$/m);
  });

  it("count a backup when it gets room and when it is completed, with what it took, and restores not at all", async () => {
    const metrics = newMetrics();
    for (const operation of ["backup", "restore"] as const) metrics.started(operation);
    metrics.ended("backup", backup("one"), { phase: "Completed", seconds: 301 });
    metrics.ended("restore", backup("two"), { phase: "Completed", seconds: 1 });
    metrics.started("backup");
    metrics.ended("backup", backup("three"), { phase: "Failed", code: "BLOB_STORE_DENIED" });
    const values = await valuesOf(metrics);
    assert.equal(values.get('podVolume_pod_volume_backup_enqueue_count{node="node-1"}'), 2);
    assert.equal(values.get('podVolume_pod_volume_backup_dequeue_count{node="node-1"}'), 1);
    const labels =
      'node="node-1",operation="one-default-shop-kopia-backup",backupName="velero/nightly",pod_volume_backup="one"';
    assert.equal(values.get(`podVolume_pod_volume_operation_latency_seconds_gauge{${labels}}`), 301);
    const buckets = [...values].flatMap(([key, value]) => {
      const bucket = /^podVolume_pod_volume_operation_latency_seconds_bucket\{le="(.+?)",/.exec(key)?.[1];
      return bucket === undefined ? [] : [[bucket, value]];
    });
    assert.deepEqual(buckets, [
      ["60", 0],
      ["300", 0],
      ...["600", "900", "1800", "3600", "7200", "10800", "14400", "+Inf"].map((le) => [le, 1]),
    ]);
    assert.equal(values.get(`podVolume_pod_volume_operation_latency_seconds_sum{${labels}}`), 301);
  });

  it("forget the latency of the oldest backups, so that they do not grow for good", async () => {
    const metrics = newMetrics();
    for (let i = 0; i < 250; i++) metrics.ended("backup", backup(`b-${i}`), { phase: "Completed", seconds: 1 });
    const named = [...(await valuesOf(metrics)).keys()].flatMap(
      (key) => /^podVolume_.*_(?:gauge|count)\{.*pod_volume_backup="(.+)"/.exec(key)?.[1] ?? [],
    );
    assert.deepEqual(
      [...new Set(named)],
      Array.from({ length: 200 }, (_, i) => `b-${i + 50}`),
    );
    assert.equal(named.length, 400);
  });
});

describe("the agent's own metrics", () => {
  it("tell of backups and restores alike", async () => {
    const metrics = newMetrics();
    for (const operation of ["backup", "restore"] as const) {
      metrics.started(operation);
      metrics.moved(operation, 100);
      metrics.filesDone(operation, 3, operation === "backup" ? { changed: 1 } : { "attributes differ": 2 });
      metrics.ended(operation, backup("one"), { phase: "Completed", seconds: 4 });
      metrics.started(operation);
      metrics.stalled(operation, true);
      metrics.refused(operation, "Failed");
    }
    const values = await valuesOf(metrics);
    for (const operation of ["backup", "restore"]) {
      const of = (name: string, more = "") => values.get(`${name}{operation="${operation}"${more}}`);
      assert.equal(of("fsb_bytes_total"), 100);
      assert.equal(of("fsb_files_total"), 3);
      assert.equal(of("fsb_jobs_total", ',phase="Completed"'), 1);
      assert.equal(of("fsb_jobs_total", ',phase="Failed"'), 1);
      assert.equal(of("fsb_jobs_total", ',phase="Canceled"'), 0);
      assert.equal(of("fsb_duration_seconds_sum"), 4);
      assert.equal(of("fsb_last_success_timestamp_seconds"), nowSeconds);
      assert.equal(of("fsb_last_progress_timestamp_seconds"), nowSeconds);
      assert.equal(of("fsb_running"), 1);
      assert.equal(of("fsb_stalled"), 1);
      assert.equal(of("fsb_stalls_total"), 1);
    }
    assert.equal(values.get('fsb_file_problems_total{operation="backup",problem="changed"}'), 1);
    assert.equal(values.get('fsb_file_problems_total{operation="backup",problem="vanished"}'), 0);
    assert.equal(values.get('fsb_file_problems_total{operation="restore",problem="attributes differ"}'), 2);
  });

  it("have no time of a success before there was one", async () => {
    const keys = [...(await valuesOf(newMetrics())).keys()];
    assert.deepEqual(
      keys.filter((key) => key.includes("timestamp")),
      [],
    );
  });

  it("count failures by their code, requests by how they ended, and watches that began anew", async () => {
    const metrics = newMetrics();
    metrics.ended("backup", backup("one"), { phase: "Failed", code: "BLOB_STORE_DENIED" });
    metrics.storeRequests([
      { operation: "put", result: "ok", durationMs: 200, bytes: 1000 },
      { operation: "put", result: "BLOB_STORE_UNAVAILABLE", durationMs: 60_000, bytes: 0 },
      { operation: "put", result: "ok", durationMs: 300, bytes: 500 },
    ]);
    metrics.watchRestarted("Pod", "RESOURCE_VERSION_GONE");
    const values = await valuesOf(metrics);
    assert.equal(values.get('fsb_errors_total{operation="backup",code="BLOB_STORE_DENIED"}'), 1);
    assert.equal(values.get('fsb_store_requests_total{operation="put",result="ok"}'), 2);
    assert.equal(values.get('fsb_store_requests_total{operation="put",result="BLOB_STORE_UNAVAILABLE"}'), 1);
    assert.equal(values.get('fsb_store_request_bytes_total{operation="put"}'), 1500);
    assert.equal(values.get('fsb_store_request_duration_seconds_bucket{le="0.5",operation="put"}'), 2);
    assert.equal(values.get('fsb_watch_restarts_total{kind="Pod",reason="RESOURCE_VERSION_GONE"}'), 1);
  });

  it("are looked at when they are asked for", async () => {
    let load = { waiting: 0, queued: {} };
    let isRunning = false;
    const metrics = newMetrics(() => isRunning);
    metrics.loadKnown(() => load);
    const before = await valuesOf(metrics);
    for (const name of ["fsb_engine_running", "fsb_memory_budget_bytes", "fsb_memory_used_bytes"]) {
      assert.equal(before.get(name), 0);
    }
    load = { waiting: 3, queued: { PodVolumeBackup: 2 } };
    isRunning = true;
    const values = await valuesOf(metrics);
    assert.equal(values.get("fsb_waiting"), 3);
    assert.equal(values.get('fsb_queue_depth{kind="PodVolumeBackup"}'), 2);
    assert.equal(values.get("fsb_engine_running"), 1);
    assert.equal(values.get("fsb_memory_budget_bytes"), 256 * mebibyte);
    assert.equal(values.get("fsb_memory_used_bytes"), 94 * mebibyte);
    assert.equal(values.get(`fsb_build_info{version="1.2.3",nodejs_version="${process.versions.node}"}`), 1);
    assert.ok((values.get("process_resident_memory_bytes") ?? 0) > 1e6);
    const cpu = values.get("process_cpu_seconds_total") ?? 0;
    assert.ok(
      cpu > 0 && ((await valuesOf(metrics)).get("process_cpu_seconds_total") ?? 0) < cpu + 5,
      "it is no sum of sums",
    );
  });
});
