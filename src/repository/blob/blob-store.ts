/**
 * The lowest layer: a flat namespace of named, immutable byte strings.
 *
 * Source: docs/format/blobs.md; kopia repo/blob/storage.go.
 */

import { CodedError } from "../../base/errors.ts";
import type { Pace } from "../../base/pace.ts";

export type BlobId = string & { readonly __brand: "BlobId" };

export interface BlobMetadata {
  readonly id: BlobId;
  /** Bytes. */
  readonly length: number;
  /** The store's own clock, in milliseconds since the Unix epoch; may be coarse (whole seconds on S3). */
  readonly modifiedMs: number;
}

export interface PutOptions {
  readonly signal: AbortSignal;
  /** "keep": a blob of this id that is there stays, and BLOB_EXISTS is thrown. Of several at once, one wins. */
  readonly existing?: "keep";
  /** Asked before each piece of at most its `stepBytes` goes out. */
  readonly pace?: Pace;
}

export interface GetOptions {
  readonly signal: AbortSignal;
  /** All of the blob where it is not given. */
  readonly range?: ByteRange;
  /**
   * Memory for an answer of so many bytes, where the caller has some that it used before. A store that reads straight
   * into memory takes it, once it knows that there is something to read; the answer is it then.
   */
  readonly allocate?: (length: number) => Uint8Array;
  /** Asked for each piece of about its `stepBytes` that comes in, before the next is. */
  readonly pace?: Pace;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * Guarantees: a finished `put` is durable and visible to every later `get`, `metadata` and `list`; no reader ever sees
 * part of a blob; `put` of an existing id replaces it whole; `delete` of a missing blob succeeds; `list` gives every
 * blob whose id starts with the prefix, in no order, and skips what vanishes meanwhile; many callers, in many
 * processes, may use one store at once.
 *
 * Assumptions: a `put` or `delete` that fails may have been done all the same (the answer was lost), but never in part:
 * the old blob or the new one is there, whole. Doing it again is safe.
 *
 * Errors: BlobError. BLOB_STORE_UNAVAILABLE is worth retrying, the others are not. `get` of a missing blob is
 * BLOB_NOT_FOUND. A range that does not lie within the blob is BLOB_RANGE_INVALID; an answer is never shorter than asked
 * for. An abort travels as itself.
 */
export interface BlobStore extends AsyncDisposable {
  /** What a person calls this place: a folder or a URL, without secrets. */
  readonly displayName: string;
  /** The whole blob, or the range. The caller owns the bytes. */
  get(id: BlobId, options: GetOptions): Promise<Uint8Array>;
  /**
   * The blob is the parts, one after the other. The store does not keep or change them, and when it has put the blob
   * nothing reads them any more: their memory may be given back then.
   */
  put(id: BlobId, parts: readonly Uint8Array[], options: PutOptions): Promise<void>;
  delete(id: BlobId, options: { readonly signal: AbortSignal }): Promise<void>;
  list(prefix: string, options: { readonly signal: AbortSignal }): AsyncIterable<BlobMetadata>;
  /** Undefined when there is no such blob. */
  metadata(id: BlobId, options: { readonly signal: AbortSignal }): Promise<BlobMetadata | undefined>;
}

export type BlobErrorCode =
  | "BLOB_EXISTS"
  | "BLOB_ID_INVALID"
  | "BLOB_NOT_FOUND"
  | "BLOB_RANGE_INVALID"
  | "BLOB_STORE_DENIED"
  | "BLOB_STORE_FULL"
  | "BLOB_STORE_INVALID"
  | "BLOB_STORE_MISCONFIGURED"
  | "BLOB_STORE_NOT_FOUND"
  | "BLOB_STORE_UNAVAILABLE";

export class BlobError extends CodedError<BlobErrorCode> {}

/**
 * The most bytes that one `get` gives, so that a hostile blob cannot ask for any amount of memory: 2 GiB - 1. The
 * largest blob kopia writes is an index of 16 million entries, about 0.8 GB; packs are 20 to 120 MB.
 */
export const getBytesMax = 2 ** 31 - 1;

/** What a `get` reads of a blob of this many bytes; BLOB_RANGE_INVALID unless it lies within the blob and the bound. */
export function rangeWithin(id: BlobId, blobLength: number, range: ByteRange | undefined): ByteRange {
  const { offset, length } = range ?? { offset: 0, length: blobLength };
  const isWithin = isCount(offset) && isCount(length) && offset + length <= blobLength;
  if (isWithin && length <= getBytesMax) return { offset, length };
  throw new BlobError("BLOB_RANGE_INVALID", `cannot read ${length} bytes at ${offset} of blob ${id}`, {
    detail: { blob: id, offset, length, blobLength },
    hint: isWithin
      ? `at most ${getBytesMax} bytes are read at once`
      : "the blob is shorter than what refers to it: it was cut off or replaced",
  });
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** For stores whose `put` is to keep what is there. */
export function blobExists(id: BlobId): BlobError {
  return new BlobError("BLOB_EXISTS", `there is a blob ${id} already`, { detail: { blob: id } });
}

/** Ids are printable ASCII without `/`, at most 250 characters, and do not begin with a dot. */
export function isBlobId(text: string): text is BlobId {
  return /^[\x21-\x2d\x30-\x7e][\x21-\x2e\x30-\x7e]{0,249}$/.test(text);
}

export function parseBlobId(text: string): BlobId {
  if (isBlobId(text)) return text;
  throw new BlobError("BLOB_ID_INVALID", `${JSON.stringify(text.slice(0, 80))} is not a blob id`);
}
