/** Stored bytes for people: JSON as text, and anything else in hex, neither of which steers a terminal. */

import { gunzipSync } from "node:zlib";
import { fromUtf8Strict } from "../base/bytes.ts";
import type { Output } from "./terminal.ts";

/** Of a view; `--raw` has no bound. */
const expandedBytesMax = 64 << 20;
const linesAtOnce = 4096;
const lineBytes = 16;

/** Errors: CLI_OUTPUT_FAILED. */
export async function writeView(output: Output, bytes: Uint8Array): Promise<void> {
  const text = jsonText(expanded(bytes));
  if (text !== undefined) {
    await output.lines(text.trimEnd().split("\n"));
    return;
  }
  for (let start = 0; start < bytes.byteLength; start += linesAtOnce * lineBytes) {
    const lines: string[] = [];
    const end = Math.min(bytes.byteLength, start + linesAtOnce * lineBytes);
    for (let at = start; at < end; at += lineBytes) lines.push(hexLine(bytes.subarray(at, at + lineBytes), at));
    if (!(await output.lines(lines))) return;
  }
}

/** What begins as gzip does: manifests are stored so, and logs. */
function expanded(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: expandedBytesMax });
  } catch {
    return bytes; // It only began so, or is too large to look at.
  }
}

/** Undefined for what does not begin as JSON objects do. */
function jsonText(bytes: Uint8Array): string | undefined {
  return bytes[0] === 0x7b ? fromUtf8Strict(bytes) : undefined;
}

/** `00000010  68 65 …  he…`. */
function hexLine(bytes: Uint8Array, at: number): string {
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const text = [...bytes].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
  return `${at.toString(16).padStart(8, "0")}  ${hex.padEnd(3 * lineBytes - 1)}  ${text}`;
}
