/** `fsb snapshot list|show|ls|cat|verify`. */

import type { Command } from "commander";
import { CodedError, explainInOneLine } from "../base/errors.ts";
import { formatGoTime } from "../base/go-time.ts";
import { parseObjectId } from "../repository/object/object-id.ts";
import type { Repository } from "../repository/repository.ts";
import type { DirectoryEntry } from "../snapshot/directory-entry.ts";
import { SnapshotError } from "../snapshot/snapshot-error.ts";
import type { SnapshotManifest } from "../snapshot/snapshot-manifest.ts";
import { listSnapshots, readFolder } from "../snapshot/snapshots.ts";
import { SnapshotVerifier } from "../snapshot/verify.ts";
import { formatSource } from "./backup.ts";
import { CliError } from "./cli-error.ts";
import { addRepositoryOptions, type CommonOptions, type Invocation, openForReading, outputOf } from "./invocation.ts";
import { findEntry } from "./snapshot-selection.ts";
import { formatBytes, type Output } from "./terminal.ts";

/** As `ls -l` has them. */
const kindLetters: Readonly<Record<DirectoryEntry["kind"], string>> = {
  folder: "d",
  file: "-",
  symlink: "l",
  error: "?",
};

/** What a command does with an open repository and the snapshot that was named, or "latest". */
type Action = (context: {
  readonly repository: Repository;
  readonly output: Output;
  readonly signal: AbortSignal;
  readonly selector: string;
}) => Promise<void>;

export function addSnapshotCommands(program: Command, invocation: Invocation): void {
  const snapshot = program.command("snapshot").description("look at what was backed up");
  const add = (name: string, description: string, argument: string | undefined, action: Action): void => {
    const command = snapshot.command(name).description(description);
    if (argument !== undefined) command.argument(argument, "an id, a beginning of one, latest or latest~N", "latest");
    addRepositoryOptions(command).action(async (...args: unknown[]) => {
      const [selector, options] = argument === undefined ? ["latest", args[0]] : [args[0], args[1]];
      const common = options as CommonOptions;
      await using repository = await openForReading(invocation, common);
      const output = outputOf(invocation, common);
      await action({ repository, output, signal: invocation.signal, selector: selector as string });
    });
  };
  add("list", "all snapshots, oldest first", undefined, list);
  add("show", "one snapshot in full", "[snapshot]", show);
  add("ls", "what is in a folder of a snapshot", "[snapshot[:path]]", ls);
  add("cat", "the bytes of a file in a snapshot", "[snapshot:path]", cat);
  add("verify", "read all that a snapshot is made of, and check it", "[snapshot[:path]]", verify);
}

const list: Action = async ({ repository, output, signal }) => {
  const snapshots = listSnapshots(await repository.loadManifests(signal), (message) => output.note(message));
  for (const snapshot of snapshots) {
    const { files = 0, size = 0 } = snapshot.rootEntry.summary ?? {};
    const incomplete = snapshot.incomplete ? `  incomplete: ${snapshot.incomplete}` : "";
    await output.result(
      describe(snapshot),
      () =>
        `${snapshot.id}  ${secondsOf(snapshot.startTimeNs)}  ${formatBytes(size).padStart(10)}  ` +
        `${String(files).padStart(8)} files  ${formatSource(snapshot.source)}${incomplete}`,
    );
  }
};

const show: Action = async ({ repository, output, signal, selector }) => {
  const { snapshot } = await findEntry(repository, selector, output, signal);
  const value = describe(snapshot);
  await output.result(value, () =>
    JSON.stringify(value, (_key, field: unknown) => (typeof field === "bigint" ? field.toString() : field), 2).split(
      "\n",
    ),
  );
};

const ls: Action = async ({ repository, output, signal, selector }) => {
  const { entry } = await findEntry(repository, selector, output, signal);
  const entries = entry.kind === "folder" ? (await readFolder(repository, entry.objectId, signal)).entries : [entry];
  for (const child of entries) {
    const bytes = child.summary?.size ?? child.size;
    await output.result(
      describeEntry(child),
      () =>
        `${kindLetters[child.kind]} ${modeText(child.mode)} ${`${child.uid}:${child.gid}`.padStart(11)} ${String(bytes).padStart(12)} ` +
        `${secondsOf(child.mtimeNs)}  ${child.name}${child.kind === "folder" ? "/" : ""}`,
    );
  }
};

const cat: Action = async ({ repository, output, signal, selector }) => {
  const { entry } = await findEntry(repository, selector, output, signal);
  if (entry.kind !== "file") {
    throw new SnapshotError("SNAPSHOT_PATH_NOT_FOUND", `${selector} is a ${entry.kind}, not a file`, {
      hint: "name a file: `fsb snapshot cat latest:path/of/file`",
    });
  }
  for await (const piece of repository.objects.read(parseObjectId(entry.objectId), signal)) {
    if (!(await output.bytes(piece))) return;
  }
};

const verify: Action = async ({ repository, output, signal, selector }) => {
  const { snapshot, entry } = await findEntry(repository, selector, output, signal);
  const problems: string[] = [];
  const verifier = new SnapshotVerifier(repository, signal, {
    onProblem: (path, error) => {
      problems.push(path);
      output.note(
        `${path === "" ? "." : path}: ${error instanceof CodedError ? explainInOneLine(error) : String(error)}`,
      );
    },
    onProgress: ({ files, bytes }) => output.progress(() => `verified ${files} files, ${formatBytes(bytes)}`),
  });
  const { files, folders, bytes } = await verifier.verify(entry);
  await output.result(
    { snapshotId: snapshot.id, files, folders, bytes, damaged: problems.length },
    () =>
      `snapshot ${snapshot.id}: read ${files} files, ${folders} folders, ${formatBytes(bytes)}; ${problems.length} damaged`,
  );
  if (problems.length > 0) {
    throw new CliError(
      "CLI_VERIFY_FAILED",
      `snapshot ${snapshot.id} has ${problems.length} damaged entries, named above`,
    );
  }
};

function describe(snapshot: SnapshotManifest): Readonly<Record<string, unknown>> {
  const {
    id,
    source,
    description,
    startTimeNs,
    endTimeNs,
    stats,
    incomplete,
    rootEntry,
    tags = {},
    pins = [],
  } = snapshot;
  return {
    snapshotId: id,
    source: formatSource(source),
    description,
    startTime: formatGoTime(startTimeNs),
    endTime: formatGoTime(endTimeNs),
    incomplete: incomplete ?? "",
    rootObjectId: rootEntry.objectId,
    tags,
    pins,
    summary: summaryOf(rootEntry),
    stats,
  };
}

function describeEntry(entry: DirectoryEntry): Readonly<Record<string, unknown>> {
  const { name, nameBytes, kind, mode, size, mtimeNs, uid, gid, objectId } = entry;
  const isText = Buffer.from(nameBytes).equals(Buffer.from(name, "utf8"));
  return {
    name,
    ...(isText ? {} : { nameBase64: Buffer.from(nameBytes).toString("base64") }),
    type: kind,
    mode: modeText(mode),
    size: entry.summary?.size ?? size,
    mtime: formatGoTime(mtimeNs),
    uid,
    gid,
    objectId,
    ...(entry.summary === undefined ? {} : { summary: summaryOf(entry) }),
  };
}

function summaryOf({ summary }: DirectoryEntry): Readonly<Record<string, unknown>> | undefined {
  if (summary === undefined) return undefined;
  const { maxTimeNs, ...numbers } = summary;
  return { ...numbers, maxTime: formatGoTime(maxTimeNs) };
}

function modeText(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

function secondsOf(timeNs: bigint): string {
  return formatGoTime(timeNs).slice(0, 19).concat("Z");
}
