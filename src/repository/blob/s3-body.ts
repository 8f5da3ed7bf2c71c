/** The bytes of objects on their way: out in slices, in up to the length that was announced, never more. */

import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { concatBytes } from "../../base/bytes.ts";
import type { Pace } from "../../base/pace.ts";
import { BlobError, type BlobId, type ByteRange, rangeWithin } from "./blob-store.ts";
import type { RequestWatch } from "./request-watch.ts";

/** Bytes that go to a connection at once. Smaller parts are gathered, for each costs a system call. */
const sliceBytes = 256 * 1024;

export interface BodyDigest {
  readonly length: number;
  /** Base64, for `Content-MD5`. */
  readonly md5: string;
  /** Hex, for `x-amz-content-sha256`. */
  readonly sha256: string;
}

/** Of the parts, one after the other. 20 MiB take about 50 ms. */
export function digestParts(parts: readonly Uint8Array[]): BodyDigest {
  const md5 = createHash("md5");
  const sha256 = createHash("sha256");
  let length = 0;
  for (const part of parts) {
    md5.update(part);
    sha256.update(part);
    length += part.byteLength;
  }
  return { length, md5: md5.digest("base64"), sha256: sha256.digest("hex") };
}

/**
 * The parts as a connection takes them. Large ones are not copied, but for the last slice: a connection is given a slice
 * when it has sent those before, and who has given it the last need not ask whether it has sent that.
 */
export function* slicesOf(
  parts: readonly Uint8Array[],
  watch: RequestWatch,
  bytesMax = sliceBytes,
): Generator<Uint8Array> {
  let gathered: Uint8Array[] = [];
  let length = 0;
  const take = (isLast = false): Uint8Array => {
    const slice = isLast ? Buffer.concat(gathered) : concatBytes(gathered);
    gathered = [];
    length = 0;
    watch.progressed();
    return slice;
  };
  for (const part of parts) {
    for (let at = 0; at < part.byteLength; at += bytesMax) {
      const piece = part.subarray(at, at + bytesMax);
      if (length > 0 && length + piece.byteLength > bytesMax) yield take();
      gathered.push(piece);
      length += piece.byteLength;
    }
  }
  if (length > 0) yield take(true);
}

/** As `slicesOf`, each when it is time for it. */
export async function* pacedSlicesOf(
  parts: readonly Uint8Array[],
  watch: RequestWatch,
  pace: Pace,
): AsyncGenerator<Uint8Array> {
  for (const slice of slicesOf(parts, watch, Math.min(sliceBytes, pace.stepBytes))) {
    await watch.untimed(pace.admit(slice.byteLength, watch.signal));
    yield slice;
  }
}

/** What an answer to GET tells of what it holds. */
export interface ObjectAnswer {
  readonly ContentLength?: number | undefined;
  readonly ContentRange?: string | undefined;
}

/**
 * The length of what is about to come, if it is what was asked for. Errors: BLOB_RANGE_INVALID; BLOB_STORE_INVALID for an
 * answer that tells no length, or is of another range.
 */
export function answeredLength(id: BlobId, range: ByteRange | undefined, answer: ObjectAnswer): number {
  const { ContentLength: length, ContentRange: told } = answer;
  if (length === undefined) throw unusable(id, "does not tell its length");
  if (range === undefined) return rangeWithin(id, length, undefined).length;
  if (told === undefined) {
    // All of the blob, which is right only where all of it was asked for.
    rangeWithin(id, length, range);
    if (range.offset === 0 && range.length === length) return length;
    throw unusable(id, "is of the whole blob, though a range was asked for");
  }
  const [, first, last, total] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(told) ?? [];
  if (total !== undefined && total !== "*") rangeWithin(id, Number(total), range);
  if (Number(first) === range.offset && Number(last) - Number(first) + 1 === range.length && length === range.length) {
    return length;
  }
  throw unusable(id, "is of another range than was asked for");
}

/**
 * The memory is asked for by a length that was checked, and is not touched before bytes arrive for it. BLOB_STORE_UNAVAILABLE
 * when there are fewer; the errors of the stream when it breaks.
 */
export async function readBody(
  body: Readable | undefined,
  length: number,
  watch: RequestWatch,
  pace: Pace | undefined,
): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(length);
  let done = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    watch.progressed();
    if (chunk.byteLength > length - done) throw cut("more", length);
    if (pace !== undefined) await watch.untimed(pace.admit(chunk.byteLength, watch.signal));
    bytes.set(chunk, done);
    done += chunk.byteLength;
  }
  if (done < length) throw cut("fewer", length);
  return bytes;
}

function unusable(id: BlobId, what: string): BlobError {
  return new BlobError("BLOB_STORE_INVALID", `the server's answer for blob ${id} ${what}`, {
    detail: { blob: id },
    hint: "what answers there is no S3 server, or a proxy before it changes answers",
  });
}

function cut(howMany: string, length: number): BlobError {
  return new BlobError("BLOB_STORE_UNAVAILABLE", `the server sent ${howMany} than the ${length} bytes it announced`);
}
