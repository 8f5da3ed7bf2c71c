/**
 * A small S3 server on the loopback interface, for what a real one cannot be made to do: refuse, stall, cut off, redirect,
 * talk nonsense. Its bucket is a map. It checks bodies against the digests they came with, but no signatures: the real
 * server does.
 */

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import type { S3Location } from "../../src/repository/blob/s3-location.ts";

export const fakeKeys = { accessKeyId: "fake-access-key-id", secretAccessKey: "fake-secret-access-key" };

export interface Seen {
  readonly method: string;
  /** Path and query, as sent. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Answers by itself and gives "answered", or leaves the request to the bucket. */
export type Intercept = (
  request: IncomingMessage,
  response: ServerResponse,
) => "answered" | "passed" | Promise<"answered" | "passed">;

export interface BucketServerOptions {
  /** Keys in a page of a listing. */
  readonly pageLength?: number;
  /** Whether keys in a listing are encoded when that was asked for. */
  readonly encodesKeys?: boolean;
  readonly tls?: { readonly key: string; readonly cert: string };
}

interface StoredObject {
  readonly bytes: Buffer;
  readonly modified: Date;
}

export class BucketServer {
  readonly bucket = "backups";
  readonly objects = new Map<string, StoredObject>();
  readonly seen: Seen[] = [];
  endpoint = "";
  /** Asked first, for every request. */
  intercept: Intercept = () => "passed";
  readonly #pageLength: number;
  readonly #encodesKeys: boolean;

  constructor({ pageLength = 1000, encodesKeys = true }: BucketServerOptions) {
    this.#pageLength = pageLength;
    this.#encodesKeys = encodesKeys;
  }

  location(more: Partial<S3Location> = {}): S3Location {
    const { accessKeyId, secretAccessKey } = fakeKeys;
    const text = `[default]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n`;
    const credentials = { text, name: "Secret velero/cloud-credentials, key cloud" };
    return {
      kind: "s3",
      bucket: this.bucket,
      prefix: "kopia/shop/",
      endpoint: this.endpoint,
      region: "us-east-1",
      credentials,
      ...more,
    };
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.seen.push({ method: request.method ?? "", url: request.url ?? "", headers: request.headers });
    if ((await this.intercept(request, response)) === "answered") return;
    const url = new URL(request.url ?? "/", "http://server");
    const [, bucket = "", key = ""] = /^\/([^/]*)\/?(.*)$/s.exec(decodeURIComponent(url.pathname)) ?? [];
    if (bucket !== this.bucket) {
      refuse(response, 404, "NoSuchBucket", request.method);
    } else if (key === "") {
      this.#answerOfBucket(request, url.searchParams, response);
    } else if (request.method === "PUT") {
      await this.#put(key, request, response);
    } else if (request.method === "DELETE") {
      this.objects.delete(key);
      response.writeHead(204).end();
    } else {
      this.#get(key, request, response);
    }
  }

  #answerOfBucket(request: IncomingMessage, query: URLSearchParams, response: ServerResponse): void {
    if (request.method === "HEAD") {
      response.writeHead(200).end();
    } else if (query.has("location")) {
      const xmlns = "http://s3.amazonaws.com/doc/2006-03-01/";
      sendXml(response, 200, `<LocationConstraint xmlns="${xmlns}">eu-central-1</LocationConstraint>`);
    } else {
      this.#list(query, response);
    }
  }

  #list(query: URLSearchParams, response: ServerResponse): void {
    const prefix = query.get("prefix") ?? "";
    const after = query.get("continuation-token") ?? "";
    const isEncoded = this.#encodesKeys && query.get("encoding-type") === "url";
    const encode = (key: string): string =>
      isEncoded ? encodeURIComponent(key).replaceAll("%20", "+") : escapeXml(key);
    const entries = new Map<string, StoredObject | undefined>();
    for (const [key, object] of this.objects) {
      if (!key.startsWith(prefix)) continue;
      const end = key.indexOf("/", prefix.length);
      entries.set(end === -1 ? key : key.slice(0, end + 1), end === -1 ? object : undefined);
    }
    const rest = [...entries].filter(([name]) => name > after).sort(([a], [b]) => (a < b ? -1 : 1));
    const page = rest.slice(0, this.#pageLength);
    const contents = page.map(([name, object]) =>
      object === undefined
        ? `<CommonPrefixes><Prefix>${encode(name)}</Prefix></CommonPrefixes>`
        : `<Contents><Key>${encode(name)}</Key><Size>${object.bytes.byteLength}</Size>` +
          `<LastModified>${object.modified.toISOString()}</LastModified></Contents>`,
    );
    const more = page.length < rest.length ? `<NextContinuationToken>${page.at(-1)?.[0]}</NextContinuationToken>` : "";
    sendXml(
      response,
      200,
      `<ListBucketResult><IsTruncated>${more !== ""}</IsTruncated>${more}` +
        `${isEncoded ? "<EncodingType>url</EncodingType>" : ""}${contents.join("")}</ListBucketResult>`,
    );
  }

  async #put(key: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const bytes = await readAll(request);
    const digest = (algorithm: string, encoding: "base64" | "hex"): string =>
      createHash(algorithm).update(bytes).digest(encoding);
    const { "content-md5": md5, "x-amz-content-sha256": sha256 } = request.headers;
    if (md5 !== digest("md5", "base64") || sha256 !== digest("sha256", "hex"))
      return refuse(response, 400, "BadDigest");
    if (request.headers["if-none-match"] === "*" && this.objects.has(key))
      return refuse(response, 412, "PreconditionFailed");
    this.objects.set(key, { bytes, modified: new Date() });
    response.writeHead(200).end();
  }

  #get(key: string, request: IncomingMessage, response: ServerResponse): void {
    const object = this.objects.get(key);
    if (object === undefined) {
      refuse(response, 404, "NoSuchKey", request.method);
      return;
    }
    const { bytes, modified } = object;
    const headers = { "last-modified": modified.toUTCString() };
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    if (first === undefined) {
      response.writeHead(200, { ...headers, "content-length": bytes.byteLength });
      response.end(request.method === "HEAD" ? undefined : bytes);
    } else if (Number(first) >= bytes.byteLength) {
      refuse(response, 416, "InvalidRange");
    } else {
      const part = bytes.subarray(Number(first), Number(last) + 1);
      const range = `bytes ${first}-${Number(first) + part.byteLength - 1}/${bytes.byteLength}`;
      response.writeHead(206, { ...headers, "content-length": part.byteLength, "content-range": range });
      response.end(part);
    }
  }
}

/** Ends with the test. */
export async function startBucketServer(t: TestContext, options: BucketServerOptions = {}): Promise<BucketServer> {
  const bucketServer = new BucketServer(options);
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    bucketServer.handle(request, response).catch((error: unknown) => response.destroy(error as Error));
  };
  const server =
    options.tls === undefined
      ? createServer({ requestTimeout: 0 }, onRequest)
      : createTlsServer({ ...options.tls, requestTimeout: 0 }, onRequest);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const scheme = options.tls === undefined ? "http" : "https";
  bucketServer.endpoint = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return bucketServer;
}

export function sendXml(response: ServerResponse, status: number, xml: string): void {
  const bytes = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>${xml}`);
  response.writeHead(status, { "content-type": "application/xml", "content-length": bytes.byteLength }).end(bytes);
}

/** As S3 refuses; to HEAD without words. */
export function refuse(response: ServerResponse, status: number, code: string, method?: string, more = ""): void {
  if (method === "HEAD") response.writeHead(status).end();
  else sendXml(response, status, `<Error><Code>${code}</Code><Message>refused for a test</Message>${more}</Error>`);
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>));
}

function escapeXml(text: string): string {
  return text.replaceAll(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
