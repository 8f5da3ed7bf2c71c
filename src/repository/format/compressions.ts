/** kopia's names for the compressions that are written. Source: docs/format/contents.md; kopia repo/compression. */

import { FormatError } from "./format-error.ts";

export type CompressionName = keyof typeof compressionIds;

const compressionIds = {
  gzip: 0x1000,
  "gzip-best-speed": 0x1001,
  "gzip-best-compression": 0x1002,
  zstd: 0x1100,
  "zstd-fastest": 0x1101,
  "zstd-better-compression": 0x1102,
  "zstd-best-compression": 0x1103,
  "s2-default": 0x1200,
  "s2-better": 0x1201,
  "s2-parallel-4": 0x1202,
  "s2-parallel-8": 0x1203,
  pgzip: 0x1300,
  "pgzip-best-speed": 0x1301,
  "pgzip-best-compression": 0x1302,
  "deflate-default": 0x1500,
  "deflate-best-speed": 0x1501,
  "deflate-best-compression": 0x1502,
} as const;

export const compressionNames = Object.keys(compressionIds) as readonly CompressionName[];

/** Those that are read only, and "none"; for an id that nobody knows, the id. */
export function compressionNameOf(id: number): string {
  if (id === 0) return "none";
  const known = compressionNames.find((name) => compressionIds[name] === id);
  return known ?? (id >>> 8 === lz4Family ? "lz4" : `0x${id.toString(16)}`);
}

/** kopia gave it up for new data. */
const lz4Family = 0x14;

/** The id in a content's header. Errors: REPOSITORY_UNSUPPORTED. */
export function compressionIdOf(name: string): number {
  if (Object.hasOwn(compressionIds, name)) return compressionIds[name as CompressionName];
  throw new FormatError("REPOSITORY_UNSUPPORTED", `there is no compression ${JSON.stringify(name)}`, {
    detail: { what: "compression", name },
    hint: `choose one of ${compressionNames.join(", ")}`,
  });
}
