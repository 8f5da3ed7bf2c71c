/** Each outcome of each finding about a store. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseBackupStorageLocation } from "../../src/agent/velero/velero-resources.ts";
import {
  judgeCredentials,
  judgeLocation,
  judgeProbe,
  judgeStoreClock,
  type ProbeReport,
} from "../../src/doctor/judge-store.ts";
import type { JsonObject } from "../../src/kubernetes/json.ts";
import { parseKubernetesObject } from "../../src/kubernetes/kubernetes-object.ts";

const trouble = { code: "BLOB_STORE_DENIED", reason: "AccessDenied", because: "it was denied", hint: "" };

function location(status: JsonObject) {
  return parseKubernetesObject({
    apiVersion: "velero.io/v1",
    kind: "BackupStorageLocation",
    metadata: { name: "default" },
    spec: {},
    status,
  });
}

function told(findings: readonly { readonly status: string; readonly check: string }[]): readonly string[] {
  return findings.map(({ status, check }) => `${status} ${check}`);
}

describe("a location", () => {
  it("is as the Velero server finds it, and not known before", () => {
    const of = (status: JsonObject) => judgeLocation(location(status)).status;
    assert.deepEqual([of({ phase: "Available" }), of({ phase: "Unavailable" }), of({})], ["ok", "FAIL", "warn"]);
  });

  it("has credentials, or none in the cluster, or lacks them, or does not show them", () => {
    const parsed = parseBackupStorageLocation(location({}));
    assert.equal(judgeCredentials(parsed, { is: "found", from: "Secret x" }).status, "ok");
    assert.equal(judgeCredentials(parsed, { is: "none" }).status, "warn");
    const missing = { ...trouble, code: "BACKUP_LOCATION_SECRET_NOT_FOUND" };
    assert.equal(judgeCredentials(parsed, { is: "missing", trouble: missing }).status, "FAIL");
    assert.equal(
      judgeCredentials(parsed, { is: "missing", trouble: { ...trouble, code: "RESOURCE_STORE_DENIED" } }).status,
      "warn",
    );
  });
});

describe("a store", () => {
  const fine: ProbeReport = {
    store: "s3://bucket/",
    done: ["reach", "put", "delete"],
    wrong: undefined,
    conditional: { value: "taken" },
    left: [],
    aheadMs: 0,
    notPut: "",
  };
  const judged = (change: Partial<ProbeReport>) => told(judgeProbe("default", { value: { ...fine, ...change } }));

  it("is in order where all was done", () => {
    assert.deepEqual(judged({}), ["ok store", "ok store-headers"]);
  });

  it("fails at the step that went wrong", () => {
    const [finding] = judgeProbe("default", {
      value: { ...fine, wrong: { step: "range", trouble }, conditional: undefined },
    });
    assert.deepEqual([finding?.status, finding?.because], ["FAIL", "range: it was denied"]);
    assert.deepEqual(told(judgeProbe("default", { trouble })), ["FAIL store"]);
  });

  it("is not known where its name is not known here", () => {
    for (const reason of ["ENOTFOUND", "EAI_AGAIN"]) {
      const wrong = { step: "reach", trouble: { ...trouble, reason } } as const;
      assert.deepEqual(judged({ wrong, conditional: undefined }), ["warn store"], reason);
    }
  });

  it("is not called in order where nothing was put", () => {
    assert.deepEqual(judged({ notPut: "it is ReadOnly", done: ["reach"], conditional: undefined }), ["warn store"]);
  });

  it("fails where the probe could not be removed, and tells its name", () => {
    const findings = judgeProbe("default", { value: { ...fine, left: ["fsb-doctor-1"] } });
    assert.deepEqual(told(findings), ["ok store", "FAIL store-delete", "ok store-headers"]);
    assert.match(findings[1]?.because ?? "", /object fsb-doctor-1 could not be removed/);
  });

  it("may not take the headers of a put on condition", () => {
    assert.deepEqual(judged({ conditional: { trouble } }), ["ok store", "warn store-headers"]);
  });

  it("has a clock that is judged by the cluster's, and by ours where there is none", () => {
    const of = (store: number | undefined, cluster?: number) => judgeStoreClock("default", store, cluster).status;
    assert.deepEqual([of(0), of(0, 0), of(600_000, 600_000)], ["ok", "ok", "ok"]);
    assert.deepEqual([of(61_000), of(-301_000), of(0, 600_000), of(undefined)], ["warn", "FAIL", "FAIL", "warn"]);
  });
});
