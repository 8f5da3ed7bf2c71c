/** `fsb snapshot export`. */

import { open, rm } from "node:fs/promises";
import type { Command } from "commander";
import { errnoOf } from "../base/errors.ts";
import { type ExportCounts, tarOf } from "../inspect/tar-export.ts";
import { CliError } from "./cli-error.ts";
import type { Invocation } from "./invocation.ts";
import { cdThere, requireUtf8 } from "./path-argument.ts";
import { type Action, addSnapshotAction, type SnapshotOptions } from "./snapshot-command.ts";
import { findEntry, snapshotArgument } from "./snapshot-selection.ts";
import { formatBytes } from "./terminal.ts";

interface ExportCommandOptions extends SnapshotOptions {
  readonly to?: string;
}

export function addExportCommand(snapshot: Command, invocation: Invocation): void {
  const command = snapshot
    .command("export")
    .description("a snapshot, or what lies at a path in it, as a tar archive")
    .argument("[snapshot[:path]]", snapshotArgument, "latest")
    .option("--to <file>", "a new file, instead of standard output");
  addSnapshotAction(command, invocation, exportTar);
}

const exportTar: Action<ExportCommandOptions> = async (context, selector = "latest") => {
  const { repository, options, output, signal, invocation } = context;
  const { to } = options;
  if (to === undefined && "isTTY" in invocation.terminal.stdout && invocation.terminal.stdout.isTTY === true) {
    throw new CliError("CLI_USAGE", "an archive is not written to a terminal", {
      hint: "give --to FILE, or send it on: fsb snapshot export | tar -x",
    });
  }
  if (to !== undefined) requireUtf8(to, cdThere);
  const { snapshot, entry } = await findEntry(context, selector);
  let counts: ExportCounts = { files: 0, folders: 0, symlinks: 0, bytes: 0 };
  const pieces = tarOf(repository, entry, {
    signal,
    onEntry: (told) => {
      counts = told;
      output.progress(() => `${told.files} files, ${formatBytes(told.bytes)}`);
    },
  });
  if (to === undefined) {
    for await (const piece of pieces) if (!(await output.bytes(piece))) return;
    return;
  }
  await writeNewFile(to, pieces);
  await output.result(
    { snapshotId: snapshot.id, file: to, ...counts },
    () =>
      `exported ${counts.files} files, ${counts.folders} folders, ${counts.symlinks} links, ` +
      `${formatBytes(counts.bytes)} of snapshot ${snapshot.id} to ${to}`,
  );
};

/** All of it, or no file. Errors: CLI_OUTPUT_FAILED. */
async function writeNewFile(path: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await attempt(path, () => open(path, "wx", 0o600));
  try {
    for await (const piece of pieces) await attempt(path, () => file.writeFile(piece));
    await attempt(path, () => file.sync());
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

async function attempt<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === undefined) throw cause;
    throw new CliError("CLI_OUTPUT_FAILED", `could not write ${path}: ${errno}`, {
      cause,
      hint:
        errno === "EEXIST" ? "a file that is there is left alone: give another name" : "make room, or write elsewhere",
    });
  }
}
