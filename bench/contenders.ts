/**
 * The programs that are measured, and the command lines of each for the same work.
 *
 * All encrypt and none compresses. Ours and kopia write the same format with the same algorithms, those of Velero:
 * BLAKE2B-256-128, AES256-GCM-HMAC-SHA256, DYNAMIC-4M-BUZHASH; restic and rustic write restic's. Each repository has a home
 * folder of its own, where configuration and caches go as their program likes. Passwords and keys are in the environment.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { findKopia, Kopia, repositoryPassword } from "../test/support/kopia.ts";
import { findBuiltProgram } from "./built-program.ts";
import { type Command, runMeasured } from "./measured-command.ts";

export const contenderNames = ["fsb", "fsb-typescript", "kopia", "restic", "rustic"] as const;

export type ContenderName = (typeof contenderNames)[number];

export interface Contender {
  readonly name: ContenderName;
  /** One that `fsb` is compared with. */
  readonly isPeer: boolean;
  /** For people: "kopia 0.23.1". */
  readonly version: string;
  /** Whether its repositories can be in a bucket too. */
  readonly inBuckets: boolean;
  /** Whether it restores mode, owner and time of the volume's own folder, and not only of what lies in it. */
  readonly restoresRoot: boolean;
  /** `home` is an empty folder of its own. The place is empty. */
  newRepository(place: RepositoryPlace, home: string): MeasuredRepository;
}

export interface Absent {
  readonly name: ContenderName;
  readonly because: string;
}

export type RepositoryPlace =
  | { readonly kind: "folder"; readonly path: string }
  | {
      readonly kind: "bucket";
      readonly endpoint: string;
      readonly region: string;
      readonly bucket: string;
      /** Ends in a slash. */
      readonly prefix: string;
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
    };

export interface MeasuredRepository {
  create(): readonly Command[];
  backUp(volume: string): Command;
  /** Of the last snapshot, or of what lies at a path in it, into a folder that is not there. */
  restore(volume: string, target: string, path?: string): Promise<Restore>;
}

export interface Restore {
  readonly command: Command;
  /** Where the volume, or what lies at the path, is afterwards. */
  readonly restored: string;
}

/** Those of the names that are here, in that order, and why others are not. */
export async function findContenders(
  names: readonly ContenderName[],
): Promise<{ readonly contenders: readonly Contender[]; readonly absent: readonly Absent[] }> {
  const found = await Promise.all(
    names.map(async (name): Promise<Contender | Absent> => {
      const contender = await finders[name]();
      return typeof contender === "string" ? { name, because: contender } : contender;
    }),
  );
  const isAbsent = (one: Contender | Absent): one is Absent => "because" in one;
  return {
    contenders: found.filter((one): one is Contender => !isAbsent(one)),
    absent: found.filter(isAbsent),
  };
}

/** A reason where there is none here. */
const finders: Readonly<Record<ContenderName, () => Promise<Contender | string>>> = {
  fsb: () => findFsb("fsb", "native"),
  "fsb-typescript": () => findFsb("fsb-typescript", "typescript"),
  kopia: findKopiaContender,
  restic: async () => findOnPath("restic", resticRepository),
  rustic: async () => findOnPath("rustic", rusticRepository),
};

async function findFsb(name: ContenderName, kernel: "native" | "typescript"): Promise<Contender | string> {
  const program = await findBuiltProgram(kernel);
  if (typeof program === "string") return program;
  const run = (env: NodeJS.ProcessEnv, ...args: readonly string[]): Command => {
    return { name: `${name} ${args[0]}`, program: process.execPath, args: [program.main, ...args], env };
  };
  return {
    name,
    isPeer: false,
    inBuckets: true,
    restoresRoot: true,
    version: `${name} on Node ${process.versions.node}`,
    newRepository(place, home) {
      const env: NodeJS.ProcessEnv = {
        ...environment(home),
        FSB_KERNEL: kernel,
        FSB_PASSWORD: repositoryPassword,
        FSB_REPO: place.kind === "folder" ? place.path : s3Url(place),
        ...keysOf(place),
      };
      return {
        create: () => [run(env, "repo", "create")],
        backUp: (volume) => run(env, "backup", volume),
        async restore(_, target, path) {
          const from = path === undefined ? "latest" : `latest:${path}`;
          return { command: run(env, "restore", from, target), restored: target };
        },
      };
    },
  };
}

async function findKopiaContender(): Promise<Contender | string> {
  const peer = await findKopia();
  if ("missing" in peer) return peer.missing;
  const { stdout } = spawnSync(peer.program, ["--version"], { encoding: "utf8" });
  return {
    name: "kopia",
    isPeer: true,
    inBuckets: true,
    restoresRoot: true,
    version: `kopia ${/\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? "of an unknown version"}`,
    newRepository(place, home) {
      const kopia = new Kopia(peer.program, home);
      // Maintenance is the Velero server's, not the agent's.
      const run = (...args: readonly string[]): Command => {
        const { program, args: all, env } = kopia.commandOf("--no-auto-maintenance", ...args);
        return { name: `kopia ${args[0]} ${args[1]}`, program, args: all, env: { ...env, ...keysOf(place) } };
      };
      const algorithms = [
        "--block-hash=BLAKE2B-256-128",
        "--encryption=AES256-GCM-HMAC-SHA256",
        "--object-splitter=DYNAMIC-4M-BUZHASH",
      ];
      return {
        create: () => [
          run("repository", "create", ...kopiaPlace(place), ...algorithms),
          run("policy", "set", "--global", "--compression=none"),
        ],
        backUp: (volume) => run("snapshot", "create", volume, "--json"),
        async restore(_, target, path) {
          const { stdout } = await runMeasured(run("snapshot", "list", "--all", "--json"));
          const id = (JSON.parse(stdout) as readonly { readonly id: string }[]).at(-1)?.id;
          assert.ok(id !== undefined, "kopia lists a snapshot");
          const from = path === undefined ? id : `${id}/${path}`;
          const command = run("snapshot", "restore", from, target, "--write-sparse-files");
          return { command, restored: target };
        },
      };
    },
  };
}

function kopiaPlace(place: RepositoryPlace): readonly string[] {
  if (place.kind === "folder") return ["filesystem", `--path=${place.path}`];
  const { bucket, prefix, endpoint, region } = place;
  const server = [`--endpoint=${new URL(endpoint).host}`, "--disable-tls", `--region=${region}`];
  return ["s3", `--bucket=${bucket}`, `--prefix=${prefix}`, ...server];
}

function findOnPath(
  name: "restic" | "rustic",
  open: (place: RepositoryPlace & { readonly kind: "folder" }, home: string) => MeasuredRepository,
): Contender | string {
  const { error, stdout } = spawnSync(name, [name === "restic" ? "version" : "--version"], { encoding: "utf8" });
  if (error !== undefined) return `is not on the path (${"code" in error ? error.code : error.message})`;
  return {
    name,
    isPeer: true,
    inBuckets: false,
    restoresRoot: name !== "rustic",
    version: `${name} ${/\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? "of an unknown version"}`,
    newRepository(place, home) {
      assert.ok(place.kind === "folder", `${name} is measured with folders alone`);
      return open(place, home);
    },
  };
}

function resticRepository({ path }: { readonly path: string }, home: string): MeasuredRepository {
  const env = { ...environment(home), RESTIC_PASSWORD: repositoryPassword, RESTIC_REPOSITORY: path };
  const run = (...args: readonly string[]): Command => {
    return { name: `restic ${args[0]}`, program: "restic", args: ["--compression=off", ...args], env };
  };
  return {
    create: () => [run("init")],
    backUp: (volume) => run("backup", volume),
    // It restores whole paths alone.
    async restore(volume, target, path = "") {
      const only = path === "" ? [] : [`--include=${join(volume, path)}`];
      const command = run("restore", "latest", `--target=${target}`, ...only);
      return { command, restored: join(target, volume, path) };
    },
  };
}

function rusticRepository({ path }: { readonly path: string }, home: string): MeasuredRepository {
  const env = {
    ...environment(home),
    RUSTIC_PASSWORD: repositoryPassword,
    RUSTIC_REPOSITORY: path,
    RUSTIC_NO_PROGRESS: "true",
  };
  const run = (...args: readonly string[]): Command => ({ name: `rustic ${args[0]}`, program: "rustic", args, env });
  return {
    create: () => [run("init", "--set-compression=0")],
    backUp: (volume) => run("backup", volume),
    async restore(volume, target, path = "") {
      return { command: run("restore", `latest:${join(volume, path)}`, target), restored: target };
    },
  };
}

function s3Url(place: RepositoryPlace & { readonly kind: "bucket" }): string {
  const query = new URLSearchParams({ endpoint: place.endpoint, region: place.region });
  return `s3://${place.bucket}/${place.prefix}?${query}`;
}

function keysOf(place: RepositoryPlace): NodeJS.ProcessEnv {
  if (place.kind === "folder") return {};
  return { AWS_ACCESS_KEY_ID: place.accessKeyId, AWS_SECRET_ACCESS_KEY: place.secretAccessKey };
}

/** Nothing of the user's own reaches what is measured. */
function environment(home: string): NodeJS.ProcessEnv {
  return { HOME: home, XDG_CACHE_HOME: join(home, "cache"), TMPDIR: home, PATH: process.env.PATH };
}
