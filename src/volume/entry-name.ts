/** Names of entries: one path component, arbitrary bytes but `/` and NUL. Only display gives them an encoding. */

import { fromUtf8, toHex, toUtf8 } from "../base/bytes.ts";
import type { RandomSource } from "../base/random.ts";

/** NAME_MAX of Linux, in bytes. */
const nameBytesMax = 255;

const slash = 0x2f;
const dot = 0x2e;

/** One path component that leads down: not empty, `.` or `..`, without `/` and NUL, at most 255 bytes. */
export function isEntryName(name: Uint8Array): boolean {
  if (name.byteLength === 0 || name.byteLength > nameBytesMax) return false;
  if (name[0] === dot && (name.byteLength === 1 || (name.byteLength === 2 && name[1] === dot))) return false;
  return !name.includes(slash) && !name.includes(0);
}

/** `.fsb-<16 hex digits>.tmp`: what is not finished yet. Unguessable, so that nobody waits there with a link. */
export function temporaryName(random: RandomSource): Uint8Array {
  return toUtf8(`.fsb-${toHex(random(8))}.tmp`);
}

/** Of such names, one character a byte. */
export const temporaryNamePattern = /^\.fsb-[0-9a-f]{16}\.tmp$/;

/** For messages: what is not UTF-8 becomes U+FFFD; what would steer a terminal or break a line is escaped. */
export function displayNameOf(name: Uint8Array): string {
  return fromUtf8(name).replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}

/** A folder nested thousands deep has a path of megabytes; a message keeps its two ends. In UTF-16 units. */
const displayPathMax = 1024;
const displayPathHead = 256;
const displayPathTail = 512;

export function joinDisplayPath(parent: string, name: Uint8Array): string {
  return shorten(parent.endsWith("/") ? `${parent}${displayNameOf(name)}` : `${parent}/${displayNameOf(name)}`);
}

/**
 * For messages, relative to a root whose own path is "". The name may come out of a hostile repository: as much of it is
 * shown as a file system would take.
 */
export function joinRelativePath(parent: string, name: Uint8Array): string {
  const shown = displayNameOf(name.subarray(0, nameBytesMax));
  return shorten(parent === "" ? shown : `${parent}/${shown}`);
}

function shorten(path: string): string {
  if (path.length <= displayPathMax) return path;
  return `${path.slice(0, displayPathHead)}…${path.slice(-displayPathTail)}`;
}
