/**
 * What a refusal of an S3 server, or of the way to it, means: to BlobError, with what to do about it.
 *
 * Codes by name first and by status where the name tells nothing: what calls itself S3 agrees on few names. A server's own
 * words are quoted up to a bound; its answer is not kept, for it holds headers.
 *
 * Source: Amazon S3 API reference, "Error responses"; what MinIO, SeaweedFS, Ceph and R2 say for the same.
 */

import { BlobError, type BlobErrorCode, type BlobId } from "./blob-store.ts";

export interface FailedRequest {
  /** "read blob p5f3c". */
  readonly doing: string;
  readonly displayName: string;
  readonly bucket: string;
  readonly region: string;
  readonly blob: BlobId | undefined;
  /** Where the credentials came from: "profile default of /credentials/cloud". */
  readonly credentialsSource: string;
  /** Of the header `x-amz-bucket-region`, if the answer had it. */
  readonly bucketRegion: string | undefined;
}

/** What is looked at of an error of the SDK, which is of no class of ours. */
interface Refusal {
  /** `NoSuchBucket`, or the name of the error. */
  readonly name: string;
  readonly message: string;
  /** Of the answer; undefined when none came. */
  readonly status: number | undefined;
  /** ECONNREFUSED, CERT_HAS_EXPIRED. */
  readonly systemCode: string | undefined;
  /** That the server would have us sign for. */
  readonly region: string | undefined;
}

/** A BlobError as it is; everything else as what it means. */
export function translateS3Error(error: unknown, request: FailedRequest): BlobError {
  if (error instanceof BlobError) return error;
  const refusal = readRefusal(error);
  const code = codeOf(refusal, request.blob !== undefined);
  const hint = hintFor(code, refusal, request);
  return new BlobError(code, messageFor(code, request), {
    cause: new Error(describe(refusal)),
    detail: {
      ...(request.blob === undefined ? {} : { blob: request.blob }),
      bucket: request.bucket,
      reason: refusal.systemCode ?? refusal.name,
      ...(refusal.status === undefined ? {} : { status: refusal.status }),
    },
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Whether a server says that the key it was asked with is not, or no longer, one of its own. */
export function isKeyRejected(error: unknown): boolean {
  return rejectedKeys.has(readRefusal(error).name);
}

/** Whether a put on condition was refused because the object is there, or is being put by another at this moment. */
export function isConditionFailed(error: unknown): boolean {
  const { status } = readRefusal(error);
  return status === 412 || status === 409;
}

const rejectedKeys: ReadonlySet<string> = new Set([
  "ExpiredToken",
  "ExpiredTokenException",
  "InvalidAccessKeyId",
  "InvalidToken",
  "SignatureDoesNotMatch",
  "TokenRefreshRequired",
]);

const codesByName: Readonly<Record<string, BlobErrorCode>> = {
  NoSuchBucket: "BLOB_STORE_NOT_FOUND",
  NoSuchKey: "BLOB_NOT_FOUND",
  InvalidRange: "BLOB_RANGE_INVALID",
  AccountProblem: "BLOB_STORE_DENIED",
  ExpiredToken: "BLOB_STORE_DENIED",
  InvalidToken: "BLOB_STORE_DENIED",
  TokenRefreshRequired: "BLOB_STORE_DENIED",
  EntityTooLarge: "BLOB_STORE_FULL",
  QuotaExceeded: "BLOB_STORE_FULL",
  XMinioAdminBucketQuotaExceeded: "BLOB_STORE_FULL",
  XMinioStorageFull: "BLOB_STORE_FULL",
  InvalidObjectState: "BLOB_STORE_INVALID",
  // Of the way there or the moment, whatever status they come with: 400, 403, 409.
  BadDigest: "BLOB_STORE_UNAVAILABLE",
  IncompleteBody: "BLOB_STORE_UNAVAILABLE",
  OperationAborted: "BLOB_STORE_UNAVAILABLE",
  RequestTimeout: "BLOB_STORE_UNAVAILABLE",
  RequestTimeTooSkewed: "BLOB_STORE_UNAVAILABLE", // The SDK has taken the server's clock over meanwhile.
  TemporaryRedirect: "BLOB_STORE_UNAVAILABLE",
};

const codesByStatus: Readonly<Record<number, BlobErrorCode>> = {
  401: "BLOB_STORE_DENIED",
  403: "BLOB_STORE_DENIED",
  408: "BLOB_STORE_UNAVAILABLE",
  409: "BLOB_STORE_UNAVAILABLE",
  416: "BLOB_RANGE_INVALID",
  425: "BLOB_STORE_UNAVAILABLE",
  429: "BLOB_STORE_UNAVAILABLE",
  501: "BLOB_STORE_MISCONFIGURED",
  507: "BLOB_STORE_FULL",
};

function codeOf(refusal: Refusal, isOfBlob: boolean): BlobErrorCode {
  const { name, status, systemCode } = refusal;
  if (systemCode !== undefined && isOfTls(systemCode)) return "BLOB_STORE_MISCONFIGURED";
  const known = codesByName[name] ?? (status === undefined ? undefined : codesByStatus[status]);
  if (known !== undefined) return known === "BLOB_NOT_FOUND" && !isOfBlob ? "BLOB_STORE_NOT_FOUND" : known;
  // Redirects and what the server will not take at all; a 404 without NoSuchKey is of something that is no S3 server.
  if (status !== undefined && status >= 300 && status < 500) return "BLOB_STORE_MISCONFIGURED";
  return "BLOB_STORE_UNAVAILABLE";
}

/** What the TLS of Node says of certificates, and of a server that does not speak it. */
function isOfTls(systemCode: string): boolean {
  return /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT|ERR_SSL_|EPROTO|INVALID_CA|HOSTNAME_MISMATCH)/.test(
    systemCode,
  );
}

function messageFor(code: BlobErrorCode, { doing, displayName, bucket, blob }: FailedRequest): string {
  if (code === "BLOB_STORE_DENIED") return `could not ${doing}: ${displayName} denied access`;
  if (code === "BLOB_STORE_NOT_FOUND") return `there is no bucket ${bucket} (${displayName})`;
  if (code === "BLOB_NOT_FOUND") return `there is no blob ${blob} in ${displayName}`;
  return `could not ${doing} in ${displayName}`;
}

function hintFor(code: BlobErrorCode, refusal: Refusal, request: FailedRequest): string | undefined {
  const { bucket, credentialsSource } = request;
  switch (code) {
    case "BLOB_STORE_DENIED":
      return isKeyRejected({ name: refusal.name })
        ? `the server does not know the credentials, which are of ${credentialsSource}: renew them there`
        : `the credentials are of ${credentialsSource}; let them list bucket ${bucket} and get, put and delete its objects`;
    case "BLOB_RANGE_INVALID":
      return "the blob is shorter than what refers to it: it was cut off or replaced";
    case "BLOB_STORE_FULL":
      return "free space on the server, or raise the quota";
    case "BLOB_STORE_INVALID":
      return "the object lies in an archive; restore it to a storage class that can be read at once";
    case "BLOB_STORE_NOT_FOUND":
      return `check bucket, endpoint and region, or make bucket ${bucket}; it is not made here`;
    case "BLOB_STORE_MISCONFIGURED":
      return misconfigurationHint(refusal, request);
    case "BLOB_STORE_UNAVAILABLE":
      if (refusal.name === "RequestTimeTooSkewed") return "set this machine's clock";
      return refusal.systemCode === "ENOTFOUND" ? "check the name of the endpoint's host" : undefined;
    default:
      return undefined;
  }
}

function misconfigurationHint(refusal: Refusal, request: FailedRequest): string {
  const { systemCode = "" } = refusal;
  if (/^(ERR_SSL_|EPROTO)/.test(systemCode))
    return "the server speaks no TLS there; check port and scheme of the endpoint";
  if (isOfTls(systemCode)) return "give the bundle of the authority that signed the server's certificate";
  const wanted = refusal.region ?? request.bucketRegion;
  if (wanted !== undefined && wanted !== request.region) return `set the region to ${wanted}; it is ${request.region}`;
  return "check endpoint and region; there may be no S3 server there";
}

function describe({ name, message, status, systemCode }: Refusal): string {
  const words = message === "" || message === name ? "" : `: ${message}`;
  const answer = status === undefined ? "" : ` (status ${status})`;
  return `${systemCode ?? name}${answer}${words}`;
}

function readRefusal(error: unknown): Refusal {
  const fields = typeof error === "object" && error !== null ? (error as Readonly<Record<string, unknown>>) : {};
  const metadata = fields.$metadata as { readonly httpStatusCode?: unknown } | undefined;
  const status = metadata?.httpStatusCode;
  const text = (value: unknown): string | undefined => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out.
    return typeof value === "string" ? value.replaceAll(/[\u0000-\u001f\u007f]+/g, " ").slice(0, 300) : undefined;
  };
  return {
    name: text(fields.name) ?? "Error",
    message: text(fields.message) ?? "",
    status: typeof status === "number" ? status : undefined,
    systemCode: typeof status === "number" ? undefined : text(fields.code),
    region: text(fields.Region),
  };
}
