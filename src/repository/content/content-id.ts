/**
 * Content ids: an optional prefix letter, then the hash in hex. The binary form (prefix byte or 0, then the hash) is the
 * key in every index, and its byte order is the order of contents.
 *
 * Source: docs/format/contents.md; kopia repo/content/index/id.go.
 */

import { fromHex, toHex } from "../../base/bytes.ts";
import { ContentError } from "./content-error.ts";

export type ContentId = string & { readonly __brand: "ContentId" };

const hashBytesMax = 32;

export function parseContentId(text: string): ContentId {
  const hash = hashText(text);
  const prefix = text.slice(0, text.length - hash.length);
  const bytes = fromHex(hash);
  if (bytes === undefined || bytes.byteLength === 0 || bytes.byteLength > hashBytesMax || !/^[g-z]?$/.test(prefix)) {
    throw new ContentError("CONTENT_ID_INVALID", `${JSON.stringify(text.slice(0, 80))} is not a content id`);
  }
  return `${prefix}${hash.toLowerCase()}` as ContentId;
}

export function contentIdOf(prefix: string, hash: Uint8Array): ContentId {
  return `${prefix}${toHex(hash)}` as ContentId;
}

export function keyOf(id: ContentId): Uint8Array {
  const hash = hashText(id);
  const key = Buffer.alloc(1 + hash.length / 2);
  if (hash.length < id.length) key[0] = id.charCodeAt(0);
  key.write(hash, 1, "hex");
  return key;
}

export function contentIdOfKey(key: Uint8Array): ContentId {
  const prefix = key[0] === 0 ? "" : String.fromCharCode(key[0] as number);
  return contentIdOf(prefix, key.subarray(1));
}

/** The text has odd length exactly when it has a prefix. */
function hashText(text: string): string {
  return text.slice(text.length % 2);
}
