import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { newS3Client } from "../../../src/repository/blob/s3-client.ts";
import {
  assertBucketName,
  describeS3Location,
  parseAuthorities,
  parseS3Endpoint,
} from "../../../src/repository/blob/s3-location.ts";

describe("an endpoint", () => {
  test("is a scheme, a host and a port", () => {
    for (const [text, url] of [
      ["http://127.0.0.1:9000", "http://127.0.0.1:9000"],
      ["https://minio.example.com/", "https://minio.example.com"],
      ["HTTPS://Minio.Example.com:443", "https://minio.example.com"],
      ["http://[::1]:8333", "http://[::1]:8333"],
    ]) {
      assert.deepEqual(parseS3Endpoint(text), { url, isAws: false, region: undefined });
    }
    for (const none of ["", undefined]) assert.equal(parseS3Endpoint(none), undefined);
  });

  test("with anything more, or anything less, is BLOB_STORE_MISCONFIGURED", () => {
    const bad = [
      "minio:9000",
      "minio",
      "ftp://minio",
      "http://",
      "http://minio/path",
      "http://minio/?a",
      "http://u:p@minio",
    ];
    for (const text of bad) assert.throws(() => parseS3Endpoint(text), { code: "BLOB_STORE_MISCONFIGURED" }, text);
    for (const text of ["http://user:word@minio/x", "nonsense://user:word@minio"]) {
      assert.throws(
        () => parseS3Endpoint(text),
        (error) => !String(error).includes("word"),
      );
    }
  });

  test("of AWS is known, and tells the region", () => {
    for (const [host, region] of [
      ["s3.eu-central-1.amazonaws.com", "eu-central-1"],
      ["s3-eu-west-1.amazonaws.com", "eu-west-1"],
      ["s3.dualstack.us-west-2.amazonaws.com", "us-west-2"],
      ["s3.cn-north-1.amazonaws.com.cn", "cn-north-1"],
      ["s3.amazonaws.com", undefined],
    ]) {
      assert.deepEqual(parseS3Endpoint(`https://${host}`), { url: `https://${host}`, isAws: true, region });
    }
    for (const host of ["s3.amazonaws.com.evil.example", "s3.eu-central-1.wasabisys.com", "amazonaws.com"]) {
      assert.equal(parseS3Endpoint(`https://${host}`)?.isAws, false);
    }
  });
});

describe("a request", () => {
  /** Where a listing would be sent; nothing is. */
  async function addressOf(endpointText: string | undefined, region: string, bucket = "backups"): Promise<string> {
    const client = newS3Client({
      endpoint: parseS3Endpoint(endpointText),
      region,
      authorities: undefined,
      isCertificateUnchecked: false,
      credentials: async () => ({ accessKeyId: "id", secretAccessKey: "secret" }),
    });
    let address = "";
    client.middlewareStack.add(
      () => async (args) => {
        const { protocol, hostname, port, path } = args.request as Readonly<Record<string, string | undefined>>;
        address = `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}`;
        throw new Error("not sent");
      },
      { step: "finalizeRequest", priority: "low" },
    );
    await assert.rejects(client.send(new ListObjectsV2Command({ Bucket: bucket })), /not sent/);
    return address;
  }

  test("to AWS has the bucket in the host's name, to all others in the path", async () => {
    assert.equal(await addressOf(undefined, "eu-central-1"), "https://backups.s3.eu-central-1.amazonaws.com/");
    const own = "https://s3.eu-central-1.amazonaws.com";
    assert.equal(await addressOf(own, "eu-central-1"), "https://backups.s3.eu-central-1.amazonaws.com/");
    assert.equal(await addressOf("http://minio:9000", "minio"), "http://minio:9000/backups/");
    assert.equal(await addressOf(undefined, "us-east-1", "with.dots"), "https://s3.us-east-1.amazonaws.com/with.dots/");
  });
});

test("a bucket's name is one that cannot lead elsewhere in a URL", () => {
  for (const name of ["backups", "with.dots-and-1", "Under_score", "a".repeat(63)]) assertBucketName(name);
  for (const name of ["", "a", "../x", "a..b", "a/b", "a?b", "a b", "-a", "arn:aws:s3:::x", "a".repeat(256)]) {
    assert.throws(() => assertBucketName(name), { code: "BLOB_STORE_MISCONFIGURED" }, name);
  }
});

test("a place is called as the command line takes it", () => {
  const place = { kind: "s3", bucket: "backups", prefix: "kopia/shop/" } as const;
  assert.equal(describeS3Location(place), "s3://backups/kopia/shop/");
  assert.equal(
    describeS3Location({ ...place, endpoint: "http://minio:9000", region: "minio" }),
    "s3://backups/kopia/shop/?endpoint=http://minio:9000&region=minio",
  );
});

test("a bundle of authorities without a certificate that can be read is BLOB_STORE_MISCONFIGURED", () => {
  const garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  for (const pem of ["", "nothing", garbage, garbage.repeat(2)]) {
    assert.throws(() => parseAuthorities(pem, "caCert"), {
      code: "BLOB_STORE_MISCONFIGURED",
      message: /cannot parse provided CA/,
    });
  }
});
