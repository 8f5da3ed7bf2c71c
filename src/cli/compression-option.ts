/** `--compression`, of the commands that store. Names no code of the engine, which the agent's main thread does without. */

import { Option } from "commander";
import type { CompressionName } from "../repository/format/compressions.ts";

const names: Readonly<Record<CompressionName, true>> = {
  "zstd-fastest": true,
  zstd: true,
  "zstd-better-compression": true,
  "zstd-best-compression": true,
  "s2-default": true,
  "s2-better": true,
  "s2-parallel-4": true,
  "s2-parallel-8": true,
  gzip: true,
  "gzip-best-speed": true,
  "gzip-best-compression": true,
  pgzip: true,
  "pgzip-best-speed": true,
  "pgzip-best-compression": true,
  "deflate-default": true,
  "deflate-best-speed": true,
  "deflate-best-compression": true,
};

export type CompressionChoice = CompressionName | "none";

export function compressionOption(): Option {
  return new Option("--compression <name>", "of new data, where that makes it smaller, such as zstd-fastest")
    .choices(["none", ...Object.keys(names)])
    .default("none" satisfies CompressionChoice);
}

/** As options of the engine and the agent have it: not there for none. */
export function compressionOf(choice: CompressionChoice): { readonly compression?: CompressionName } {
  return choice === "none" ? {} : { compression: choice };
}
