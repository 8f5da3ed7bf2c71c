/**
 * Requests to an API server, over Node's own HTTP client: JSON there, JSON back, one document or one a line.
 *
 * Guarantees: no request waits for good: one on which no byte moves for `stallMs` ends, also while it connects, and one
 * for a single answer ends after `answerMs`. Answers are bounded in length. Credentials that the server does not accept
 * are renewed once, and the request sent again. No redirect is followed, for the token must not go elsewhere.
 * Errors: ResourceError, translated by api-error.ts. An abort travels as itself.
 */

import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { fromUtf8 } from "../base/bytes.ts";
import type { ApiAccess, ApiConnection } from "./api-connection.ts";
import { type ApiPurpose, describePurpose, refusal, unreachable } from "./api-error.ts";
import type { JsonObject } from "./json.ts";
import { ResourceError } from "./resource-error.ts";

/** A page of a list: 250 objects of 100 KiB. etcd takes no object above 1.5 MiB. */
const answerBytesMax = 32 * 1024 * 1024;
/** One event of a watch. */
const lineBytesMax = 4 * 1024 * 1024;
/** Of an answer that is an error. */
const refusalBytesMax = 64 * 1024;

export interface ApiRequest {
  readonly purpose: ApiPurpose;
  readonly method: "GET" | "POST" | "PATCH";
  /** Below the server's address, beginning with a slash; encoded. */
  readonly path: string;
  readonly query?: URLSearchParams;
  /** Of the answer; default "application/json". */
  readonly accept?: string;
  /** Sent as a merge patch for PATCH. */
  readonly body?: JsonObject;
}

export interface ApiClientOptions {
  readonly connection: ApiConnection;
  /** Default 30 seconds. */
  readonly stallMs?: number;
  /** Default 2 minutes. */
  readonly answerMs?: number;
}

export class ApiClient implements Disposable {
  readonly #connection: ApiConnection;
  readonly #stallMs: number;
  readonly #answerMs: number;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;

  constructor(options: ApiClientOptions) {
    this.#connection = options.connection;
    this.#stallMs = options.stallMs ?? 30_000;
    this.#answerMs = options.answerMs ?? 120_000;
    // Connections are told apart by certificates and authorities, so renewed ones are not mixed up with old ones.
    const pool = { keepAlive: true, keepAliveMsecs: 30_000, maxFreeSockets: 2, timeout: 30_000 };
    this.#http = new HttpAgent(pool);
    this.#https = new HttpsAgent(pool);
  }

  get displayName(): string {
    return this.#connection.displayName;
  }

  /** The document that is the answer. */
  async call(asked: ApiRequest, signal: AbortSignal): Promise<unknown> {
    return (await this.callDated(asked, signal)).document;
  }

  /** And when the server answered, by its own clock, to the second; undefined where it does not say. */
  async callDated(
    asked: ApiRequest,
    signal: AbortSignal,
  ): Promise<{ readonly document: unknown; readonly dateMs: number | undefined }> {
    try {
      const response = await this.#open(asked, { stallMs: this.#stallMs, endMs: this.#answerMs }, signal);
      const document = parseJson(await readBounded(response, answerBytesMax, asked.purpose), asked.purpose);
      const dateMs = Date.parse(response.headers.date ?? "");
      return { document, dateMs: Number.isNaN(dateMs) ? undefined : dateMs };
    } catch (cause) {
      throw this.#translated(asked, cause, signal);
    }
  }

  /** An answer that is text. */
  async text(asked: ApiRequest, signal: AbortSignal): Promise<string> {
    try {
      const response = await this.#open(asked, { stallMs: this.#stallMs, endMs: this.#answerMs }, signal);
      return fromUtf8(await readBounded(response, answerBytesMax, asked.purpose));
    } catch (cause) {
      throw this.#translated(asked, cause, signal);
    }
  }

  /**
   * The documents of the answer, one a line, as they come; undefined for a line that is no JSON. Ends when the server
   * ends it in good order, and then leaves out a line that has no end.
   */
  async *lines(asked: ApiRequest, options: { readonly stallMs: number }, signal: AbortSignal): AsyncGenerator<unknown> {
    try {
      const response = await this.#open(asked, { stallMs: options.stallMs, endMs: undefined }, signal);
      for await (const line of splitLines(response, asked.purpose)) yield parseOrUndefined(line);
    } catch (cause) {
      throw this.#translated(asked, cause, signal);
    }
  }

  [Symbol.dispose](): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  /** A successful answer, unread. */
  async #open(asked: ApiRequest, limits: RequestLimits, signal: AbortSignal): Promise<IncomingMessage> {
    for (let isRenewed = false; ; isRenewed = true) {
      const access = await this.#connection.access();
      const response = await this.#send(access, asked, limits, signal);
      const { statusCode = 0 } = response;
      if (statusCode >= 200 && statusCode < 300) return response;
      const text = await readBounded(response, refusalBytesMax, asked.purpose);
      if (statusCode === 401 && !isRenewed) {
        this.#connection.renew();
        continue;
      }
      const retryAfterSeconds = Number(response.headers["retry-after"] ?? Number.NaN);
      throw refusal(asked.purpose, {
        statusCode,
        body: parseOrUndefined(text),
        ...(retryAfterSeconds >= 0 ? { retryAfterSeconds } : {}),
      });
    }
  }

  async #send(
    access: ApiAccess,
    asked: ApiRequest,
    limits: RequestLimits,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    try {
      return await sendOnce(this.#requestOptions(access, asked, limits), asked.body, limits, signal);
    } catch (error) {
      // A server may end an idle connection just when it is used again: nothing is known to be wrong then.
      if (!(error instanceof StaleConnection) || asked.method !== "GET") throw error;
      return await sendOnce(this.#requestOptions(access, asked, limits), asked.body, limits, signal);
    }
  }

  #requestOptions(access: ApiAccess, asked: ApiRequest, limits: RequestLimits): RequestOptions {
    const { server, headers, tls, proxy } = access;
    const contentType = asked.method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const query = asked.query === undefined ? "" : `?${asked.query}`;
    return {
      ...tls,
      agent: proxy ?? (server.protocol === "http:" ? this.#http : this.#https),
      protocol: server.protocol,
      host: server.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: server.port,
      method: asked.method,
      path: `${server.pathname.replace(/\/$/, "")}${asked.path}${query}`,
      timeout: limits.stallMs,
      headers: {
        ...headers,
        accept: asked.accept ?? "application/json",
        "user-agent": "fsb",
        ...(asked.body === undefined ? {} : { "content-type": contentType }),
      },
    };
  }

  #translated(asked: ApiRequest, cause: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    if (cause instanceof ResourceError) return cause;
    return unreachable(asked.purpose, this.displayName, cause instanceof StaleConnection ? cause.cause : cause);
  }
}

interface RequestLimits {
  readonly stallMs: number;
  /** Undefined where the answer is meant to last. */
  readonly endMs: number | undefined;
}

class StaleConnection extends Error {}

/** The answer's head; the limits and the signal hold until its end. */
function sendOnce(
  options: RequestOptions,
  body: JsonObject | undefined,
  limits: RequestLimits,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const request = (options.protocol === "http:" ? httpRequest : httpsRequest)(options);
    let response: IncomingMessage | undefined;
    const give = (error: Error) => {
      (response ?? request).destroy(error);
    };
    const onAbort = () => give(new Error("aborted"));
    const end =
      limits.endMs === undefined
        ? undefined
        : setTimeout(() => give(new Error(`it took longer than ${limits.endMs} ms`)), limits.endMs);
    const settle = () => {
      clearTimeout(end);
      signal.removeEventListener("abort", onAbort);
    };
    signal.addEventListener("abort", onAbort);
    request.on("timeout", () => give(new Error(`no byte came for ${limits.stallMs} ms`)));
    request.once("response", (answer) => {
      response = answer;
      resolve(answer);
    });
    request.on("error", (error: NodeJS.ErrnoException) => {
      const isStale = request.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
      reject(isStale ? new StaleConnection("the connection was closed", { cause: error }) : error);
    });
    request.once("close", settle);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function readBounded(response: IncomingMessage, bytesMax: number, purpose: ApiPurpose): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > bytesMax) throw tooLong(purpose, bytesMax);
    parts.push(part);
  }
  return Buffer.concat(parts, length);
}

/** Whole lines, without their ends and the empty ones. What follows the last end of a line is left out. */
async function* splitLines(response: IncomingMessage, purpose: ApiPurpose): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const line = Buffer.concat([...parts, chunk.subarray(start, end)]);
      parts = [];
      length = 0;
      start = end + 1;
      if (line.length > 0) yield line;
    }
    if (start === chunk.length) continue;
    parts.push(start === 0 ? chunk : chunk.subarray(start));
    length += chunk.length - start;
    if (length > lineBytesMax) throw tooLong(purpose, lineBytesMax);
  }
}

const newline = 0x0a;

function parseJson(bytes: Buffer, purpose: ApiPurpose): unknown {
  const value = parseOrUndefined(bytes);
  if (value !== undefined) return value;
  throw new ResourceError("RESOURCE_STORE_UNAVAILABLE", `could not ${describePurpose(purpose)}: the answer is no JSON`);
}

/** Without the parser's own words, which quote the text. */
function parseOrUndefined(bytes: Buffer): unknown {
  try {
    return JSON.parse(fromUtf8(bytes));
  } catch {
    return undefined; // The caller tells.
  }
}

function tooLong(purpose: ApiPurpose, bytesMax: number): ResourceError {
  const what = describePurpose(purpose);
  return new ResourceError("RESOURCE_STORE_INVALID", `could not ${what}: the answer is longer than ${bytesMax} bytes`);
}
