/**
 * How time and memory grow as there is more of one thing: files, bytes, or snapshots in the repository. What was restored
 * is compared with what was stored at every step.
 */

import { mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Contender, type ContenderName, findContenders, type RepositoryPlace } from "./contenders.ts";
import { runMeasured, type Usage } from "./measured-command.ts";
import {
  type Circumstances,
  describeMachine,
  formatCircumstances,
  formatMegabytes,
  formatPlace,
  formatSeconds,
  formatTable,
  type Summary,
  summarize,
} from "./report.ts";
import {
  assertRestored,
  expectedOf,
  inOrderOf,
  type MeasureOptions,
  measureSideBySide,
  settleMachine,
  type Work,
} from "./side-by-side.ts";
import { bytesOf, formatBytes, formatCount, largeFiles, tinyFiles, type VolumeKind } from "./volumes.ts";
import { folderWithRoom, isInMemory, WorkFolder } from "./work-folder.ts";

export const scaleKinds = ["files", "bytes", "snapshots"] as const;

export type ScaleKind = (typeof scaleKinds)[number];

export interface ScaleRow extends Summary {
  readonly work: Work;
  readonly contender: ContenderName;
  /** Files, bytes or snapshots. */
  readonly amount: number;
}

export interface ScaleResult extends Circumstances {
  readonly kind: ScaleKind;
  /** By contender, then by work, then by amount. */
  readonly rows: readonly ScaleRow[];
}

interface Step {
  readonly amount: number;
  readonly samples: readonly (Usage & { readonly work: Work; readonly contender: ContenderName })[];
}

const gibibyte = 2 ** 30;
const fileSteps = [10_000, 30_000, 100_000, 300_000, 1_000_000];
const gibibyteSteps = [1, 2, 4, 8, 16];
const snapshotSteps = [1, 10, 100, 1_000];
/** Of the volume that has many snapshots. */
const snapshotFiles = 2_000;

/** `scale` is of the amount of every step. */
export async function measureScale(kind: ScaleKind, options: MeasureOptions): Promise<ScaleResult> {
  const begun = { date: new Date().toISOString(), machine: describeMachine() };
  const { contenders, absent } = await findContenders(options.contenders);
  const progress = (line: string): void => options.progress(`scale ${kind}: ${line}`);
  for (const one of absent) progress(`without ${one.name}, which ${one.because}`);
  if (contenders.length === 0) throw new Error(`scale ${kind}: none of the programs is here`);
  const parent = options.folder ?? folderWithRoom(roomOf(kind, options.scale));
  using folder = new WorkFolder(parent);
  const given = { ...options, progress, folder: folder.path };
  const steps =
    kind === "snapshots" ? await measureSnapshots(contenders, given) : await measureVolumes(kind, contenders, given);
  const works = [...new Set(steps.flatMap(({ samples }) => samples.map(({ work }) => work)))];
  const rows = contenders.flatMap(({ name: contender }) =>
    works.flatMap((work) =>
      steps.map(({ amount, samples }) => {
        const own = samples.filter((sample) => sample.work === work && sample.contender === contender);
        return { work, contender, amount, ...summarize(own) };
      }),
    ),
  );
  const versions = contenders.map(({ version }) => version);
  return { kind, rounds: options.rounds, inMemory: isInMemory(parent), ...begun, versions, absent, rows };
}

function volumesOf(kind: "files" | "bytes", scale: number): readonly { amount: number; volume: VolumeKind }[] {
  if (kind === "files") {
    const amounts = fileSteps.map((count) => Math.ceil((count * scale) / 1000) * 1000);
    return distinct(amounts).map((amount) => ({ amount, volume: tinyFiles(amount) }));
  }
  return gibibyteSteps.map((count) => {
    const fileBytes = Math.ceil(gibibyte * scale);
    return { amount: count * fileBytes, volume: largeFiles(count, fileBytes) };
  });
}

function roomOf(kind: ScaleKind, scale: number): number {
  const kinds = kind === "snapshots" ? [tinyFiles(snapshotFiles)] : volumesOf(kind, scale).map(({ volume }) => volume);
  return Math.max(...kinds.map((volume) => bytesOf(volume.room(1))));
}

async function measureVolumes(
  kind: "files" | "bytes",
  contenders: readonly Contender[],
  { scale, rounds, folder, progress }: MeasureOptions & { readonly folder: string },
): Promise<readonly Step[]> {
  const steps: Step[] = [];
  for (const { amount, volume } of volumesOf(kind, scale)) {
    const { samples } = await measureSideBySide(contenders, {
      volume,
      scale: 1,
      rounds,
      folder,
      newPlace: (turn): RepositoryPlace => ({ kind: "folder", path: join(turn, "repository") }),
      settle: settleMachine,
      progress: (line) => progress(`${formatAmount(kind, amount)}, ${line}`),
    });
    steps.push({ amount, samples });
  }
  return steps;
}

/**
 * Between the steps a small file is written anew and backed up, time and again, until there are so many snapshots; then
 * a backup of what has not changed and a restore are measured, which add a few.
 */
async function measureSnapshots(
  contenders: readonly Contender[],
  { scale, rounds, folder, progress }: MeasureOptions & { readonly folder: string },
): Promise<readonly Step[]> {
  const [volume, target] = [join(folder, "volume"), join(folder, "restored")];
  const kind = tinyFiles(snapshotFiles);
  kind.fill(volume, 1);
  const settle = (): void => settleMachine(folder, kind.room(1).restoredBytes);
  const open = contenders.map((contender) => {
    const home = join(folder, `home-${contender.name}`);
    mkdirSync(home);
    const place = { kind: "folder", path: join(folder, `repository-${contender.name}`) } as const;
    return { contender, repository: contender.newRepository(place, home) };
  });
  for (const { repository } of open) for (const command of repository.create()) await runMeasured(command);
  const steps: Step[] = [];
  let count = 0;
  for (const amount of distinct(snapshotSteps.map((one) => Math.ceil(one * scale)))) {
    const samples: Step["samples"][number][] = [];
    for (; count < amount; count++) {
      writeAnew(volume, count);
      for (const { repository } of open) await runMeasured(repository.backUp(volume));
    }
    const expected = expectedOf(volume);
    for (let round = 1; round <= rounds; round++, count++) {
      for (const { contender, repository } of inOrderOf(round, open)) {
        settle();
        const again = await runMeasured(repository.backUp(volume));
        const { command, restored } = await repository.restore(volume, target);
        settle();
        const restore = await runMeasured(command);
        assertRestored(contender, restored, expected);
        rmSync(target, { recursive: true });
        samples.push({ ...again, work: "again, nothing changed", contender: contender.name });
        samples.push({ ...restore, work: "restore", contender: contender.name });
        const told = `again ${formatSeconds(again.seconds)} s, restore ${formatSeconds(restore.seconds)} s`;
        progress(`${formatAmount("snapshots", amount)}, round ${round} of ${rounds}, ${contender.name}: ${told}`);
      }
    }
    steps.push({ amount, samples });
  }
  return steps;
}

/** One file in the volume's root, with a time later than all others', which the root gets too. */
function writeAnew(volume: string, count: number): void {
  const file = join(volume, "changing");
  writeFileSync(file, `change ${count}`);
  const time = 1_700_000_000 + count;
  for (const path of [file, volume]) utimesSync(path, time, time);
}

/** A section of docs/performance.md. `command` is how to run it again. */
export function formatScale(result: ScaleResult, command: string): string {
  const { kind, rows, rounds } = result;
  const columns = ["work", "program", kind, "seconds", "from – to", "CPU seconds", "peak MB"];
  const lines = rows.map((row, index) => {
    const before = rows[index - 1];
    const goesOn = before?.work === row.work && before.contender === row.contender ? before : undefined;
    const grown = (of: (one: ScaleRow) => number): string =>
      goesOn === undefined ? "" : `× ${(of(row) / of(goesOn)).toFixed(1)}`;
    return [
      goesOn === undefined ? row.work : "",
      goesOn === undefined ? row.contender : "",
      formatAmount(kind, row.amount),
      formatSeconds(row.seconds),
      `${formatSeconds(row.secondsMin)} – ${formatSeconds(row.secondsMax)}`,
      formatSeconds(row.cpuSeconds),
      formatMegabytes(row.peakResidentBytes),
      grown(({ amount }) => amount),
      grown(({ seconds }) => seconds),
      grown(({ cpuSeconds }) => cpuSeconds),
      grown(({ peakResidentBytes }) => peakResidentBytes),
    ];
  });
  return [
    formatTable([...columns, kind, "seconds", "CPU", "memory"], lines, 2),
    "",
    `The last four columns are how many times as much it is as in the step before. \`${command}\` on ${result.date.slice(0, 10)}:`,
    `medians of ${rounds} rounds, ${formatPlace(result)}.`,
    formatCircumstances(result),
  ].join("\n");
}

function distinct(amounts: readonly number[]): readonly number[] {
  return [...new Set(amounts)];
}

function formatAmount(kind: ScaleKind, amount: number): string {
  return kind === "bytes" ? formatBytes(amount) : formatCount(amount);
}
