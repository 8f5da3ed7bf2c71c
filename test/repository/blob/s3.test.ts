import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { HeadObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { toUtf8 } from "../../../src/base/bytes.ts";
import { explain } from "../../../src/base/errors.ts";
import { silentLog } from "../../../src/base/log.ts";
import { seededRandom } from "../../../src/base/random.ts";
import {
  BlobError,
  type BlobErrorCode,
  type BlobId,
  type BlobStore,
  parseBlobId,
} from "../../../src/repository/blob/blob-store.ts";
import { requestLimits } from "../../../src/repository/blob/request-watch.ts";
import { RetryingBlobStore } from "../../../src/repository/blob/retrying.ts";
import { openS3Store, type S3StoreOptions } from "../../../src/repository/blob/s3.ts";
import type { S3Location } from "../../../src/repository/blob/s3-location.ts";
import { coded, describeBlobStoreContract } from "../../contracts/blob-store.contract.ts";
import {
  type BucketServer,
  fakeKeys,
  type Intercept,
  refuse,
  sendXml,
  startBucketServer,
} from "../../support/bucket-server.ts";
import { requireCertificate } from "../../support/certificate.ts";
import { requireSeaweedfs } from "../../support/seaweedfs.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { ManualClock } from "../manual-clock.ts";

const { signal } = new AbortController();
const pack = parseBlobId("p8443e18bb3a4c9a0d1f2e3a4b5c6d7e8-s0123456789abcdef147");
const other = parseBlobId("q0443e18bb3a4c9a0d1f2e3a4b5c6d7e8-s0123456789abcdef147");

/** SeaweedFS takes a backslash in a key for a slash. */
const isKeptBySeaweedfs = (id: BlobId): boolean => !id.includes("\\");

describeBlobStoreContract(
  "a bucket of SeaweedFS",
  async (t) => {
    const server = await requireSeaweedfs(t);
    return server && (await opened(t, server.newLocation()));
  },
  isKeptBySeaweedfs,
);

for (const encodesKeys of [true, false]) {
  describeBlobStoreContract(
    `a bucket listed seven keys at a time, ${encodesKeys ? "encoded" : "as they are"}`,
    async (t) => {
      const server = await startBucketServer(t, { pageLength: 7, encodesKeys });
      return await opened(t, server.location());
    },
  );
}

describe("a bucket of SeaweedFS", () => {
  test("holds a blob under the prefix and its id, with kopia's content type", async (t) => {
    const server = await requireSeaweedfs(t);
    if (server === undefined) return;
    const location = server.newLocation();
    const { store } = await opened(t, location);
    await store.put(pack, [toUtf8("bytes")], { signal });
    const client = server.newClient();
    t.after(() => client.destroy());
    const head = await client.send(new HeadObjectCommand({ Bucket: server.bucket, Key: `${location.prefix}${pack}` }));
    assert.deepEqual([head.ContentLength, head.ContentType], [5, "application/x-kopia"]);
  });

  test("gives a pack of 20 MiB and parts of it as it was put", async (t) => {
    const server = await requireSeaweedfs(t);
    if (server === undefined) return;
    const { store } = await opened(t, server.newLocation());
    const half = Buffer.from(seededRandom("pack")(10 << 20));
    await store.put(pack, [half, half.subarray(0, 7), half], { signal });
    const got = Buffer.from(await store.get(pack, { signal }));
    assert.equal(got.byteLength, (20 << 20) + 7);
    assert.ok(got.equals(Buffer.concat([half, half.subarray(0, 7), half])));
    const range = { offset: (10 << 20) - 3, length: 13 };
    const expected = Buffer.concat([half.subarray(-3), half.subarray(0, 7), half.subarray(0, 3)]);
    assert.deepEqual(Buffer.from(await store.get(pack, { signal, range })), expected);
  });

  test("may hold other things below the prefix, which are not listed", async (t) => {
    const server = await requireSeaweedfs(t);
    if (server === undefined) return;
    const location = server.newLocation();
    const { store } = await opened(t, location);
    const client = server.newClient();
    t.after(() => client.destroy());
    for (const key of [".storageconfig", "deeper/p1", "p/1"]) {
      await client.send(new PutObjectCommand({ Bucket: server.bucket, Key: location.prefix + key, Body: "{}" }));
    }
    await store.put(pack, [toUtf8("bytes")], { signal });
    for (const prefix of ["", "p"]) assert.deepEqual(await listed(store, prefix), [pack]);
    assert.deepEqual(await listed(store, "p/"), []);
  });

  test("that is not there is BLOB_STORE_NOT_FOUND, whatever is read", async (t) => {
    const server = await requireSeaweedfs(t);
    if (server === undefined) return;
    const { store } = await opened(t, { ...server.newLocation(), bucket: "no-such-bucket" });
    const { put: _, ...reading } = operationsOf(store); // SeaweedFS makes a bucket for whoever writes and may.
    for (const read of Object.values(reading)) {
      const error = await failureOf(read(), "BLOB_STORE_NOT_FOUND");
      assert.match(error.message, /no-such-bucket/);
    }
  });

  test("that may only be read is BLOB_STORE_DENIED for a put, with the place of the credentials", async (t) => {
    const server = await requireSeaweedfs(t);
    if (server === undefined) return;
    const { store } = await opened(t, server.newLocation("reader"));
    const error = await failureOf(store.put(pack, [toUtf8("bytes")], { signal }), "BLOB_STORE_DENIED");
    assert.match(error.hint ?? "", /profile default of the reader's file.*bucket backups/);
    assert.deepEqual(await listed(store, ""), []);
  });

  test("does not know a wrong secret, nor an unknown key, and no message tells either", async (t) => {
    const server = await requireSeaweedfs(t);
    if (server === undefined) return;
    const { accessKeyId } = server.owner;
    for (const [id, secret] of [
      [accessKeyId, "a-wrong-secret"],
      ["an-unknown-id", "a-wrong-secret"],
    ]) {
      const text = `[default]\naws_access_key_id = ${id}\naws_secret_access_key = ${secret}\n`;
      const { store } = await opened(t, { ...server.newLocation(), credentials: { text, name: "the file" } });
      const error = await failureOf(store.put(pack, [toUtf8("bytes")], { signal }), "BLOB_STORE_DENIED");
      assert.match(explain(error), /hint: .*profile default of the file/);
      assert.doesNotMatch(explain(error), /a-wrong-secret/);
    }
  });

  test("opened for reading only refuses to be changed", async (t) => {
    const server = await requireSeaweedfs(t);
    if (server === undefined) return;
    const { store } = await opened(t, server.newLocation(), { mode: "read-only" });
    await failureOf(store.put(pack, [], { signal }), "BLOB_STORE_DENIED");
    assert.deepEqual(await listed(store, ""), []);
  });
});

describe("what is sent", () => {
  test("is one PUT with the length, MD5 and SHA-256 of the body, and nothing that a strict server would not know", async (t) => {
    const server = await startBucketServer(t);
    const { store } = await opened(t, server.location());
    const parts = Array.from({ length: 40 }, (_, at) => Buffer.alloc(100_000 + at, at));
    await store.put(pack, parts, { signal });
    assert.equal(server.seen.length, 1);
    const { method, url, headers } = server.seen[0] ?? assert.fail();
    const bytes = Buffer.concat(parts);
    assert.equal(`${method} ${url}`, `PUT /backups/kopia/shop/${pack}?x-id=PutObject`);
    assert.equal(headers["content-length"], String(bytes.byteLength));
    assert.equal(headers["content-type"], "application/x-kopia");
    assert.equal(headers["content-md5"], createHash("md5").update(bytes).digest("base64"));
    assert.equal(headers["x-amz-content-sha256"], createHash("sha256").update(bytes).digest("hex"));
    const usual =
      /^(accept|amz-sdk-.+|authorization|connection|content-.+|host|user-agent|x-amz-(content-sha256|date|user-agent))$/;
    assert.deepEqual(
      Object.keys(headers).filter((name) => !usual.test(name)),
      [],
    );
    assert.equal(headers["content-encoding"], undefined);
  });

  test("is a DELETE for each blob, and for a listing what kopia asks for", async (t) => {
    const server = await startBucketServer(t);
    const { store } = await opened(t, server.location());
    await store.delete(pack, { signal });
    await listed(store, "p");
    const [deletion, listing] = server.seen;
    assert.equal(`${deletion?.method} ${deletion?.url}`, `DELETE /backups/kopia/shop/${pack}?x-id=DeleteObject`);
    const query = new URL(listing?.url ?? "", server.endpoint).searchParams;
    assert.deepEqual(
      ["list-type", "prefix", "delimiter", "encoding-type"].map((name) => query.get(name)),
      ["2", "kopia/shop/p", "/", "url"],
    );
  });

  test("is signed for the region that is given, and where none is for the one that the server tells", async (t) => {
    const server = await startBucketServer(t);
    const scopeOf = (headers: Readonly<Record<string, unknown>> = {}): string | undefined =>
      /Credential=[^/]+\/\d+\/([^/]+)\/s3\//.exec(String(headers.authorization))?.[1];
    for (const [region, expected] of [
      ["eu-west-3", "eu-west-3"],
      ["", "eu-central-1"],
      ["/minio/", "minio"],
    ] as const) {
      const { store } = await opened(t, server.location({ region }));
      await store.put(pack, [], { signal });
      assert.equal(scopeOf(server.seen.at(-1)?.headers), expected);
    }
    server.intercept = (request, response) => {
      if (!request.url?.includes("location")) return "passed";
      refuse(response, 403, "AccessDenied");
      return "answered";
    };
    const { store } = await opened(t, server.location({ region: "" }));
    await store.put(pack, [], { signal });
    assert.equal(scopeOf(server.seen.at(-1)?.headers), "us-east-1");
  });
});

describe("a server that refuses", () => {
  const answers: readonly (readonly [status: number, code: string, expected: BlobErrorCode])[] = [
    [503, "SlowDown", "BLOB_STORE_UNAVAILABLE"],
    [500, "InternalError", "BLOB_STORE_UNAVAILABLE"],
    [502, "BadGateway", "BLOB_STORE_UNAVAILABLE"],
    [429, "TooManyRequests", "BLOB_STORE_UNAVAILABLE"],
    [408, "RequestTimeout", "BLOB_STORE_UNAVAILABLE"],
    [400, "RequestTimeout", "BLOB_STORE_UNAVAILABLE"],
    [400, "BadDigest", "BLOB_STORE_UNAVAILABLE"],
    [409, "OperationAborted", "BLOB_STORE_UNAVAILABLE"],
    [403, "RequestTimeTooSkewed", "BLOB_STORE_UNAVAILABLE"],
    [401, "Unauthorized", "BLOB_STORE_DENIED"],
    [403, "AccessDenied", "BLOB_STORE_DENIED"],
    [403, "SignatureDoesNotMatch", "BLOB_STORE_DENIED"],
    [400, "ExpiredToken", "BLOB_STORE_DENIED"],
    [403, "QuotaExceeded", "BLOB_STORE_FULL"],
    [507, "InsufficientStorage", "BLOB_STORE_FULL"],
    [403, "InvalidObjectState", "BLOB_STORE_INVALID"],
    [404, "NoSuchBucket", "BLOB_STORE_NOT_FOUND"],
    [301, "PermanentRedirect", "BLOB_STORE_MISCONFIGURED"],
    [400, "InvalidRequest", "BLOB_STORE_MISCONFIGURED"],
    [501, "NotImplemented", "BLOB_STORE_MISCONFIGURED"],
  ];
  for (const [status, code, expected] of answers) {
    test(`with ${status} ${code} is ${expected}, after one request`, async (t) => {
      const { server, store } = await intercepted(t, (_, response) => {
        refuse(response, status, code);
        return "answered";
      });
      for (const operation of [
        () => store.get(pack, { signal }),
        () => store.put(pack, [toUtf8("bytes")], { signal }),
        () => store.delete(pack, { signal }),
        () => listed(store, ""),
      ]) {
        const before = server.seen.length;
        const error = await failureOf(operation(), expected);
        assert.equal(server.seen.length, before + 1);
        assert.ok(!explain(error).includes(fakeKeys.secretAccessKey));
        assert.equal(error.detail.status, status);
      }
    });
  }

  test("is waited out where it is busy, however often it says so, and asked once an attempt", async (t) => {
    let refusals = 0;
    const { server, store } = await intercepted(t, (_, response) => {
      if (refusals++ % 8 === 7) return "passed";
      refuse(response, 503, "SlowDown");
      return "answered";
    });
    const clock = new ManualClock();
    const patient = new RetryingBlobStore(store, { log: silentLog, clock });
    const startedMs = clock.nowMs();
    await patient.put(pack, [toUtf8("bytes")], { signal });
    assert.equal(Buffer.from(await patient.get(pack, { signal })).toString(), "bytes");
    assert.deepEqual(await listed(patient, ""), [pack]);
    assert.equal(server.seen.length, 24);
    assert.ok(clock.nowMs() - startedMs > 3 * 6_000);
  });

  test("since the region is another says which, by a header or in words", async (t) => {
    const refusals: readonly Intercept[] = [
      (_, response) => {
        response.setHeader("x-amz-bucket-region", "eu-north-1");
        refuse(response, 301, "PermanentRedirect");
        return "answered";
      },
      (_, response) => {
        refuse(response, 400, "AuthorizationHeaderMalformed", undefined, "<Region>eu-north-1</Region>");
        return "answered";
      },
    ];
    for (const refusal of refusals) {
      const { store } = await intercepted(t, refusal);
      const error = await failureOf(store.get(pack, { signal }), "BLOB_STORE_MISCONFIGURED");
      assert.equal(error.hint, "set the region to eu-north-1; it is us-east-1");
    }
  });

  test("with a page of its own is no S3 server, and nothing there is taken for missing", async (t) => {
    const { store } = await intercepted(t, (_, response) => {
      response.writeHead(404, { "content-type": "text/html" }).end("<html><body>Not here</body></html>");
      return "answered";
    });
    await failureOf(store.get(pack, { signal }), "BLOB_STORE_MISCONFIGURED");
    await failureOf(listed(store, ""), "BLOB_STORE_MISCONFIGURED");
  });

  test("sends nobody elsewhere by a redirect", async (t) => {
    const elsewhere = await startBucketServer(t);
    const { store } = await intercepted(t, (_, response) => {
      response.writeHead(307, { location: elsewhere.endpoint }).end();
      return "answered";
    });
    await failureOf(store.get(pack, { signal }), "BLOB_STORE_MISCONFIGURED");
    assert.equal(elsewhere.seen.length, 0);
  });

  test("credentials that were replaced meanwhile makes another attempt worth while", async (t) => {
    const server = await startBucketServer(t);
    const keys = [fakeKeys, { accessKeyId: "rotated-id", secretAccessKey: "rotated-secret" }];
    server.intercept = (request, response) => {
      if (request.headers.authorization?.includes("rotated-id")) return "passed";
      refuse(response, 403, "InvalidAccessKeyId");
      return "answered";
    };
    const environment = {
      get AWS_ACCESS_KEY_ID() {
        return keys[0]?.accessKeyId;
      },
      get AWS_SECRET_ACCESS_KEY() {
        return keys.length > 1 ? keys.shift()?.secretAccessKey : keys[0]?.secretAccessKey;
      },
      AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    };
    const { credentials: _, ...location } = server.location();
    const { store } = await opened(t, location, { environment });
    const error = await failureOf(store.put(pack, [], { signal }), "BLOB_STORE_UNAVAILABLE");
    assert.match(explain(error), /replaced meanwhile/);
    await store.put(pack, [], { signal });
    assert.deepEqual(await listed(store, ""), [pack]);
  });

  test("credentials given as text are read anew once they are rejected, and not before", async (t) => {
    const server = await startBucketServer(t);
    let isRotated = false;
    server.intercept = (request, response) => {
      const keyWanted = isRotated ? "rotated-id" : fakeKeys.accessKeyId;
      if (request.headers.authorization?.includes(keyWanted)) return "passed";
      refuse(response, 403, "InvalidAccessKeyId");
      return "answered";
    };
    const text = "[default]\naws_access_key_id=rotated-id\naws_secret_access_key=rotated-secret\n";
    const readCredentials = async () => ({ text, name: "the Secret" });
    const { store } = await opened(t, server.location(), { readCredentials });
    await store.put(pack, [], { signal });
    isRotated = true;
    await failureOf(store.get(pack, { signal }), "BLOB_STORE_UNAVAILABLE");
    await store.get(pack, { signal });
    isRotated = false;
    const denied = await failureOf(store.get(pack, { signal }), "BLOB_STORE_DENIED");
    assert.match(explain(denied), /of profile default of the Secret: renew them there/);
  });
});

describe("a connection that stalls", () => {
  const limits = { ...requestLimits, stallMs: 150 };
  const stalls: Readonly<Record<string, Intercept>> = {
    "before the answer": () => "answered",
    "within the answer": (_, response) => {
      response.writeHead(200, { "content-length": 1000, "content-type": "application/xml" });
      response.write("<?xml");
      return "answered";
    },
  };
  for (const [when, stall] of Object.entries(stalls)) {
    test(`${when} is given up as BLOB_STORE_UNAVAILABLE`, async (t) => {
      const { store } = await intercepted(t, stall, { limits });
      for (const operation of [
        () => store.get(pack, { signal }),
        () => listed(store, ""),
        () => store.put(pack, [Buffer.alloc(16 << 20)], { signal }),
      ]) {
        const error = await failureOf(operation(), "BLOB_STORE_UNAVAILABLE");
        assert.match(error.message, /no byte came or went for 0.15 seconds/);
      }
    });
  }

  test("never, but takes longer than its length explains, is given up too", async (t) => {
    const { store } = await intercepted(
      t,
      (_, response) => {
        response.writeHead(200, { "content-length": 1000 });
        const timer = setInterval(() => response.write("x"), 5);
        response.once("close", () => clearInterval(timer));
        return "answered";
      },
      { limits: { stallMs: 10_000, requestMs: 50, bytesPerSecondMin: 20_000 } },
    );
    const error = await failureOf(store.get(pack, { signal }), "BLOB_STORE_UNAVAILABLE");
    assert.match(error.message, /the request took more than 0.1 seconds/);
  });

  test("can be left by its caller, whose reason travels", async (t) => {
    const reason = new Error("the caller went away");
    for (const stall of Object.values(stalls)) {
      const server = await startBucketServer(t);
      const { store } = await opened(t, server.location());
      for (const operation of [
        (options: { signal: AbortSignal }) => store.get(pack, options),
        (options: { signal: AbortSignal }) => store.put(pack, [Buffer.alloc(16 << 20)], options),
        (options: { signal: AbortSignal }) => Array.fromAsync(store.list("", options)),
      ]) {
        const caller = new AbortController();
        server.intercept = (request, response) => {
          const answer = stall(request, response);
          caller.abort(reason);
          return answer;
        };
        await assert.rejects(operation({ signal: caller.signal }), (error) => error === reason);
      }
    }
  });
});

describe("an answer that is not what it should be", () => {
  const ofLength = (headers: Readonly<Record<string, string | number>>, status: number, bytes: string): Intercept => {
    return (_, response) => {
      response.writeHead(status, headers).end(bytes);
      return "answered";
    };
  };

  test("cut off is BLOB_STORE_UNAVAILABLE", async (t) => {
    const { store } = await intercepted(t, async (_, response) => {
      response.writeHead(200, { "content-length": 100 });
      response.write("x".repeat(50));
      await new Promise((resolve) => setImmediate(resolve));
      response.destroy();
      return "answered" as const;
    });
    await failureOf(store.get(pack, { signal }), "BLOB_STORE_UNAVAILABLE");
    await failureOf(listed(store, ""), "BLOB_STORE_UNAVAILABLE");
  });

  test("that announces more than a blob may have is refused before memory is asked for", async (t) => {
    const { store } = await intercepted(t, (_, response) => {
      response.writeHead(200, { "content-length": 2 ** 40 });
      response.write("x");
      return "answered";
    });
    const before = process.memoryUsage().external;
    await failureOf(store.get(pack, { signal }), "BLOB_RANGE_INVALID");
    assert.ok(process.memoryUsage().external - before < 64 << 20);
  });

  test("of another range, or of the whole blob, is not taken for the one that was asked for", async (t) => {
    const range = { offset: 10, length: 5 };
    const wrong: readonly (readonly [Intercept, BlobErrorCode])[] = [
      [ofLength({ "content-length": 5, "content-range": "bytes 11-15/100" }, 206, "01234"), "BLOB_STORE_INVALID"],
      [ofLength({ "content-length": 6, "content-range": "bytes 10-15/100" }, 206, "012345"), "BLOB_STORE_INVALID"],
      [ofLength({ "content-length": 5, "content-range": "items 10-14/100" }, 206, "01234"), "BLOB_STORE_INVALID"],
      [ofLength({ "content-length": 100 }, 200, "x".repeat(100)), "BLOB_STORE_INVALID"],
      [ofLength({ "content-length": 3, "content-range": "bytes 10-12/13" }, 206, "012"), "BLOB_RANGE_INVALID"],
      [ofLength({ "content-length": 12 }, 200, "x".repeat(12)), "BLOB_RANGE_INVALID"],
    ];
    for (const [intercept, expected] of wrong) {
      const { store } = await intercepted(t, intercept);
      await failureOf(store.get(pack, { signal, range }), expected);
    }
    const { store } = await intercepted(t, ofLength({ "content-length": 5 }, 200, "01234"));
    const whole = await store.get(pack, { signal, range: { offset: 0, length: 5 } });
    assert.equal(Buffer.from(whole).toString(), "01234");
  });

  test("without a length is refused", async (t) => {
    const { store } = await intercepted(t, ofLength({}, 200, "some bytes"));
    await failureOf(store.get(pack, { signal }), "BLOB_STORE_INVALID");
  });

  test("that is no XML is BLOB_STORE_UNAVAILABLE, and one without end is refused", async (t) => {
    const nonsense = await intercepted(t, (_, response) => {
      sendXml(response, 200, "<ListBucketResult><Contents>");
      return "answered";
    });
    await failureOf(listed(nonsense.store, ""), "BLOB_STORE_UNAVAILABLE");
    const endless = await intercepted(t, (_, response) => {
      response.writeHead(200, { "content-type": "application/xml" });
      const more = (): void => {
        while (!response.destroyed && response.write(" ".repeat(1 << 20)));
      };
      response.on("drain", more);
      more();
      return "answered";
    });
    await failureOf(listed(endless.store, ""), "BLOB_STORE_INVALID");
  });

  test("that lists in a circle ends", async (t) => {
    const { store } = await intercepted(t, (_, response) => {
      sendXml(
        response,
        200,
        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken></ListBucketResult>",
      );
      return "answered";
    });
    await failureOf(listed(store, ""), "BLOB_STORE_INVALID");
  });

  test("that lists what was not asked for does not get past the store", async (t) => {
    const entry = (key: string): string =>
      `<Contents><Key>${key}</Key><Size>5</Size><LastModified>2026-01-15T12:00:00.123Z</LastModified></Contents>`;
    const keys = ["kopia/other/p1", "kopia/shop/", "kopia/shop/q1", "kopia/shop/../p1", "kopia/shop/p1", "%zz"];
    const { store } = await intercepted(t, (_, response) => {
      sendXml(
        response,
        200,
        `<ListBucketResult><EncodingType>url</EncodingType>${keys.map(entry).join("")}</ListBucketResult>`,
      );
      return "answered";
    });
    const found = await Array.fromAsync(store.list("p", { signal }));
    assert.deepEqual(found, [{ id: "p1", length: 5, modifiedMs: Date.UTC(2026, 0, 15, 12) }]);
  });

  test("to a put that comes before all of it was sent makes it fail, for something may read the parts yet", async (t) => {
    const { store } = await intercepted(t, (_, response) => {
      response.writeHead(200, { etag: '"early"', "content-length": 0 });
      response.end();
      return "answered";
    });
    const error = await failureOf(store.put(pack, [Buffer.alloc(64 << 20)], { signal }), "BLOB_STORE_UNAVAILABLE");
    assert.match(error.message, /answered before it was sent all of blob p8443/);
  });

  test("to a put that was changed on the way makes it fail, and another attempt worth while", async (t) => {
    const server = await startBucketServer(t);
    server.intercept = (request) => {
      request.headers["content-md5"] = "AAAAAAAAAAAAAAAAAAAAAA==";
      return "passed";
    };
    const { store } = await opened(t, server.location());
    await failureOf(store.put(other, [toUtf8("bytes")], { signal }), "BLOB_STORE_UNAVAILABLE");
    assert.equal(server.objects.size, 0);
  });
});

describe("a server that speaks TLS", () => {
  test("is believed by the bundle that stands in for the system's, or unchecked, and else not", async (t) => {
    const certificate = await requireCertificate(t, temporaryFolder(t));
    const another = await requireCertificate(t, temporaryFolder(t));
    if (certificate === undefined || another === undefined) return;
    const server = await startBucketServer(t, { tls: certificate });
    const bundle = (text: string) => ({ text: `# a remark\n${text}`, name: "caCert of the location" });
    const trusted: readonly Partial<S3Location>[] = [
      { authorities: bundle(another.cert + certificate.cert) },
      { isCertificateUnchecked: true },
      { isCertificateUnchecked: true, authorities: bundle("no certificate, and not looked at") },
    ];
    for (const more of trusted) {
      const { store } = await opened(t, server.location(more));
      await store.put(pack, [toUtf8("bytes")], { signal });
      assert.deepEqual(await listed(store, ""), [pack]);
    }
    for (const more of [{}, { authorities: bundle(another.cert) }]) {
      const { store } = await opened(t, server.location(more));
      const error = await failureOf(store.get(pack, { signal }), "BLOB_STORE_MISCONFIGURED");
      assert.match(error.hint ?? "", /bundle of the authority/);
    }
    const text = bundle("no certificate");
    await failureOf(opened(t, server.location({ authorities: text })), "BLOB_STORE_MISCONFIGURED");
  });

  test("is not what answers at a port without it", async (t) => {
    const server = await startBucketServer(t);
    const { store } = await opened(t, server.location({ endpoint: server.endpoint.replace("http:", "https:") }));
    const error = await failureOf(store.get(pack, { signal }), "BLOB_STORE_MISCONFIGURED");
    assert.match(error.hint ?? "", /speaks no TLS/);
  });
});

test("a server that nobody runs is BLOB_STORE_UNAVAILABLE", async (t) => {
  const { store } = await opened(t, {
    kind: "s3",
    bucket: "backups",
    prefix: "",
    endpoint: "http://127.0.0.1:9",
    region: "us-east-1",
    credentials: { text: "[default]\naws_access_key_id=a\naws_secret_access_key=b", name: "a file" },
  });
  for (const failing of Object.values(operationsOf(store))) await failureOf(failing(), "BLOB_STORE_UNAVAILABLE");
});

async function opened(
  t: TestContext,
  location: S3Location,
  options: Partial<S3StoreOptions> = {},
): Promise<{ store: BlobStore; dispose: () => PromiseLike<void> }> {
  const store = await openS3Store(location, { mode: "open", signal, ...options });
  t.after(() => store[Symbol.asyncDispose]());
  return { store, dispose: () => store[Symbol.asyncDispose]() };
}

async function intercepted(
  t: TestContext,
  intercept: Intercept,
  options: Partial<S3StoreOptions> = {},
): Promise<{ server: BucketServer; store: BlobStore }> {
  const server = await startBucketServer(t);
  server.intercept = intercept;
  return { server, store: (await opened(t, server.location(), options)).store };
}

function operationsOf(store: BlobStore): Readonly<Record<string, () => Promise<unknown>>> {
  return {
    get: () => store.get(pack, { signal }),
    getRange: () => store.get(pack, { signal, range: { offset: 0, length: 1 } }),
    put: () => store.put(pack, [toUtf8("bytes")], { signal }),
    metadata: () => store.metadata(pack, { signal }),
    list: () => listed(store, ""),
  };
}

async function listed(store: BlobStore, prefix: string): Promise<BlobId[]> {
  return (await Array.fromAsync(store.list(prefix, { signal }))).map(({ id }) => id);
}

async function failureOf(failing: Promise<unknown>, code: BlobErrorCode): Promise<BlobError> {
  let failure: unknown;
  await assert.rejects(failing, (error) => {
    failure = error;
    return coded(code)(error);
  });
  assert.ok(failure instanceof BlobError);
  return failure;
}
