/**
 * A blob store in a bucket: one object a blob, its key the prefix and the blob's id.
 *
 * Guarantees: those of BlobStore, which rest on the server's: S3 is consistent after each write since 2020, and the
 * look-alikes are. An object is put by one request, never in pieces that others could see or that would be left over.
 * Every request ends: by an answer, by its caller, by its deadline, or when no byte moves (`request-watch.ts`).
 *
 * Assumptions: the bucket is there; it is never made here. Its server is believed about what it holds, but no length that
 * it tells is: answers are bounded, and what they give is counted. Nothing is retried here (`retrying.ts`).
 *
 * This file and those it imports load the SDK, 36 MB of it: `open-store.ts` imports it when a bucket is opened.
 *
 * Source: docs/format/blobs.md, "In a bucket"; kopia repo/blob/s3/s3_storage.go.
 */

import { readFile } from "node:fs/promises";
import { Readable } from "node:stream";
import {
  DeleteObjectCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { type Clock, systemClock } from "../../base/clock.ts";
import {
  BlobError,
  type BlobId,
  type BlobMetadata,
  type BlobStore,
  type ByteRange,
  blobExists,
  type GetOptions,
  isBlobId,
  type PutOptions,
  rangeWithin,
} from "./blob-store.ts";
import { ReadOnlyBlobStore } from "./read-only.ts";
import { type RequestLimits, RequestWatch, requestLimits } from "./request-watch.ts";
import { answeredLength, digestParts, pacedSlicesOf, readBody, slicesOf } from "./s3-body.ts";
import { askSdkForCredentials, type Command, newS3Client, signBodyAs, watchAnswer } from "./s3-client.ts";
import {
  type CredentialSettings,
  type Environment,
  type FoundCredentials,
  findCredentials,
  RenewedCredentials,
  type S3Credentials,
} from "./s3-credentials.ts";
import { isConditionFailed, isKeyRejected, translateS3Error } from "./s3-error.ts";
import {
  assertBucketName,
  describeS3Location,
  type NamedText,
  parseAuthorities,
  parseS3Endpoint,
  type S3Location,
} from "./s3-location.ts";

export interface S3StoreOptions {
  /** `create` is as `open`: a bucket is not made. `read-only` writes nothing, ever. */
  readonly mode: "create" | "open" | "read-only";
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  readonly limits?: RequestLimits;
  /** Where keys, roles and files of credentials are named; what the SDK fetches by them it looks up in the process's own. */
  readonly environment?: Environment;
  /**
   * What the location's credentials are by now, where it was given their text; asked when the server rejects those that
   * were used. Undefined for those of the location.
   */
  readonly readCredentials?: () => Promise<NamedText | undefined>;
}

const listedAtOnce = 1000;
const regionByDefault = "us-east-1";
/** As kopia's. */
const contentType = "application/x-kopia";

/** Asks nothing of the server yet. Errors: BLOB_STORE_MISCONFIGURED, BLOB_STORE_DENIED for a file that cannot be read. */
export async function openS3Store(location: S3Location, options: S3StoreOptions): Promise<BlobStore> {
  const { mode, signal, clock = systemClock, limits = requestLimits, environment = process.env } = options;
  signal.throwIfAborted();
  assertBucketName(location.bucket);
  const endpoint = parseS3Endpoint(location.endpoint);
  const isCertificateUnchecked = location.isCertificateUnchecked === true;
  const authorities =
    location.authorities === undefined || isCertificateUnchecked
      ? undefined
      : await readAuthorities(location.authorities);
  const given = (location.region ?? "").replaceAll(/^\/+|\/+$/g, "") || endpoint?.region;
  const regionOfServices = given ?? environment.AWS_REGION ?? environment.AWS_DEFAULT_REGION ?? regionByDefault;
  const find = async (settings: CredentialSettings): Promise<FoundCredentials> =>
    await findCredentials(settings, environment, (request) => askSdkForCredentials(request, regionOfServices));
  let isFirst = true;
  const credentials = new RenewedCredentials(async () => {
    const renewed = isFirst ? undefined : await options.readCredentials?.();
    isFirst = false;
    return await find(renewed === undefined ? location : { ...location, credentials: renewed });
  }, clock);
  const newClient = (region: string): S3Client =>
    newS3Client({ endpoint, region, authorities, isCertificateUnchecked, credentials: () => credentials.current() });
  const store = new S3BlobStore(location, {
    region: given,
    isAws: endpoint?.isAws ?? true,
    credentials,
    newClient,
    limits,
  });
  return mode === "read-only" ? new ReadOnlyBlobStore(store) : store;
}

interface Connection {
  /** Undefined: to be asked for. */
  readonly region: string | undefined;
  readonly isAws: boolean;
  readonly credentials: RenewedCredentials;
  readonly newClient: (region: string) => S3Client;
  readonly limits: RequestLimits;
}

interface RequestOf {
  readonly doing: string;
  readonly blob?: BlobId;
  readonly signal: AbortSignal;
}

/** What one request is made with. */
interface Sending {
  readonly client: S3Client;
  readonly watch: RequestWatch;
  /** To be given every command before it is sent. */
  readonly watched: <Given extends Command>(command: Given) => Given;
}

class S3BlobStore implements BlobStore {
  readonly displayName: string;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #connection: Connection;
  #region: string | undefined;
  #client: S3Client | undefined;

  constructor(location: S3Location, connection: Connection) {
    this.displayName = describeS3Location(location);
    this.#bucket = location.bucket;
    this.#prefix = location.prefix;
    this.#connection = connection;
    this.#region = connection.region;
  }

  async get(id: BlobId, { signal, range, pace }: GetOptions): Promise<Uint8Array> {
    signal.throwIfAborted();
    if (range !== undefined) rangeWithin(id, Number.MAX_SAFE_INTEGER, range);
    if (range?.length === 0) return await this.#getNothing(id, range, signal);
    return await this.#request({ doing: `read blob ${id}`, blob: id, signal }, async ({ client, watch, watched }) => {
      const command = new GetObjectCommand({
        ...this.#at(id),
        ...(range && { Range: `bytes=${range.offset}-${range.offset + range.length - 1}` }),
      });
      const answer = await client.send(watched(command), { abortSignal: watch.signal });
      const body = answer.Body as Readable | undefined;
      try {
        const length = answeredLength(id, range, answer);
        watch.expect(length);
        return await readBody(body, length, watch, pace);
      } finally {
        body?.destroy();
      }
    });
  }

  /** To keep what is there takes a look first, for servers that pass over the condition: two at once may pass them both. */
  async put(id: BlobId, parts: readonly Uint8Array[], { signal, existing, pace }: PutOptions): Promise<void> {
    signal.throwIfAborted();
    if (existing === "keep" && (await this.metadata(id, { signal })) !== undefined) throw blobExists(id);
    const { length, md5, sha256 } = digestParts(parts);
    await this.#request({ doing: `write blob ${id}`, blob: id, signal }, async ({ client, watch, watched }) => {
      watch.expect(length);
      const slices = pace === undefined ? slicesOf(parts, watch) : pacedSlicesOf(parts, watch, pace);
      const body = length === 0 ? new Uint8Array(0) : Readable.from(slices, { objectMode: false });
      const command = new PutObjectCommand({
        ...this.#at(id),
        Body: body,
        ContentLength: length,
        ContentMD5: md5,
        ContentType: contentType,
        ...(existing === "keep" ? { IfNoneMatch: "*" } : {}),
      });
      signBodyAs(command, sha256);
      try {
        await client.send(watched(command), { abortSignal: watch.signal });
        if (body instanceof Readable && !body.readableEnded) throw answeredEarly(id);
      } catch (error) {
        throw existing === "keep" && isConditionFailed(error) ? blobExists(id) : error;
      } finally {
        if (body instanceof Readable) body.destroy();
      }
    });
  }

  async delete(id: BlobId, { signal }: { signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted();
    await this.#request({ doing: `delete blob ${id}`, blob: id, signal }, async ({ client, watch, watched }) => {
      try {
        await client.send(watched(new DeleteObjectCommand(this.#at(id))), { abortSignal: watch.signal });
      } catch (error) {
        if (!(error instanceof Error) || error.name !== "NoSuchKey") throw error;
      }
    });
  }

  async *list(prefix: string, { signal }: { signal: AbortSignal }): AsyncIterable<BlobMetadata> {
    signal.throwIfAborted();
    let token: string | undefined;
    do {
      const page = await this.#listPage(prefix, token, signal);
      yield* this.#blobsOf(page, prefix);
      if (page.IsTruncated === true && (page.NextContinuationToken ?? token) === token) {
        throw new BlobError(
          "BLOB_STORE_INVALID",
          `the listing of blobs ${prefix}* in ${this.displayName} does not end`,
        );
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async metadata(id: BlobId, { signal }: { signal: AbortSignal }): Promise<BlobMetadata | undefined> {
    signal.throwIfAborted();
    const doing = `look up blob ${id}`;
    const found = await this.#request({ doing, blob: id, signal }, async ({ client, watch, watched }) => {
      try {
        return await client.send(watched(new HeadObjectCommand(this.#at(id))), { abortSignal: watch.signal });
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    });
    if (found !== undefined) return metadataOf(id, found.ContentLength, found.LastModified, this.displayName);
    await this.#assertBucket(signal);
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client?.destroy();
    this.#client = undefined;
  }

  #at(id: BlobId): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + id };
  }

  /** An empty range is no HTTP range; whether it lies within the blob its length tells. */
  async #getNothing(id: BlobId, range: ByteRange, signal: AbortSignal): Promise<Uint8Array> {
    const known = await this.metadata(id, { signal });
    if (known === undefined) {
      throw new BlobError("BLOB_NOT_FOUND", `there is no blob ${id} in ${this.displayName}`, { detail: { blob: id } });
    }
    rangeWithin(id, known.length, range);
    return new Uint8Array(0);
  }

  async #listPage(prefix: string, token: string | undefined, signal: AbortSignal): Promise<ListObjectsV2CommandOutput> {
    return await this.#request({ doing: `list blobs ${prefix}*`, signal }, async ({ client, watch, watched }) => {
      const command = new ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: this.#prefix + prefix,
        Delimiter: "/",
        EncodingType: "url",
        MaxKeys: listedAtOnce,
        ...(token !== undefined && { ContinuationToken: token }),
      });
      return await client.send(watched(command), { abortSignal: watch.signal });
    });
  }

  /** What lies in a deeper folder, and what has another name than a blob, is not of this repository. */
  *#blobsOf(page: ListObjectsV2CommandOutput, prefix: string): Iterable<BlobMetadata> {
    for (const { Key = "", Size, LastModified } of page.Contents ?? []) {
      const key = page.EncodingType === "url" ? decodeKey(Key) : Key;
      if (!key.startsWith(this.#prefix)) continue;
      const id = key.slice(this.#prefix.length);
      if (isBlobId(id) && id.startsWith(prefix)) yield metadataOf(id, Size, LastModified, this.displayName);
    }
  }

  /** The answer to HEAD has no words: a missing bucket looks like a missing object. Who may not ask is believed. */
  async #assertBucket(signal: AbortSignal): Promise<void> {
    await this.#request({ doing: "look up the bucket", signal }, async ({ client, watch, watched }) => {
      try {
        await client.send(watched(new HeadBucketCommand({ Bucket: this.#bucket })), { abortSignal: watch.signal });
      } catch (error) {
        if (isNotFound(error)) throw this.#bucketIsMissing();
        if (statusOf(error) !== 401 && statusOf(error) !== 403) throw error;
      }
    });
  }

  #bucketIsMissing(): Error {
    return Object.assign(new Error(`bucket ${this.#bucket} does not exist`), { name: "NoSuchBucket" });
  }

  /**
   * One request, watched. Whatever goes wrong is a BlobError or the caller's abort. Credentials are fetched before, so
   * that an abort does not wait for a service; the region is, where it is not known, with the first request.
   */
  async #request<Result>(request: RequestOf, work: (sending: Sending) => Promise<Result>): Promise<Result> {
    const { credentials, limits } = this.#connection;
    using watch = new RequestWatch(request.signal, limits);
    let bucketRegion: string | undefined;
    let used: S3Credentials | undefined;
    const watched = <Given extends Command>(command: Given): Given => {
      const onHeaders = (headers: Readonly<Record<string, string | undefined>>): void => {
        bucketRegion = headers["x-amz-bucket-region"] ?? bucketRegion;
      };
      watchAnswer(command, { progressed: () => watch.progressed(), onHeaders });
      return command;
    };
    try {
      used = await watch.orAborted(credentials.current());
      this.#region ??= await this.#findRegion(watch, watched, () => bucketRegion);
      this.#client ??= this.#connection.newClient(this.#region);
      return await work({ client: this.#client, watch, watched });
    } catch (error) {
      if (watch.signal.aborted) throw watch.signal.reason;
      const translated = translateS3Error(error, {
        doing: request.doing,
        displayName: this.displayName,
        bucket: this.#bucket,
        region: this.#region ?? regionByDefault,
        blob: request.blob,
        credentialsSource: credentials.source,
        bucketRegion,
      });
      if (used === undefined || !isKeyRejected(error) || !(await this.#areReplaced(used, watch))) throw translated;
      throw new BlobError(
        "BLOB_STORE_UNAVAILABLE",
        `the credentials of ${credentials.source} were replaced meanwhile`,
        {
          cause: translated,
        },
      );
    }
  }

  /** AWS tells the region of a bucket to whoever asks anywhere, also when it refuses. Others are asked as kopia asks. */
  async #findRegion(
    watch: RequestWatch,
    watched: Sending["watched"],
    bucketRegion: () => string | undefined,
  ): Promise<string> {
    const { isAws, newClient } = this.#connection;
    const client = newClient(regionByDefault);
    const bucket = { Bucket: this.#bucket };
    const options = { abortSignal: watch.signal };
    try {
      if (isAws) await client.send(watched(new HeadBucketCommand(bucket)), options);
      const location = isAws ? undefined : await client.send(watched(new GetBucketLocationCommand(bucket)), options);
      const told = bucketRegion() ?? location?.LocationConstraint ?? "";
      return told === "EU" ? "eu-west-1" : told || regionByDefault;
    } catch (error) {
      const told = bucketRegion();
      if (told !== undefined) return told;
      if (isAws && isNotFound(error)) throw this.#bucketIsMissing();
      // A server that has no regions refuses the question in its own way. Whether it answers at all is another matter.
      if (isAws || (statusOf(error) ?? 500) >= 500) throw error;
      return regionByDefault;
    } finally {
      client.destroy();
    }
  }

  async #areReplaced(used: S3Credentials, watch: RequestWatch): Promise<boolean> {
    try {
      return await watch.orAborted(this.#connection.credentials.areReplaced(used));
    } catch {
      return false; // The rejection of those that were used is what has to be told.
    }
  }
}

function isNotFound(error: unknown): boolean {
  return statusOf(error) === 404 && !(error instanceof Error && error.name === "NoSuchBucket");
}

/** The connection may still read the parts, which must not be so when they are put. */
function answeredEarly(id: BlobId): BlobError {
  return new BlobError("BLOB_STORE_UNAVAILABLE", `the server answered before it was sent all of blob ${id}`, {
    detail: { blob: id },
  });
}

function statusOf(error: unknown): number | undefined {
  const metadata = (error as { readonly $metadata?: { readonly httpStatusCode?: number } } | null)?.$metadata;
  return metadata?.httpStatusCode;
}

/** To the second, which is all that HEAD tells: a listing and a look-up are to agree. */
function metadataOf(id: BlobId, length: number | undefined, modified: Date | undefined, where: string): BlobMetadata {
  const modifiedMs = modified?.getTime() ?? Number.NaN;
  if (length !== undefined && Number.isSafeInteger(length) && length >= 0 && Number.isFinite(modifiedMs)) {
    return { id, length, modifiedMs: Math.floor(modifiedMs / 1000) * 1000 };
  }
  throw new BlobError("BLOB_STORE_INVALID", `the server tells no length or time of blob ${id} in ${where}`, {
    detail: { blob: id },
  });
}

/** As a form's field, so that a key may have any character; empty, which is no blob's, for one that is malformed. */
function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key.replaceAll("+", " "));
  } catch {
    return ""; // Whatever has such a key is none of ours.
  }
}

async function readAuthorities(authorities: NamedText): Promise<readonly string[]> {
  if ("text" in authorities) return parseAuthorities(authorities.text, authorities.name);
  const { path } = authorities;
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new BlobError("BLOB_STORE_MISCONFIGURED", `could not read the CA bundle ${path}`, {
      cause,
      detail: { path },
    });
  }
  return parseAuthorities(text, path);
}
