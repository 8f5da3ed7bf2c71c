/**
 * `kopia.repository` and `kopia.blobcfg`: what a repository is made of, and the secrets it is sealed with.
 *
 * Fields are tested one by one, never the version: a repository that was upgraded from version 1 has version 3 and
 * still `enablePasswordChange: false`. What this program does not know is refused by its name.
 *
 * Source: docs/format/format-blob.md; kopia repo/format.
 */

import { equalBytes, fromBase64, fromUtf8, toBase64, toUtf8 } from "../../base/bytes.ts";
import { hasCode } from "../../base/errors.ts";
import type { RandomSource } from "../../base/random.ts";
import type { EncryptionName, HashName, SplitterName } from "../../kernel/kernel.ts";
import { type BlobStore, parseBlobId } from "../blob/blob-store.ts";
import { parseEncryption, parseHash, parseSplitter, takesKey } from "./algorithms.ts";
import { FormatError } from "./format-error.ts";
import { defaultKeyAlgorithm, deriveFormatKey, type KeyDeriver, openSecrets, sealSecrets } from "./keys.ts";
import { assertFeaturesUnderstood, assertNotUpgrading, type UpgradeLock } from "./upgrade.ts";

export const formatBlobId = parseBlobId("kopia.repository");
export const blobConfigBlobId = parseBlobId("kopia.blobcfg");

/** Durations in milliseconds; on storage they are nanoseconds. */
export interface EpochParameters {
  readonly enabled: boolean;
  readonly refreshFrequencyMs: number;
  /** When maintenance begins the next epoch: at so many index blobs or bytes, if the present one spans so long. */
  readonly advance?: {
    readonly minDurationMs: number;
    readonly blobCount: number;
    readonly bytes: number;
  };
}

export interface RepositoryFormat {
  /** 32 bytes; salt of nearly every derivation. Never changes. */
  readonly uniqueId: Uint8Array;
  readonly version: 1 | 2 | 3;
  readonly hash: HashName;
  readonly encryption: EncryptionName;
  readonly splitter: SplitterName;
  /** What error correction may add, in percent, 1 to 100; not given for none. */
  readonly parityPercent?: number;
  readonly hashSecret: Uint8Array;
  readonly masterKey: Uint8Array;
  readonly packBytesMax: number;
  readonly indexVersion: 1 | 2;
  readonly epochs: EpochParameters;
  readonly enablePasswordChange: boolean;
  /** Of `kopia.blobcfg`: how objects are to be locked when they are put. Not given for not at all. */
  readonly retentionMode?: string;
  /** The bytes of `kopia.repository`: packs begin with a copy of it where the password cannot change. */
  readonly formatBlob: Uint8Array;
}

/** What a format was opened with, so that it can be read again without the slow derivation. */
export interface OpenedFormat {
  readonly format: RepositoryFormat;
  readonly formatKey: Uint8Array;
}

const packBytesDefault = 20 << 20;
const nsPerMs = 1_000_000;

/**
 * Reads and opens the format. Errors: FormatError of every code but REPOSITORY_EXISTS, and BlobError.
 * `warn` hears of a required feature that is not understood but may be passed over.
 */
export async function openFormat(
  store: BlobStore,
  password: string,
  options: OpenFormatOptions & { readonly kernel: KeyDeriver },
): Promise<OpenedFormat> {
  const formatBlob = await readFormatBlob(store, options.signal);
  const outer = parseOuter(formatBlob);
  // What is configured for blobs can be fetched meanwhile, though it takes the key to read it.
  const [key, blobConfig] = await Promise.allSettled([
    deriveFormatKey(outer.keyAlgorithm, password, outer.uniqueId, options.kernel),
    readBlobConfig(store, options.signal),
  ]);
  if (key.status === "rejected") throw key.reason;
  if (blobConfig.status === "rejected") throw blobConfig.reason;
  const formatKey = key.value;
  return { format: await openWithKey(store, formatBlob, outer, formatKey, blobConfig.value, options), formatKey };
}

export interface OpenFormatOptions {
  readonly signal: AbortSignal;
  readonly nowMs: number;
  readonly warn?: (message: string) => void;
}

/** Reads the format again: finds an upgrade lock, new epoch parameters, or that the password was changed meanwhile. */
export async function refreshFormat(
  store: BlobStore,
  { formatKey }: Pick<OpenedFormat, "formatKey">,
  options: OpenFormatOptions,
): Promise<OpenedFormat> {
  const formatBlob = await readFormatBlob(store, options.signal);
  const outer = parseOuter(formatBlob);
  const blobConfig = await readBlobConfig(store, options.signal);
  return { format: await openWithKey(store, formatBlob, outer, formatKey, blobConfig, options), formatKey };
}

/**
 * Makes a repository as Velero does: version 3, index v2, epochs, pack size 20 MiB, every algorithm the default.
 *
 * `kopia.repository` makes a place a repository, so it comes first and only if there is none: of several who create at
 * once one wins, and the others get REPOSITORY_EXISTS. `kopia.blobcfg` follows; without it nothing is configured, which
 * is what ours says. (kopia writes it first, and one that is stopped in between leaves a place where none can be made.)
 */
export async function createFormat(
  store: BlobStore,
  password: string,
  options: { readonly signal: AbortSignal; readonly random: RandomSource; readonly kernel: KeyDeriver },
): Promise<void> {
  const { signal, random, kernel } = options;
  if ((await store.metadata(formatBlobId, { signal })) !== undefined) throw repositoryExists(store);
  await assertNothingStored(store, signal);
  const uniqueId = random(32);
  const formatKey = await deriveFormatKey(defaultKeyAlgorithm, password, uniqueId, kernel);
  const inner = {
    format: {
      hash: "BLAKE2B-256-128",
      encryption: "AES256-GCM-HMAC-SHA256",
      secret: toBase64(random(32)),
      masterKey: toBase64(random(32)),
      version: 3,
      maxPackSize: packBytesDefault,
      indexVersion: 2,
      epochParameters: {
        Enabled: true,
        EpochRefreshFrequency: 1_200_000_000_000,
        FullCheckpointFrequency: 7,
        CleanupSafetyMargin: 14_400_000_000_000,
        MinEpochDuration: 86_400_000_000_000,
        EpochAdvanceOnCountThreshold: 20,
        EpochAdvanceOnTotalSizeBytesThreshold: 10_485_760,
        DeleteParallelism: 4,
      },
      enablePasswordChange: true,
      splitter: "DYNAMIC-4M-BUZHASH",
    },
  };
  const outer = {
    tool: "https://github.com/kopia/kopia",
    buildVersion: "fsb",
    buildInfo: "fsb",
    uniqueID: toBase64(uniqueId),
    keyAlgo: defaultKeyAlgorithm,
    encryption: "AES256_GCM",
    encryptedBlockFormat: toBase64(sealSecrets(formatKey, uniqueId, toUtf8(JSON.stringify(inner)), random)),
  };
  const blobConfig = sealSecrets(formatKey, uniqueId, toUtf8("{}"), random);
  await putUnlessPresent(store, toUtf8(`${JSON.stringify(outer, null, 2)}\n`), signal);
  await store.put(blobConfigBlobId, [blobConfig], { signal });
}

/** A place with packs or indexes is a repository that lost its format blob: another on top would bury it. */
async function assertNothingStored(store: BlobStore, signal: AbortSignal): Promise<void> {
  for (const prefix of ["p", "q", "x", "n"]) {
    for await (const { id } of store.list(prefix, { signal })) {
      throw new FormatError("REPOSITORY_EXISTS", `${store.displayName} holds ${id}, but no ${formatBlobId}`, {
        detail: { blob: id },
        hint: `bring ${formatBlobId} back from a copy of the store, or choose an empty place`,
      });
    }
  }
}

async function putUnlessPresent(store: BlobStore, formatBlob: Uint8Array, signal: AbortSignal): Promise<void> {
  try {
    await store.put(formatBlobId, [formatBlob], { signal, existing: "keep" });
  } catch (error) {
    if (!hasCode(error, "BLOB_EXISTS")) throw error;
    // It may be ours, when the answer to a first attempt was lost.
    if (!equalBytes(await store.get(formatBlobId, { signal }), formatBlob)) throw repositoryExists(store);
  }
}

function repositoryExists(store: BlobStore): FormatError {
  return new FormatError("REPOSITORY_EXISTS", `${store.displayName} holds a repository already`, {
    hint: "choose an empty place, or use the repository that is there",
  });
}

async function readFormatBlob(store: BlobStore, signal: AbortSignal): Promise<Uint8Array> {
  try {
    return await store.get(formatBlobId, { signal });
  } catch (cause) {
    if (!hasCode(cause, "BLOB_NOT_FOUND") && !hasCode(cause, "BLOB_STORE_NOT_FOUND")) throw cause;
    throw new FormatError("REPOSITORY_NOT_FOUND", `there is no repository at ${store.displayName}`, {
      cause,
      hint: "check the location; in an empty place `fsb repo create` makes a new repository",
    });
  }
}

interface OuterFormat {
  readonly uniqueId: Uint8Array;
  readonly keyAlgorithm: string;
  readonly sealedFormat: Uint8Array;
}

function parseOuter(formatBlob: Uint8Array): OuterFormat {
  const json = parseObject(formatBlob, "kopia.repository");
  const encryption = textField(json, "encryption");
  if (encryption !== "AES256_GCM") throw unsupported("format encryption", encryption);
  return {
    uniqueId: bytesField(json, "uniqueID"),
    keyAlgorithm: textField(json, "keyAlgo"),
    sealedFormat: bytesField(json, "encryptedBlockFormat"),
  };
}

async function openWithKey(
  store: BlobStore,
  formatBlob: Uint8Array,
  outer: OuterFormat,
  formatKey: Uint8Array,
  blobConfig: Uint8Array | undefined,
  options: OpenFormatOptions,
): Promise<RepositoryFormat> {
  const plain = openSecrets(formatKey, outer.uniqueId, outer.sealedFormat);
  if (plain === undefined) {
    throw new FormatError(
      "REPOSITORY_PASSWORD_WRONG",
      `the password does not open the repository at ${store.displayName}`,
      {
        hint: "check FSB_PASSWORD or --password-file; under Velero, Secret velero-repo-credentials",
      },
    );
  }
  const wrapper = parseObject(plain, "the format in kopia.repository");
  const json = asObject(wrapper.format, "the format in kopia.repository");
  assertFeaturesUnderstood(json.requiredFeatures, options.warn);
  assertNotUpgrading(json.upgradeLock as UpgradeLock | undefined, options.nowMs);
  const retentionMode = retentionModeOf(blobConfig, outer.uniqueId, formatKey);
  return { ...parseInner(json, outer.uniqueId, formatBlob), ...(retentionMode !== "" && { retentionMode }) };
}

function parseInner(json: JsonObject, uniqueId: Uint8Array, formatBlob: Uint8Array): RepositoryFormat {
  const version = numberField(json, "version", 0);
  if (version !== 1 && version !== 2 && version !== 3) throw unsupported("format version", String(version));
  const indexVersion = numberField(json, "indexVersion", 1) || 1;
  if (indexVersion !== 1 && indexVersion !== 2) throw unsupported("index version", String(indexVersion));
  const hash = named("hash", textField(json, "hash", "BLAKE2B-256-128"), parseHash);
  const encryption = named("encryption", textField(json, "encryption", "AES256-GCM-HMAC-SHA256"), parseEncryption);
  const splitter = named("splitter", textField(json, "splitter", "FIXED"), parseSplitter);
  const parityPercent = parseParityPercent(json, indexVersion);
  const packBytesMax = numberField(json, "maxPackSize", 0) || packBytesDefault;
  if (packBytesMax < 10 << 20 || packBytesMax > 120 << 20) {
    throw new FormatError("REPOSITORY_FORMAT_INVALID", `a maximum pack size of ${packBytesMax} bytes is out of range`);
  }
  const hashSecret = json.secret === undefined ? new Uint8Array(0) : bytesField(json, "secret");
  if (!takesKey(hash, hashSecret.byteLength)) throw invalid("secret", `is no key of ${hash}`);
  return {
    uniqueId,
    version,
    hash,
    encryption,
    splitter,
    ...(parityPercent > 0 && { parityPercent }),
    hashSecret,
    masterKey: bytesField(json, "masterKey"),
    packBytesMax,
    indexVersion,
    epochs: parseEpochParameters(json.epochParameters),
    enablePasswordChange: json.enablePasswordChange === true,
    formatBlob,
  };
}

/** `name` as `parse` knows it. REPOSITORY_UNSUPPORTED. */
function named<Name>(what: string, name: string, parse: (name: string) => Name | undefined): Name {
  const known = parse(name);
  if (known === undefined) throw unsupported(what, name);
  return known;
}

/** 0 for none. Index version 1 has no room for the length that parity adds. */
function parseParityPercent(json: JsonObject, indexVersion: number): number {
  const name = textField(json, "ecc", "");
  const percent = numberField(json, "eccOverheadPercent", 0);
  if (name === "" || percent === 0) return 0;
  if (name !== "REED-SOLOMON-CRC32") throw unsupported("error correction", name);
  if (!Number.isInteger(percent) || percent < 1 || percent > 100) {
    throw invalid("eccOverheadPercent", "is not a whole number from 1 to 100");
  }
  if (indexVersion === 1) throw invalid("ecc", "does not go with index version 1");
  return percent;
}

function parseEpochParameters(value: unknown): EpochParameters {
  if (value === undefined) return { enabled: false, refreshFrequencyMs: 0 };
  const json = asObject(value, "epochParameters");
  const enabled = json.Enabled === true;
  const refreshFrequencyMs = numberField(json, "EpochRefreshFrequency", 0) / nsPerMs;
  if (enabled && !(refreshFrequencyMs >= 1)) throw invalid("EpochRefreshFrequency", "is not a positive duration");
  const advance = {
    minDurationMs: numberField(json, "MinEpochDuration", 0) / nsPerMs,
    blobCount: numberField(json, "EpochAdvanceOnCountThreshold", 0),
    bytes: numberField(json, "EpochAdvanceOnTotalSizeBytesThreshold", 0),
  };
  return { enabled, refreshFrequencyMs, advance };
}

/** For a repository whose blobs are to be locked: they would not be by this program. Reading it is another matter. */
export function assertNoRetention({ retentionMode }: RepositoryFormat): void {
  if (retentionMode !== undefined) throw unsupported("object lock retention", retentionMode);
}

/** Undefined for none, as in repositories of old. */
async function readBlobConfig(store: BlobStore, signal: AbortSignal): Promise<Uint8Array | undefined> {
  try {
    return await store.get(blobConfigBlobId, { signal });
  } catch (cause) {
    if (hasCode(cause, "BLOB_NOT_FOUND")) return undefined;
    throw cause;
  }
}

/** Empty for none. What it says about the key counts too: a password change rewrites it first, so it may be ahead. */
function retentionModeOf(sealed: Uint8Array | undefined, uniqueId: Uint8Array, formatKey: Uint8Array): string {
  if (sealed === undefined) return "";
  const plain = openSecrets(formatKey, uniqueId, sealed);
  if (plain === undefined) {
    throw new FormatError("REPOSITORY_FORMAT_INVALID", "blob kopia.blobcfg does not open with the repository's key", {
      hint: "if the password is being changed right now, try again in a minute",
    });
  }
  return textField(parseObject(plain, "kopia.blobcfg"), "retentionMode", "");
}

type JsonObject = Readonly<Record<string, unknown>>;

function parseObject(bytes: Uint8Array, what: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch (cause) {
    throw new FormatError("REPOSITORY_FORMAT_INVALID", `${what} is not JSON`, { cause });
  }
  return asObject(value, what);
}

function asObject(value: unknown, what: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw new FormatError("REPOSITORY_FORMAT_INVALID", `${what} is not a JSON object`);
}

function textField(json: JsonObject, key: string, whenAbsent?: string): string {
  const value = json[key] ?? whenAbsent;
  if (typeof value !== "string") throw invalid(key, "is not a text");
  return value;
}

function numberField(json: JsonObject, key: string, whenAbsent: number): number {
  const value = json[key] ?? whenAbsent;
  if (typeof value !== "number") throw invalid(key, "is not a number");
  return value;
}

function bytesField(json: JsonObject, key: string): Uint8Array {
  const bytes = fromBase64(textField(json, key));
  if (bytes === undefined) throw invalid(key, "is not base64");
  return bytes;
}

function invalid(key: string, problem: string): FormatError {
  return new FormatError("REPOSITORY_FORMAT_INVALID", `${key} in kopia.repository ${problem}`);
}

function unsupported(what: string, name: string): FormatError {
  return new FormatError(
    "REPOSITORY_UNSUPPORTED",
    `the repository's ${what} ${JSON.stringify(name)} is not supported`,
    {
      detail: { what, name },
      hint: "open it with kopia, or with a newer fsb",
    },
  );
}
