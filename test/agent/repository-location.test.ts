import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { repositoryLocation } from "../../src/agent/repository-location.ts";
import { parseBackupStorageLocation } from "../../src/agent/velero-resources.ts";
import { hasCode } from "../../src/base/errors.ts";
import type { JsonObject } from "../../src/kubernetes/json.ts";
import { parseKubernetesObject } from "../../src/kubernetes/kubernetes-object.ts";

function locate(spec: JsonObject, namespace = "shop"): string {
  const object = { apiVersion: "velero.io/v1", kind: "BackupStorageLocation", metadata: { name: "default" }, spec };
  return repositoryLocation(parseBackupStorageLocation(parseKubernetesObject(object)), namespace).folder;
}

const config = { fspath: "/mnt/backups/" };

describe("a repository's location", () => {
  it("is fspath, the prefix without outer slashes, kopia and the namespace", () => {
    assert.equal(locate({ provider: "velero.io/fs", config }), "/mnt/backups/kopia/shop");
    assert.equal(locate({ provider: "fs", config, objectStorage: { bucket: "b" } }), "/mnt/backups/kopia/shop");
    assert.equal(
      locate({ provider: "fs", config, objectStorage: { bucket: "b", prefix: "/a/b//" } }),
      "/mnt/backups/a/b/kopia/shop",
    );
  });

  it("takes the prefix from config only where there is no objectStorage", () => {
    const both = { ...config, prefix: "c" };
    assert.equal(locate({ provider: "fs", config: both }), "/mnt/backups/c/kopia/shop");
    assert.equal(locate({ provider: "fs", config: both, objectStorage: {} }), "/mnt/backups/kopia/shop");
  });

  it("names a provider that it does not serve", () => {
    for (const provider of ["aws", "velero.io/azure", ""]) {
      assert.throws(
        () => locate({ provider, config }),
        (error) =>
          hasCode(error, "BACKUP_LOCATION_PROVIDER_UNSUPPORTED") && String(error).includes(JSON.stringify(provider)),
      );
    }
  });

  it("stays below fspath", () => {
    const bad = (spec: JsonObject, namespace?: string) =>
      assert.throws(
        () => locate({ provider: "fs", ...spec }, namespace),
        (error) => hasCode(error, "BACKUP_LOCATION_INVALID"),
      );
    bad({ config, objectStorage: { prefix: "a/../../b" } });
    bad({ config }, "../x");
    bad({ config: {} });
    bad({ config: { fspath: "relative" } });
  });
});
