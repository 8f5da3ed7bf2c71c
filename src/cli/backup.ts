/** `fsb backup PATH`. */

import { realpath } from "node:fs/promises";
import { hostname, userInfo } from "node:os";
import { type Command, Option } from "commander";
import { backUp } from "../backup/backup.ts";
import { describeFailures } from "../backup/file-report.ts";
import { systemClock } from "../base/clock.ts";
import { openRepository, type Repository } from "../repository/repository.ts";
import { parseSnapshotSelector, type SnapshotSelector, selectParent, selectSnapshot } from "../snapshot/selector.ts";
import { quoted, SnapshotError } from "../snapshot/snapshot-error.ts";
import type { SnapshotManifest, SnapshotSource } from "../snapshot/snapshot-manifest.ts";
import { listSnapshots } from "../snapshot/snapshots.ts";
import { VolumeError } from "../volume/volume-error.ts";
import { CliError } from "./cli-error.ts";
import { type CompressionChoice, compressionOf, compressionOption } from "./compression-option.ts";
import { addEngineOptions, type EngineOptions } from "./engine-options.ts";
import { exitCodes } from "./exit-code.ts";
import {
  addRepositoryOptions,
  type CommonOptions,
  engineResources,
  type Invocation,
  outputOf,
  repositoryOptions,
} from "./invocation.ts";
import { cdThere, requireUtf8 } from "./path-argument.ts";
import { profiled, profileOption } from "./profile.ts";
import { formatSource, parseSource } from "./source.ts";
import { formatBytes, type Output } from "./terminal.ts";

interface BackupCommandOptions extends CommonOptions, EngineOptions {
  readonly profile?: string;
  readonly source?: string;
  readonly tag: readonly string[];
  readonly parent: string;
  readonly onFileError: "fail" | "continue";
  readonly compression: CompressionChoice;
}

export function addBackupCommand(program: Command, invocation: Invocation): void {
  const command = program
    .command("backup")
    .description("store a folder as a snapshot")
    .argument("<path>", "the folder");
  addRepositoryOptions(command)
    .addOption(new Option("--source <user@host:path>", "whose snapshot it is (default: you, this host, the folder)"))
    .addOption(new Option("--tag <key:value>", "a tag; may be given several times").default([]).argParser(append))
    .addOption(
      new Option("--parent <auto|none|snapshot>", "the snapshot whose unchanged files need not be read").default(
        "auto",
      ),
    )
    .addOption(
      new Option("--on-file-error <fail|continue>", "what to do about a file that cannot be read")
        .choices(["fail", "continue"])
        .default("fail"),
    )
    .addOption(compressionOption())
    .addOption(profileOption);
  addEngineOptions(command);
  command.action((path: string, options: BackupCommandOptions) => backup(invocation, path, options));
}

async function backup(invocation: Invocation, path: string, options: BackupCommandOptions): Promise<void> {
  const { signal } = invocation;
  const output = outputOf(invocation, options);
  requireUtf8(path, cdThere);
  const folder = await resolveFolder(path);
  const source = options.source === undefined ? ownSource(folder) : parseSource(options.source);
  const tags = parseTags(options.tag);
  const identity = { userName: source.userName, hostName: source.host };
  const resources = await engineResources(invocation, options);
  const more = { identity, resources, ...compressionOf(options.compression) };
  await using repository = await openRepository(await repositoryOptions(invocation, options, "open", more));
  const parent = await findParent(repository, options.parent, source, output, signal);
  const profile = { resources, output, file: options.profile };
  const result = await profiled(invocation, profile, () =>
    backUp({
      repository,
      path: folder.includes("\uFFFD") ? path : folder, // Where it is not UTF-8, only a relative path leads there.
      source,
      description: "",
      tags,
      pins: [],
      parent,
      onFileError: options.onFileError,
      clock: systemClock,
      signal,
      onProgress: ({ bytesDone, bytesTotal, filesDone }) =>
        output.progress(() => `${filesDone} files, ${formatBytes(bytesDone)} of about ${formatBytes(bytesTotal)}`),
      assertVolumeInUse: async () => undefined, // Nobody but the person at the terminal knows.
      warn: (message) => output.note(message),
    }),
  );
  const { snapshot, readBytes, uploadedBytes, failures, changed, vanished, skipped } = result;
  const { files = 0, symlinks = 0, dirs: directories = 0, size: bytes = 0 } = snapshot.rootEntry.summary ?? {};
  if (failures.count > 0) output.note(`not in the snapshot: ${describeFailures(failures)}`);
  if (changed.count > 0) output.note(`changed while they were read: ${list(changed.named)}`);
  if (vanished.count > 0) output.note(`vanished while the backup ran: ${list(vanished.named)}`);
  const value = {
    snapshotId: snapshot.id,
    rootObjectId: snapshot.rootEntry.objectId,
    source: formatSource(source),
    files,
    directories,
    symlinks,
    bytes,
    readBytes,
    uploadedBytes,
    fileErrors: failures.count,
    filesChanged: changed.count,
    filesVanished: vanished.count,
    specialFilesSkipped: skipped.count,
    errors: failures.named,
  };
  await output.result(
    value,
    () =>
      `snapshot ${snapshot.id}: ${files} files, ${directories} folders, ${formatBytes(bytes)}; ` +
      `read ${formatBytes(readBytes)}, stored ${formatBytes(uploadedBytes)} new` +
      (skipped.count > 0 ? `; skipped ${skipped.count} sockets, pipes or devices` : ""),
  );
  if (failures.count > 0) invocation.exitCode = exitCodes.incomplete;
}

async function findParent(
  repository: Repository,
  wanted: string,
  source: SnapshotSource,
  output: Output,
  signal: AbortSignal,
): Promise<SnapshotManifest | undefined> {
  if (wanted === "none") return undefined;
  const manifests = await repository.loadManifests(signal);
  const snapshots = listSnapshots(manifests, (message) => output.note(message));
  return wanted === "auto" ? selectParent(snapshots, source, {}) : selectSnapshot(parseParent(wanted), snapshots);
}

function parseParent(text: string): SnapshotSelector["snapshot"] {
  const { snapshot, path } = parseSnapshotSelector(text, systemClock.nowNs());
  if (path.length === 0) return snapshot;
  throw new SnapshotError("SNAPSHOT_SELECTOR_INVALID", `${quoted(text)} is no parent: it has a path`, {
    hint: "give a snapshot without a path; entries are compared with those of the same path in it",
  });
}

async function resolveFolder(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    throw new VolumeError("VOLUME_NOT_FOUND", `there is no folder at ${path}`, { cause, detail: { path } });
  }
}

/** As kopia names its client: the host up to its first dot, in lower case. */
function ownSource(path: string): SnapshotSource {
  const host = (hostname().split(".")[0] ?? "").toLowerCase();
  return { userName: ownUserName(), host, path };
}

/** The number of a user that the system has no name for, as in a container. */
function ownUserName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 0); // That there is none is the only reason.
  }
}

/** kopia keeps tags of people under keys that begin with `tag:`. */
function parseTags(texts: readonly string[]): Readonly<Record<string, string>> {
  const tags = new Map<string, string>();
  for (const text of texts) {
    const colon = text.indexOf(":");
    if (colon <= 0) {
      throw new CliError("CLI_USAGE", `${JSON.stringify(text)} is not a tag`, { hint: "write it as key:value" });
    }
    const key = `tag:${text.slice(0, colon)}`;
    if (tags.has(key)) {
      throw new CliError("CLI_USAGE", `${JSON.stringify(text)} is the second tag of its key`, {
        hint: "give each key once: a snapshot has one value for it",
      });
    }
    tags.set(key, text.slice(colon + 1));
  }
  return Object.fromEntries(tags);
}

function append(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function list(names: readonly string[]): string {
  return names.length <= 10
    ? names.join(", ")
    : `${names.slice(0, 10).join(", ")} and ${names.length - 10} or more others`;
}
