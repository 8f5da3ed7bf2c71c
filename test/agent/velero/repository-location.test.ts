import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readLocationSecrets } from "../../../src/agent/velero/location-secrets.ts";
import { repositoryLocation } from "../../../src/agent/velero/repository-location.ts";
import { type BackupStorageLocation, parseBackupStorageLocation } from "../../../src/agent/velero/velero-resources.ts";
import { hasCode } from "../../../src/base/errors.ts";
import type { JsonObject } from "../../../src/kubernetes/json.ts";
import { parseKubernetesObject } from "../../../src/kubernetes/kubernetes-object.ts";
import { MemoryResourceStore } from "../../kubernetes/memory-resource-store.ts";

function parse(spec: JsonObject): BackupStorageLocation {
  const object = { apiVersion: "velero.io/v1", kind: "BackupStorageLocation", metadata: { name: "default" }, spec };
  return parseBackupStorageLocation(parseKubernetesObject(object));
}

/** Of a folder. */
function locate(spec: JsonObject, namespace = "shop"): string {
  const location = repositoryLocation(parse(spec), namespace, {});
  assert.ok(location.kind === "fs");
  return location.folder;
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
    for (const provider of ["gcp", "velero.io/azure", "example.com/other", ""]) {
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

describe("a bucket's location", () => {
  const objectStorage = { bucket: "/backups/", prefix: "/a/" };

  it("is the bucket, and the prefix in front of kopia and the namespace", () => {
    for (const provider of ["aws", "velero.io/aws"]) {
      assert.deepEqual(repositoryLocation(parse({ provider, objectStorage }), "shop", {}), {
        kind: "s3",
        bucket: "backups",
        prefix: "a/kopia/shop/",
        isCertificateUnchecked: false,
      });
    }
    const fromConfig = repositoryLocation(parse({ provider: "aws", config: { bucket: "b" } }), "shop", {});
    assert.deepEqual(fromConfig, { kind: "s3", bucket: "b", prefix: "kopia/shop/", isCertificateUnchecked: false });
  });

  it("takes endpoint, region, profile, file and unchecked certificates from config, and no other key", () => {
    const config = {
      s3Url: "http://minio:9000",
      region: "/minio/",
      profile: "velero",
      credentialsFile: "/credentials/cloud",
      insecureSkipTLSVerify: "true",
      s3ForcePathStyle: "false",
      publicUrl: "https://elsewhere",
      checksumAlgorithm: "CRC32",
      kmsKeyId: "key",
    };
    for (const provider of ["aws", "example.com/other"]) {
      assert.deepEqual(repositoryLocation(parse({ provider, objectStorage, config }), "shop", {}), {
        kind: "s3",
        bucket: "backups",
        prefix: "a/kopia/shop/",
        endpoint: "http://minio:9000",
        region: "minio",
        profile: "velero",
        credentials: { path: "/credentials/cloud" },
        isCertificateUnchecked: true,
      });
    }
  });

  it("without a bucket is invalid", () => {
    assert.throws(() => repositoryLocation(parse({ provider: "aws", objectStorage: {} }), "shop", {}), {
      code: "BACKUP_LOCATION_INVALID",
    });
  });

  it("has its credentials and certificates from the Secrets that it names, before a file and what stands in itself", async () => {
    const store = new MemoryResourceStore();
    const putSecret = (name: string, stringData: JsonObject): void => {
      store.put({ apiVersion: "v1", kind: "Secret", metadata: { namespace: "velero", name }, stringData });
    };
    putSecret("cloud-credentials", { cloud: "[default]" });
    putSecret("authorities", { pem: "from the Secret" });
    const credential = { name: "cloud-credentials", key: "cloud" };
    const storage = { ...objectStorage, caCert: Buffer.from("inline").toString("base64") };
    const config = { credentialsFile: "/credentials/cloud" };
    const bsl = parse({ provider: "aws", objectStorage: storage, credential, config });
    const read = (of: BackupStorageLocation) => readLocationSecrets(store, of, "velero", new AbortController().signal);
    const credentials = { text: "[default]", name: "key cloud of Secret velero/cloud-credentials" };
    const inline = { text: "inline", name: "objectStorage.caCert of backup storage location default" };
    assert.deepEqual(await read(bsl), { credentials, authorities: inline });
    const location = repositoryLocation(bsl, "shop", await read(bsl));
    assert.deepEqual(location.kind === "s3" && location.credentials, credentials);

    const caCertRef = { name: "authorities", key: "pem" };
    const byReference = parse({ provider: "aws", objectStorage: { ...storage, caCertRef } });
    const authorities = { text: "from the Secret", name: "key pem of Secret velero/authorities" };
    assert.deepEqual(await read(byReference), { authorities });
    for (const wrong of [
      { name: "absent", key: "cloud" },
      { name: "cloud-credentials", key: "absent" },
    ]) {
      await assert.rejects(read(parse({ provider: "aws", objectStorage, credential: wrong })), {
        code: "BACKUP_LOCATION_SECRET_NOT_FOUND",
        message: /^error get credential file in bsl: unable to get key for secret: .*absent/,
      });
    }
  });
});
