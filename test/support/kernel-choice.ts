import { existsSync } from "node:fs";
import { join } from "node:path";

const isNativeBuilt = existsSync(join(import.meta.dirname, "..", "..", "dist", "native"));

/**
 * For the environment of programs under test. Where there is no Rust and so no native kernel, they would warn of it; they are
 * told to use the reference instead, and tests see only the warnings that they are about.
 */
export const kernelChoice: Readonly<Record<string, string>> =
  isNativeBuilt || process.env.FSB_KERNEL !== undefined ? {} : { FSB_KERNEL: "typescript" };
