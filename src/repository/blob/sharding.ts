/**
 * Sharding: how a filesystem repository cuts long blob ids into folders, and the file `.shards` that records it.
 *
 * Guarantees: a blob's file never lies outside the repository's folder, whatever the id and the sharding say.
 *
 * Source: docs/format/blobs.md; kopia repo/blob/sharded/sharded.go and sharded_parameters.go.
 */

import { fromUtf8Strict } from "../../base/bytes.ts";
import { BlobError, type BlobId } from "./blob-store.ts";

export interface Sharding {
  /** Characters that each folder takes from the front of an id; empty for none. A 0 takes nothing. */
  readonly shards: readonly number[];
  /** Ids of at most this many characters stay in the repository's folder. */
  readonly maxNonShardedLength: number;
  /** The first whose prefix begins the id stands in for `shards`. */
  readonly overrides: readonly { readonly prefix: string; readonly shards: readonly number[] }[];
}

export const shardsFileName = ".shards";

/** `.shards` as kopia writes it has 43 bytes; overrides are a few dozen each. */
export const shardsFileBytesMax = 64 * 1024;

/** What kopia chooses for a repository that it creates. */
export const createdSharding: Sharding = { shards: [1, 3], maxNonShardedLength: 20, overrides: [] };

/** What kopia takes for granted where `.shards` is missing: repositories are older than that file. */
export const legacySharding: Sharding = { shards: [3, 3], maxNonShardedLength: 20, overrides: [] };

export const flatSharding: Sharding = { shards: [], maxNonShardedLength: 20, overrides: [] };

/**
 * The folders that an id's file lies in, outermost first, and what is left of the id for the file's name.
 *
 * The last folder never takes the whole rest. An id for which a folder would be called `.` or `..` is
 * BLOB_ID_INVALID: kopia would follow it out of the repository.
 */
export function shardBlobId(sharding: Sharding, id: BlobId): { readonly folders: readonly string[]; rest: string } {
  const folders: string[] = [];
  let rest: string = id;
  if (id.length > sharding.maxNonShardedLength) {
    const override = sharding.overrides.find(({ prefix }) => id.startsWith(prefix));
    for (const length of override?.shards ?? sharding.shards) {
      if (rest.length <= length) break;
      const folder = rest.slice(0, length);
      rest = rest.slice(length);
      if (folder !== "") folders.push(folder);
    }
  }
  if (folders.includes(".") || folders.includes("..")) {
    throw new BlobError("BLOB_ID_INVALID", `blob ${id} would lie outside the repository's folder`, {
      detail: { blob: id },
    });
  }
  return { folders, rest };
}

/** `{"default":[1,3],"maxNonShardedLength":20}` and a newline, as Go's encoder writes it. */
export function encodeSharding(sharding: Sharding): Uint8Array {
  const json = JSON.stringify({
    default: sharding.shards,
    maxNonShardedLength: sharding.maxNonShardedLength,
    ...(sharding.overrides.length === 0 ? {} : { overrides: sharding.overrides }),
  });
  return Buffer.from(`${json.replaceAll(/[<>&\u2028\u2029]/g, escapeAsGo)}\n`, "utf8");
}

/**
 * The content of `.shards` at a path. BLOB_STORE_INVALID unless we would understand it exactly as kopia does: kopia
 * ignores keys that it does not know, as we do, but takes known ones in any case (`Default`), which we refuse rather
 * than overlook.
 */
export function parseSharding(bytes: Uint8Array, path: string = shardsFileName): Sharding {
  const malformed = (why: string): BlobError =>
    new BlobError("BLOB_STORE_INVALID", `file ${path} is malformed: ${why}`, {
      detail: { path },
      hint: `restore ${path} from a copy of the repository; blobs cannot be found without it`,
    });
  if (bytes.byteLength > shardsFileBytesMax) throw malformed(`it is longer than ${shardsFileBytesMax} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8Strict(bytes) ?? "");
  } catch {
    throw malformed("it is not JSON"); // Without the cause, which would quote the file.
  }
  if (!isObject(value)) throw malformed("it is not a JSON object");
  for (const key of Object.keys(value)) {
    const known = shardsKeys.find((name) => name.toLowerCase() === key.toLowerCase());
    if (known !== undefined && known !== key) throw malformed(`key ${JSON.stringify(key)} should be ${known}`);
  }
  const { default: shards, maxNonShardedLength, overrides } = value;
  if (!isShards(shards)) throw malformed("default is not a list of lengths");
  if (!isLength(maxNonShardedLength)) throw malformed("maxNonShardedLength is not a length");
  if (!isOverrides(overrides ?? [])) throw malformed("overrides is not a list of prefixes with their lengths");
  return {
    shards,
    maxNonShardedLength,
    overrides: ((overrides ?? []) as Sharding["overrides"]).map(({ prefix, shards }) => ({ prefix, shards })),
  };
}

const shardsKeys = ["default", "maxNonShardedLength", "overrides"];

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isLength(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0);
}

function isShards(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every(isLength);
}

function isOverrides(value: unknown): value is Sharding["overrides"] {
  return (
    Array.isArray(value) &&
    value.every((item: unknown) => isObject(item) && typeof item.prefix === "string" && isShards(item.shards))
  );
}

function escapeAsGo(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
