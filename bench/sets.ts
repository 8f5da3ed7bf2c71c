/** What is measured side by side, by name; and one such measurement from beginning to end, as rows and as Markdown. */

import { join } from "node:path";
import { type ObjectServer, startObjectServer } from "../test/support/object-server.ts";
import { findContenders, type RepositoryPlace } from "./contenders.ts";
import {
  type Circumstances,
  compare,
  describeMachine,
  formatCircumstances,
  formatPlace,
  formatRows,
  type Row,
} from "./report.ts";
import { type MeasureOptions, measureSideBySide, type Sample, settleMachine } from "./side-by-side.ts";
import { bytesOf, largeFiles, manyFiles, sparseFile, tinyFiles, together, type VolumeKind } from "./volumes.ts";
import { folderWithRoom, isInMemory, WorkFolder } from "./work-folder.ts";

export const setNames = ["large", "medium", "tiny", "huge", "million", "s3"] as const;

export type SetName = (typeof setNames)[number];

export interface BenchSet {
  readonly volume: VolumeKind;
  readonly repository: "folder" | "bucket";
  /** Path of a folder in the volume that is restored by itself as well. */
  readonly part?: string;
}

const mebibyte = 2 ** 20;
const gibibyte = 2 ** 30;

export const sets: Readonly<Record<SetName, BenchSet>> = {
  large: { volume: largeFiles(2, gibibyte), repository: "folder" },
  medium: { volume: manyFiles(2_000, mebibyte), repository: "folder" },
  tiny: { volume: tinyFiles(200_000), repository: "folder" },
  huge: { volume: sparseFile(20 * gibibyte), repository: "folder" },
  million: { volume: tinyFiles(2_100_000), repository: "folder" },
  s3: {
    volume: together({ medium: manyFiles(512, mebibyte), tiny: tinyFiles(20_000) }),
    repository: "bucket",
    part: "tiny/group-0/folder-1",
  },
};

export interface SetResult extends Circumstances {
  readonly set: SetName;
  readonly description: string;
  readonly scale: number;
  /** SHA-256 of the volume and of all that was restored. */
  readonly digest: string;
  readonly rows: readonly Row[];
  readonly samples: readonly Sample[];
}

export async function measureSet(name: SetName, options: MeasureOptions): Promise<SetResult> {
  const { scale, rounds } = options;
  const { volume, repository, part } = sets[name];
  const begun = { date: new Date().toISOString(), machine: describeMachine() };
  const found = await findContenders(options.contenders);
  const contenders = found.contenders.filter(({ inBuckets }) => inBuckets || repository === "folder");
  const unfit = found.contenders.filter((contender) => !contenders.includes(contender));
  const because = "is measured with folders alone";
  const absent = [...found.absent, ...unfit.map((contender) => ({ name: contender.name, because }))];
  for (const one of absent) options.progress(`${name}: without ${one.name}, which ${one.because}`);
  if (contenders.length === 0) throw new Error(`${name}: none of the programs is here`);

  const parent = options.folder ?? folderWithRoom(bytesOf(volume.room(scale)));
  using folder = new WorkFolder(parent);
  await using server = repository === "bucket" ? await startServer() : undefined;
  let places = 0;
  const { samples, digest } = await measureSideBySide(contenders, {
    volume,
    part,
    scale,
    rounds,
    folder: folder.path,
    newPlace: (turn) => placeIn(turn, server, ++places),
    settle: settleMachine,
    progress: (line) => options.progress(`${name}: ${line}`),
  });
  return {
    set: name,
    description: volume.description,
    scale,
    rounds,
    inMemory: isInMemory(parent),
    ...begun,
    versions: contenders.map(({ version }) => version),
    absent,
    digest,
    rows: compare(contenders, samples),
    samples,
  };
}

async function startServer(): Promise<ObjectServer> {
  const server = await startObjectServer();
  if (typeof server === "string") throw new Error(server);
  return server;
}

function placeIn(turn: string, server: ObjectServer | undefined, number: number): RepositoryPlace {
  if (server === undefined) return { kind: "folder", path: join(turn, "repository") };
  const { endpoint, region, bucket, owner } = server;
  return { kind: "bucket", endpoint, region, bucket, prefix: `bench-${number}/`, ...owner };
}

/** A section of docs/performance.md. `command` is how to run it again. */
export function formatSet(result: SetResult, command: string): string {
  const { description, scale, rounds, rows } = result;
  const size = scale === 1 ? "" : `, at scale ${scale}`;
  const inBucket = sets[result.set].repository === "bucket" ? ", the repository in a real S3 server on loopback" : "";
  return [
    `**${result.set}**: ${description}${size}, ${formatPlace(result)}${inBucket}.`,
    "",
    formatRows(rows),
    "",
    `\`${command}\` on ${result.date.slice(0, 10)}: medians of ${rounds} alternating rounds.`,
    formatCircumstances(result),
    `Digest of all that was stored and restored: ${result.digest.slice(0, 16)}.`,
  ].join("\n");
}
