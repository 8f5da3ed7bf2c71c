/**
 * The real kopia, as a peer for the tests.
 *
 * Each instance has a config file, a cache and a log folder of its own: kopia caches a repository's format blob, and
 * with the cache of another repository it fails to decrypt.
 */

import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type BuiltPeer, buildPeer } from "./peers.ts";
import { describeRun, type ProgramResult, runProgram } from "./program.ts";
import { lacking } from "./required.ts";

/** Velero's default, and that of all golden repositories. */
export const repositoryPassword = "static-passw0rd";

/** What `snapshot list` tells with `--json`; only what tests look at. */
export interface KopiaSnapshot {
  readonly id: string;
  readonly source: { readonly host: string; readonly userName: string; readonly path: string };
  readonly stats: {
    readonly totalSize: number;
    readonly fileCount: number;
    readonly cachedFiles: number;
    readonly nonCachedFiles: number;
    readonly errorCount: number;
  };
  readonly incomplete?: string;
  readonly rootEntry: { readonly obj: string; readonly mtime: string };
  readonly tags?: Readonly<Record<string, string>>;
}

export interface KopiaContentStats {
  readonly count: number;
  /** Before compression, in bytes. */
  readonly totalBytes: number;
}

export interface KopiaCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** The whole environment, the password in it. */
  readonly env: NodeJS.ProcessEnv;
}

/** Where kopia's program is, or why it cannot be had. */
export function findKopia(): Promise<BuiltPeer> {
  return buildPeer("kopia", "github.com/kopia/kopia");
}

/** Undefined when the test was skipped because kopia cannot be built here. `folder` takes what kopia keeps for itself. */
export async function requireKopia(t: TestContext, folder: string): Promise<Kopia | undefined> {
  const peer = await findKopia();
  return "program" in peer ? new Kopia(peer.program, folder) : lacking(t, peer.missing);
}

export class Kopia {
  readonly #program: string;
  readonly #home: string;

  constructor(program: string, folder: string) {
    this.#program = program;
    this.#home = mkdtempSync(join(folder, "kopia-"));
  }

  /** Any command; never throws because it failed. */
  tryRun(...args: readonly string[]): Promise<ProgramResult> {
    const command = this.commandOf(...args);
    return runProgram(command.program, command.args, { env: command.env });
  }

  /** Any command, for others to run. */
  commandOf(...args: readonly string[]): KopiaCommand {
    const env = {
      HOME: this.#home,
      PATH: process.env.PATH,
      KOPIA_CHECK_FOR_UPDATES: "false",
      KOPIA_PASSWORD: repositoryPassword,
      KOPIA_CACHE_DIRECTORY: join(this.#home, "cache"),
      KOPIA_LOG_DIR: join(this.#home, "logs"),
    };
    const common = [
      "--config-file",
      join(this.#home, "repository.config"),
      "--no-progress",
      "--no-persist-credentials",
    ];
    return { program: this.#program, args: [...common, ...args], env };
  }

  /** Any command; its standard output. Throws what it said when it failed. */
  async run(...args: readonly string[]): Promise<string> {
    const run = await this.tryRun(...args);
    assert.equal(run.exitCode, 0, describeRun(run));
    return run.stdout.toString("utf8");
  }

  async createFilesystem(path: string, ...args: readonly string[]): Promise<void> {
    await this.run("repository", "create", "filesystem", "--path", path, ...asVelero, ...args);
  }

  async connectFilesystem(path: string, ...args: readonly string[]): Promise<void> {
    await this.run("repository", "connect", "filesystem", "--path", path, ...asVelero, ...args);
  }

  async createS3(bucket: KopiaBucket): Promise<void> {
    await this.run("repository", "create", "s3", ...flagsOf(bucket), ...asVelero);
  }

  async connectS3(bucket: KopiaBucket): Promise<void> {
    await this.run("repository", "connect", "s3", ...flagsOf(bucket), ...asVelero);
  }

  /** `source` is USER@HOST:/PATH; tags are stored with the prefix `tag:`. */
  async snapshotCreate(
    path: string,
    options: {
      readonly source: string;
      readonly tags?: Readonly<Record<string, string>>;
      readonly forceHash?: boolean;
    },
  ): Promise<KopiaSnapshot> {
    const tags = Object.entries(options.tags ?? {}).flatMap(([key, value]) => ["--tags", `${key}:${value}`]);
    const hash = options.forceHash === true ? ["--force-hash=100"] : [];
    const args = ["snapshot", "create", path, "--override-source", options.source, ...tags, ...hash, "--json"];
    const created = JSON.parse(await this.run(...args)) as { readonly id: string };
    const listed = (await this.snapshotList()).find((snapshot) => snapshot.id === created.id);
    assert.ok(listed, `kopia lists the snapshot ${created.id} that it created`);
    return listed; // Only the list tells statistics.
  }

  /** Complete snapshots of every source. */
  async snapshotList(): Promise<readonly KopiaSnapshot[]> {
    return JSON.parse(await this.run("snapshot", "list", "--all", "--json")) as KopiaSnapshot[];
  }

  async restore(snapshotId: string, target: string): Promise<void> {
    await this.run("snapshot", "restore", snapshotId, target, "--no-ignore-permission-errors");
  }

  /** Walks every snapshot and reads every file. */
  async verify(): Promise<void> {
    await this.run("snapshot", "verify", "--verify-files-percent=100", "--max-errors=0");
  }

  /** Full maintenance, as its owner. With safety `none` nothing that is unreferenced survives, however young. */
  async maintenanceRun(safety: "none" | "full"): Promise<void> {
    await this.run("maintenance", "set", "--owner", "me");
    await this.run("maintenance", "run", "--full", `--safety=${safety}`);
  }

  async contentStats(): Promise<KopiaContentStats> {
    const text = await this.run("content", "stats", "--raw");
    const number = (label: RegExp): number => Number(label.exec(text)?.[1] ?? Number.NaN);
    return { count: number(/Count: (\d+)/), totalBytes: number(/Total Bytes: (\d+)/) };
  }

  /** A stored object's bytes: a folder's is JSON. */
  async show(objectId: string): Promise<string> {
    return await this.run("show", objectId);
  }
}

/** Where kopia finds a bucket; without TLS. */
export interface KopiaBucket {
  readonly bucket: string;
  readonly prefix: string;
  /** `http://host:port`. */
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

function flagsOf({ bucket, prefix, endpoint, region, accessKeyId, secretAccessKey }: KopiaBucket): readonly string[] {
  const place = [`--bucket=${bucket}`, `--prefix=${prefix}`, `--endpoint=${new URL(endpoint).host}`, "--disable-tls"];
  return [...place, `--region=${region}`, `--access-key=${accessKeyId}`, `--secret-access-key=${secretAccessKey}`];
}

/** The user and host under which Velero stores. */
const asVelero = ["--override-username", "default", "--override-hostname", "default"];
