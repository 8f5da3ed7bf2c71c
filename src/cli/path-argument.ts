/** Paths on the command line. */

import { CliError } from "./cli-error.ts";

/**
 * Node gives arguments as text and puts U+FFFD for bytes that are not UTF-8: such a path leads elsewhere than it was
 * written, or nowhere. Errors: CLI_USAGE.
 */
export function requireUtf8(path: string, hint: string): string {
  if (!path.includes("\uFFFD")) return path;
  throw new CliError("CLI_USAGE", `path ${JSON.stringify(path)} is not UTF-8`, { hint });
}

export const cdThere = "cd there and give a relative path";
