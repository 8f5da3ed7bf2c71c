/**
 * Whose credentials a request to S3 is signed with, where they come from, and when they are fetched anew.
 *
 * The order is Velero's, which is that of the SDK for Go and not quite that of the SDK here: a profile that is named; the
 * environment's keys; web identity; the default profile; the container's and the machine's metadata service. A
 * credentials file given for the location goes before web identity. What a profile holds beyond keys (a role to assume,
 * a process, single sign-on) and what only a service can give is fetched by the SDK.
 *
 * Source: docs/decisions/aws-sdk-client-s3.md; Velero pkg/repository/config/aws.go; aws-sdk-go-v2 config/resolve_credentials.go.
 */

import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { errnoOf } from "../../base/errors.ts";
import { BlobError } from "./blob-store.ts";
import type { NamedText } from "./s3-location.ts";

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** Not given for those that last. */
  readonly expiration?: Date;
}

export interface CredentialSettings {
  readonly credentials?: NamedText;
  readonly profile?: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Sections of credentials and configuration files by the profile that they are of. */
export type Profiles = ReadonlyMap<string, ReadonlyMap<string, string>>;

export type CredentialPlan =
  | { readonly from: "keys"; readonly source: string; readonly keys: S3Credentials }
  | { readonly from: "profile"; readonly source: string; readonly profile: string }
  | {
      readonly from: "web identity";
      readonly source: string;
      readonly webIdentityTokenFile: string;
      readonly roleArn: string;
    }
  | { readonly from: "metadata service"; readonly source: string }
  | { readonly from: "nowhere"; readonly because: string };

/** Where to take credentials from; `file` is what a person calls the files that `profiles` are of. */
export function planCredentials(
  settings: CredentialSettings,
  environment: Environment,
  profiles: Profiles,
  file: string,
): CredentialPlan {
  const named = settings.profile || environment.AWS_PROFILE || undefined;
  const ofProfile = (profile: string): CredentialPlan | undefined => {
    const section = profiles.get(profile);
    const source = `profile ${profile} of ${file}`;
    if (section === undefined || section.size === 0) return undefined;
    const keys = isAssumed(section) ? undefined : keysOf(section);
    if (keys !== undefined) return { from: "keys", source, keys };
    return isFetchable(section) ? { from: "profile", source, profile } : undefined;
  };
  if (named !== undefined) {
    return ofProfile(named) ?? { from: "nowhere", because: `there are no credentials in profile ${named} of ${file}` };
  }
  const { AWS_WEB_IDENTITY_TOKEN_FILE: webIdentityTokenFile = "", AWS_ROLE_ARN: roleArn = "" } = environment;
  const webIdentity: CredentialPlan | undefined =
    webIdentityTokenFile === "" || roleArn === ""
      ? undefined
      : { from: "web identity", source: `web identity for role ${roleArn}`, webIdentityTokenFile, roleArn };
  const isFileGiven = settings.credentials !== undefined || (environment.AWS_SHARED_CREDENTIALS_FILE ?? "") !== "";
  return (
    (webIdentity !== undefined && isFileGiven ? ofProfile("default") : undefined) ??
    ofEnvironment(environment) ??
    webIdentity ??
    ofProfile("default") ?? { from: "metadata service", source: "the container's or machine's metadata service" }
  );
}

/** The sections of an INI file. Keys without a section, and those below another key, do not count. */
export function parseProfiles(text: string): Map<string, Map<string, string>> {
  const profiles = new Map<string, Map<string, string>>();
  let section: Map<string, string> | undefined;
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*([#;].*)?$/.test(line)) continue;
    const header = /^\s*\[\s*(?:profile\s+)?["']?([^\]"']+?)["']?\s*\]/.exec(line)?.[1];
    if (header !== undefined) {
      section = profiles.get(header) ?? new Map();
      profiles.set(header, section);
      continue;
    }
    const [, key, value] = /^([^\s=][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) section?.set(key.toLowerCase(), value.replace(/\s[#;].*$/, ""));
  }
  return profiles;
}

/** What the SDK is asked for: by a profile of files, by web identity, or by a metadata service. */
export interface SdkRequest {
  readonly profile?: string;
  readonly filepath: string;
  readonly configFilepath: string;
  readonly ignoreCache: true;
  readonly webIdentityTokenFile?: string;
  readonly roleArn?: string;
}

export interface FoundCredentials {
  readonly credentials: S3Credentials;
  /** What a person calls where they came from: "profile default of /credentials/cloud". */
  readonly source: string;
}

/** Reads files and asks services, each time anew. Errors: BLOB_STORE_DENIED; and those of the SDK for a service. */
export async function findCredentials(
  settings: CredentialSettings,
  environment: Environment,
  askSdk: (request: SdkRequest) => Promise<S3Credentials>,
): Promise<FoundCredentials> {
  const files = filesOf(settings, environment);
  const texts = await Promise.all(files.map((file) => ("text" in file ? file.text : readIfPresent(file.path))));
  const name = files.map((file) => ("text" in file ? file.name : file.path)).join(" and ");
  const plan = planCredentials(settings, environment, mergeProfiles(texts.map(parseProfiles)), name);
  switch (plan.from) {
    case "keys":
      return { credentials: plan.keys, source: plan.source };
    case "nowhere":
      throw new BlobError("BLOB_STORE_DENIED", plan.because, {
        hint: "name a profile that is there, or put aws_access_key_id and aws_secret_access_key into it",
      });
    case "profile": {
      const { profile, source } = plan;
      return { source, credentials: await askForProfile(files, profile, (request) => ask(askSdk, request, source)) };
    }
    case "web identity": {
      const { source, webIdentityTokenFile, roleArn } = plan;
      return { source, credentials: await ask(askSdk, { ...noFiles, webIdentityTokenFile, roleArn }, source) };
    }
    case "metadata service":
      return { source: plan.source, credentials: await ask(askSdk, noFiles, `${plan.source}, for ${name} has none`) };
  }
}

/** Fetched when first asked for and again some time before they expire; while that fails, those that still hold are used. */
export class RenewedCredentials {
  readonly #find: () => Promise<FoundCredentials>;
  readonly #clock: Clock;
  #held: (FoundCredentials & { readonly renewAtMs: number }) | undefined;
  #finding: Promise<FoundCredentials> | undefined;
  #tryAgainAtMs = 0;

  constructor(find: () => Promise<FoundCredentials>, clock: Clock) {
    this.#find = find;
    this.#clock = clock;
  }

  /** Of those found last. */
  get source(): string {
    return this.#held?.source ?? "no source yet";
  }

  async current(): Promise<S3Credentials> {
    const held = this.#held;
    const nowMs = this.#clock.nowMs();
    if (held !== undefined && (nowMs < held.renewAtMs || nowMs < this.#tryAgainAtMs)) return held.credentials;
    try {
      return (await this.#renew()).credentials;
    } catch (error) {
      if (held === undefined || (held.credentials.expiration?.getTime() ?? 0) <= this.#clock.nowMs()) throw error;
      this.#tryAgainAtMs = this.#clock.nowMs() + retryAfterMs;
      return held.credentials;
    }
  }

  /** To be told that a server rejected these. True when there are others by now, so that another attempt makes sense. */
  async areReplaced(rejected: S3Credentials): Promise<boolean> {
    const { accessKeyId, secretAccessKey, sessionToken } = (await this.#renew()).credentials;
    return (
      accessKeyId !== rejected.accessKeyId ||
      secretAccessKey !== rejected.secretAccessKey ||
      sessionToken !== rejected.sessionToken
    );
  }

  async #renew(): Promise<FoundCredentials> {
    this.#finding ??= this.#find().finally(() => {
      this.#finding = undefined;
    });
    const found = await this.#finding;
    const expiresMs = found.credentials.expiration?.getTime() ?? Number.POSITIVE_INFINITY;
    const lifetimeMs = expiresMs - this.#clock.nowMs();
    this.#held = { ...found, renewAtMs: expiresMs - Math.min(renewAheadMs, lifetimeMs / 2) };
    return found;
  }
}

/** Longer than any one request that makes progress usually takes, and as the SDKs have it. */
const renewAheadMs = 5 * 60_000;
/** After a renewal that failed, as long as the old ones hold: a service that is down is not asked with every request. */
const retryAfterMs = 30_000;
/** Far longer than any; what is longer is no credentials file. */
const fileBytesMax = 1024 * 1024;

const noFile = "/dev/null";
const noFiles: SdkRequest = { filepath: noFile, configFilepath: noFile, ignoreCache: true };

function ofEnvironment(environment: Environment): CredentialPlan | undefined {
  const accessKeyId = environment.AWS_ACCESS_KEY_ID || environment.AWS_ACCESS_KEY || "";
  const secretAccessKey = environment.AWS_SECRET_ACCESS_KEY || environment.AWS_SECRET_KEY || "";
  if (accessKeyId === "" || secretAccessKey === "") return undefined;
  const keys = newKeys(accessKeyId, secretAccessKey, environment.AWS_SESSION_TOKEN);
  return { from: "keys", source: "AWS_ACCESS_KEY_ID", keys };
}

function keysOf(section: ReadonlyMap<string, string>): S3Credentials | undefined {
  const accessKeyId = section.get("aws_access_key_id") ?? "";
  const secretAccessKey = section.get("aws_secret_access_key") ?? "";
  if (accessKeyId === "" || secretAccessKey === "") return undefined;
  return newKeys(accessKeyId, secretAccessKey, section.get("aws_session_token"));
}

function newKeys(accessKeyId: string, secretAccessKey: string, sessionToken = ""): S3Credentials {
  return { accessKeyId, secretAccessKey, ...(sessionToken !== "" && { sessionToken }) };
}

function isAssumed(section: ReadonlyMap<string, string>): boolean {
  return section.has("role_arn") && (section.has("source_profile") || section.has("credential_source"));
}

/** Whether there is something in it that the SDK can fetch credentials by. */
function isFetchable(section: ReadonlyMap<string, string>): boolean {
  const isOfToken = section.has("role_arn") && section.has("web_identity_token_file");
  const others = ["credential_process", "sso_session", "sso_start_url", "login_session"];
  return isAssumed(section) || isOfToken || others.some((key) => section.has(key));
}

function filesOf({ credentials }: CredentialSettings, environment: Environment): readonly NamedText[] {
  if (credentials !== undefined) return [credentials];
  const shared = environment.AWS_SHARED_CREDENTIALS_FILE ?? "";
  if (shared !== "") return [{ path: shared }];
  const folder = join(environment.HOME || homedir(), ".aws");
  return [{ path: join(folder, "credentials") }, { path: environment.AWS_CONFIG_FILE || join(folder, "config") }];
}

/** Of several sections the first that has a key counts: credentials before configuration. */
function mergeProfiles(all: readonly Profiles[]): Profiles {
  const merged = new Map<string, Map<string, string>>();
  for (const [name, section] of all.flatMap((profiles) => [...profiles])) {
    merged.set(name, new Map([...section, ...(merged.get(name) ?? [])]));
  }
  return merged;
}

/** Empty where there is no such file: a DaemonSet names one that is mounted only where there is a Secret. */
async function readIfPresent(path: string): Promise<string> {
  try {
    if ((await stat(path)).size <= fileBytesMax) return await readFile(path, "utf8");
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes(errnoOf(cause) ?? "")) return "";
    throw new BlobError("BLOB_STORE_DENIED", `could not read credentials file ${path}`, { cause, detail: { path } });
  }
  throw new BlobError("BLOB_STORE_DENIED", `${path} is too long for a credentials file`, { detail: { path } });
}

async function askForProfile(
  files: readonly NamedText[],
  profile: string,
  askSdk: (request: SdkRequest) => Promise<S3Credentials>,
): Promise<S3Credentials> {
  const [first, second] = files;
  if (first !== undefined && "path" in first) {
    const configFilepath = second !== undefined && "path" in second ? second.path : first.path;
    return await askSdk({ profile, filepath: first.path, configFilepath, ignoreCache: true });
  }
  // The SDK reads files alone. This one is there for as long as it is asked, for nobody else to read.
  const folder = await mkdtemp(join(tmpdir(), "fsb-credentials-"));
  try {
    const path = join(folder, "credentials");
    await writeFile(path, first?.text ?? "", { mode: 0o600, flag: "wx" });
    return await askSdk({ profile, filepath: path, configFilepath: path, ignoreCache: true });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Where the SDK finds none, a service refuses or is not to be had. A command that failed is not quoted. */
async function ask(
  askSdk: (request: SdkRequest) => Promise<S3Credentials>,
  request: SdkRequest,
  source: string,
): Promise<S3Credentials> {
  try {
    return await askSdk(request);
  } catch (cause) {
    if (cause instanceof BlobError || !(cause instanceof Error)) throw cause;
    if (cause.name !== "CredentialsProviderError") throw notFetched(cause, source);
    const why = cause.message.startsWith("Command failed") ? "its credential_process failed" : cause.message;
    throw new BlobError("BLOB_STORE_DENIED", `there are no credentials from ${source}`, {
      cause: new Error(why.slice(0, 300)),
      hint: "give a credentials file or a profile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    });
  }
}

/** By what a service answered, a token service for one; without an answer it is not to be had now. */
function notFetched(cause: Error, source: string): BlobError {
  const { $metadata } = cause as { readonly $metadata?: { readonly httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode ?? 500;
  const isBusy = status === 429 || /Throttl|TooManyRequests|RequestLimit|IDPCommunication/.test(cause.name);
  const isRefused = status >= 400 && status < 500 && !isBusy;
  return new BlobError(
    isRefused ? "BLOB_STORE_DENIED" : "BLOB_STORE_UNAVAILABLE",
    `could not fetch credentials from ${source}`,
    {
      cause: new Error(`${cause.name}: ${cause.message.slice(0, 300)}`),
      hint: isRefused ? "check the role, its trust policy and the token" : "see whether that service can be reached",
    },
  );
}
