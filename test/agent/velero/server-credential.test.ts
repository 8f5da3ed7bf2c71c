import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCredentialOfServer, serverCredential } from "../../../src/agent/velero/server-credential.ts";
import { parseBackupStorageLocation } from "../../../src/agent/velero/velero-resources.ts";
import type { JsonObject } from "../../../src/kubernetes/json.ts";
import { parseKubernetesObject } from "../../../src/kubernetes/kubernetes-object.ts";

function location(spec: JsonObject) {
  const metadata = { name: "default" };
  return parseBackupStorageLocation(
    parseKubernetesObject({ apiVersion: "velero.io/v1", kind: "BackupStorageLocation", metadata, spec }),
  );
}

function deployment(...volumes: readonly JsonObject[]) {
  const spec = { template: { spec: { volumes } } };
  return parseKubernetesObject({ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "velero" }, spec });
}

describe("the credentials of a location that names none", () => {
  const mounted = deployment({ name: "cloud-credentials", secret: { secretName: "aws" } });

  it("are the file of the Secret that the server mounts", () => {
    assert.deepEqual(serverCredential(mounted, location({})), { name: "aws", key: "cloud" });
    const other = location({ config: { credentialsFile: "/credentials/other" } });
    assert.deepEqual(serverCredential(mounted, other), { name: "aws", key: "other" });
  });

  it("are none where the server mounts no Secret, or there is no server", () => {
    assert.equal(serverCredential(deployment({ name: "scratch", emptyDir: {} }), location({})), undefined);
    assert.equal(serverCredential(undefined, location({})), undefined);
  });

  it("are not the server's where the location names its own, or a file elsewhere", () => {
    const named = location({ credential: { name: "own", key: "cloud" } });
    const elsewhere = location({ config: { credentialsFile: "/etc/aws" } });
    for (const one of [named, elsewhere]) assert.equal(isCredentialOfServer(one), false);
    assert.equal(serverCredential(mounted, elsewhere), undefined);
  });
});
