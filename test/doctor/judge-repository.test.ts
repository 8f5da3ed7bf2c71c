/** Each outcome of each finding about a repository. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  judgeIndexBlobs,
  judgeMaintenance,
  judgeMaintenanceAge,
  judgeOpening,
  judgePassword,
  judgeRepositoryState,
} from "../../src/doctor/judge-repository.ts";
import type { JsonObject } from "../../src/kubernetes/json.ts";
import { parseKubernetesObject } from "../../src/kubernetes/kubernetes-object.ts";

const nowMs = Date.parse("2026-11-24T20:00:00Z");
const hourMs = 3_600_000;
const trouble = { code: "", reason: "", because: "it was denied", hint: "" };

function repository(status: JsonObject) {
  const spec = { volumeNamespace: "shop", backupStorageLocation: "default", repositoryType: "kopia" };
  return parseKubernetesObject({
    apiVersion: "velero.io/v1",
    kind: "BackupRepository",
    metadata: { name: "r" },
    spec,
    status,
  });
}

describe("the password", () => {
  it("is another than Velero's, or that, or missing, or not shown", () => {
    assert.equal(judgePassword({ value: "another" }).status, "ok");
    assert.equal(judgePassword({ value: "static-passw0rd" }).status, "warn");
    assert.equal(judgePassword({ trouble: { ...trouble, code: "REPOSITORY_PASSWORD_NOT_FOUND" } }).status, "FAIL");
    assert.equal(judgePassword({ trouble: { ...trouble, code: "RESOURCE_STORE_DENIED" } }).status, "warn");
  });
});

describe("a BackupRepository", () => {
  it("is as the Velero server finds it", () => {
    const of = (phase: string) => judgeRepositoryState(repository({ phase })).status;
    assert.deepEqual([of("Ready"), of("NotReady"), of("New"), of("")], ["ok", "FAIL", "warn", "warn"]);
  });
});

describe("maintenance", () => {
  it("is late after a day, and a fault after a week", () => {
    const of = (hours: number | undefined) => {
      return judgeMaintenanceAge("r", hours === undefined ? undefined : nowMs - hours * hourMs, nowMs).status;
    };
    assert.deepEqual(
      [of(0), of(24), of(25), of(168), of(169), of(undefined)],
      ["ok", "ok", "warn", "warn", "FAIL", "warn"],
    );
  });

  it("is a fault where the newest run failed, whatever ran before", () => {
    const runs = (newest: string) => [
      { startTimestamp: "2026-11-24T18:00:00Z", result: newest === "Failed" ? "Succeeded" : "Failed" },
      { startTimestamp: "2026-11-24T19:00:00Z", result: newest, message: "out of memory" },
    ];
    const of = (newest: string) => {
      const status = { lastMaintenanceTime: "2026-11-24T19:00:00Z", recentMaintenance: runs(newest) };
      return judgeMaintenance(repository(status), nowMs).map((finding) => `${finding.status} ${finding.check}`);
    };
    assert.deepEqual(of("Succeeded"), ["ok maintenance"]);
    assert.deepEqual(of("Failed"), ["ok maintenance", "FAIL maintenance-run"]);
  });

  it("is not known where its time is no time", () => {
    assert.equal(judgeMaintenance(repository({ lastMaintenanceTime: "soon" }), nowMs)[0]?.status, "warn");
  });
});

describe("a repository", () => {
  it("opens, or fails with what to do, or is not known where its store's name is not", () => {
    const value = { formatVersion: 3, hash: "h", encryption: "e", indexBlobs: 3, maintainedMs: undefined };
    assert.deepEqual(
      judgeOpening("r", { value }).map(({ status, check }) => `${status} ${check}`),
      ["ok repository-open", "ok index-blobs"],
    );
    const of = (code: string, reason = "") => judgeOpening("r", { trouble: { ...trouble, code, reason } })[0];
    assert.match(of("REPOSITORY_PASSWORD_WRONG")?.fix ?? "", /give the password it was made with/);
    assert.match(of("REPOSITORY_NOT_FOUND")?.fix ?? "", /delete its BackupRepository/);
    assert.equal(of("BLOB_STORE_DENIED")?.status, "FAIL");
    assert.equal(of("BLOB_STORE_UNAVAILABLE", "ENOTFOUND")?.status, "warn");
  });

  it("hurts from a thousand index blobs on", () => {
    assert.deepEqual([judgeIndexBlobs("r", 999).status, judgeIndexBlobs("r", 1000).status], ["ok", "warn"]);
  });
});
