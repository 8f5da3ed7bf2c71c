/**
 * The SDK, set so that it sends what every S3 server takes, and no more than once.
 *
 * No checksums but where the API requires one, no trailers, no `Expect`, no redirects followed, no retries: those are
 * of `retrying.ts`. What the environment or a user's configuration file would change of that is set here as well.
 *
 * Source: docs/decisions/aws-sdk-client-s3.md.
 */

import { Readable } from "node:stream";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { defaultProvider } from "@aws-sdk/credential-provider-node";
import { BlobError } from "./blob-store.ts";
import type { S3Credentials, SdkRequest } from "./s3-credentials.ts";
import type { S3Endpoint } from "./s3-location.ts";

export interface S3ClientSettings {
  readonly endpoint: S3Endpoint | undefined;
  readonly region: string;
  /** PEM; undefined for those that the system trusts. */
  readonly authorities: readonly string[] | undefined;
  readonly isCertificateUnchecked: boolean;
  /** Asked before every request; keeps what it found. */
  readonly credentials: () => Promise<S3Credentials>;
}

/** Packs and blobs read at once are bounded above; this many connections are never needed, and never too few. */
const connectionsMax = 32;
const connectMs = 15_000;

export function newS3Client(settings: S3ClientSettings): S3Client {
  const { endpoint, region, authorities, isCertificateUnchecked, credentials } = settings;
  const agent = { keepAlive: true, maxSockets: connectionsMax };
  const ca = authorities === undefined || isCertificateUnchecked ? {} : { ca: [...authorities] };
  return new S3Client({
    region,
    ...(endpoint !== undefined && { endpoint: endpoint.url, useDualstackEndpoint: false, useFipsEndpoint: false }),
    forcePathStyle: endpoint !== undefined && !endpoint.isAws,
    // `memoized` tells the SDK to ask each time: it would keep credentials without an expiry for good.
    credentials: Object.assign(async () => await credentials(), { memoized: true }),
    maxAttempts: 1,
    retryMode: "standard",
    defaultsMode: "standard",
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    expectContinueHeader: false,
    followRegionRedirects: false,
    disableS3ExpressSessionAuth: true,
    ignoreConfiguredEndpointUrls: true,
    useArnRegion: false,
    authSchemePreference: ["aws.auth#sigv4"],
    requestHandler: {
      connectionTimeout: connectMs,
      httpAgent: agent,
      httpsAgent: { ...agent, ...ca, rejectUnauthorized: !isCertificateUnchecked },
    },
  });
}

/**
 * Credentials by the SDK's own chain: profiles with roles, processes and single sign-on, web identity, metadata services.
 * They are fetched over connections of their own: the store's authorities are not those of AWS's services. Errors: the
 * SDK's, and BLOB_STORE_DENIED where a profile was asked for and the chain went on to the machine's own.
 */
export async function askSdkForCredentials(request: SdkRequest, region: string): Promise<S3Credentials> {
  const requestHandler = { connectionTimeout: connectMs, requestTimeout: 30_000, throwOnRequestTimeout: true };
  const findCredentials = defaultProvider({
    ...request,
    clientConfig: { region, requestHandler },
    parentClientConfig: { region },
  });
  const found = await findCredentials();
  if (request.profile !== undefined && isOfMachine(found)) {
    throw new BlobError("BLOB_STORE_DENIED", `there are no credentials in profile ${request.profile}`, {
      hint: "correct the profile; the machine's own credentials do not stand in for one that is named",
    });
  }
  return found;
}

/** The SDK notes on credentials which links of its chain they came by. */
function isOfMachine(found: S3Credentials): boolean {
  const { $source = {} } = found as { readonly $source?: Readonly<Record<string, string>> };
  const isOfService = "CREDENTIALS_IMDS" in $source || "CREDENTIALS_HTTP" in $source;
  return isOfService && !Object.keys($source).some((link) => link.startsWith("CREDENTIALS_PROFILE"));
}

/** A command of the SDK, whichever. */
export interface Command {
  readonly middlewareStack: object;
}

/** Its stack without the types of one command's input and output, which no function for all of them could name. */
interface MiddlewareStack {
  add(
    middleware: (next: Handler) => Handler,
    options: { readonly step: "build" | "deserialize"; readonly priority?: "low" },
  ): void;
}
type Handler = (args: { readonly request: unknown }) => Promise<{ readonly response: unknown }>;

export interface AnswerWatch {
  progressed(): void;
  /** The names are in lower case. */
  onHeaders(headers: Readonly<Record<string, string | undefined>>): void;
}

/** Answers other than objects: a page of a listing is below 5 MiB even if every key has its full length. */
const answerBytesMax = 16 * 1024 * 1024;

/** The SDK collects answers whole before it parses them: those but an object's bytes are bounded, and seen to move. */
export function watchAnswer(command: Command, watch: AnswerWatch): void {
  stackOf(command).add(
    (next) => async (args) => {
      const result = await next(args);
      const response = result.response as {
        readonly statusCode: number;
        readonly headers: Readonly<Record<string, string | undefined>>;
        body: unknown;
      };
      watch.progressed();
      watch.onHeaders(response.headers);
      const isObject = command instanceof GetObjectCommand && response.statusCode < 300;
      if (!isObject && response.body instanceof Readable) response.body = Readable.from(bounded(response.body, watch));
      return result;
    },
    { step: "deserialize", priority: "low" },
  );
}

/** Signs for a body that is a stream by its digest in hex, so that the server checks it. */
export function signBodyAs(command: Command, sha256: string): void {
  stackOf(command).add(
    (next) => async (args) => {
      const request = args.request as { readonly headers: Record<string, string> };
      request.headers["x-amz-content-sha256"] = sha256;
      return await next(args);
    },
    { step: "build" },
  );
}

function stackOf(command: Command): MiddlewareStack {
  return command.middlewareStack as MiddlewareStack;
}

async function* bounded(body: Readable, watch: AnswerWatch): AsyncGenerator<Uint8Array> {
  let length = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    watch.progressed();
    length += chunk.byteLength;
    if (length > answerBytesMax) {
      throw new BlobError("BLOB_STORE_INVALID", `the server's answer has more than ${answerBytesMax} bytes`);
    }
    yield chunk;
  }
}
