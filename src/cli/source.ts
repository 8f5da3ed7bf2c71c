/** The source of a snapshot on the command line: `user@host:path`. */

import type { SnapshotSource } from "../snapshot/snapshot-manifest.ts";
import { CliError } from "./cli-error.ts";

/** Errors: CLI_USAGE. */
export function parseSource(text: string): SnapshotSource {
  const match = /^([^@:]+)@([^@:]+):(.+)$/s.exec(text);
  if (match === null) {
    throw new CliError("CLI_USAGE", `${JSON.stringify(text)} is not a source`, { hint: "write it as user@host:path" });
  }
  return { userName: match[1] as string, host: match[2] as string, path: match[3] as string };
}

export function formatSource({ userName, host, path }: SnapshotSource): string {
  return `${userName}@${host}:${path}`;
}
