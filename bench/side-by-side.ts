/**
 * Backs a volume up and restores it by several programs, turn by turn, and keeps what each run took.
 *
 * A round is, for each program one after the other: a fresh repository, the first backup, a backup of what has not changed,
 * a restore. Each round begins with another program. After each restore what was restored is compared with the volume by a digest; nothing is told of a time before that.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, rmSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Contender, ContenderName, RepositoryPlace } from "./contenders.ts";
import { type Command, runMeasured, type Usage } from "./measured-command.ts";
import { attributesOf, digestOf } from "./tree-digest.ts";
import type { VolumeKind } from "./volumes.ts";
import { inMemory, roomInMemory } from "./work-folder.ts";

const mebibyte = 2 ** 20;

export const works = ["first backup", "again, nothing changed", "restore", "restore of a part"] as const;

export type Work = (typeof works)[number];

/** What may be said of a measurement. */
export interface MeasureOptions {
  readonly contenders: readonly ContenderName[];
  /** Of the whole size. */
  readonly scale: number;
  readonly rounds: number;
  /** Where to work; else in memory where that has room, else in the system's temporary folder. */
  readonly folder: string | undefined;
  readonly progress: (line: string) => void;
}

export interface SideBySideOptions {
  readonly volume: VolumeKind;
  /** Path of a folder in the volume, to be restored alone as well. */
  readonly part?: string | undefined;
  readonly scale: number;
  readonly rounds: number;
  /** Exists, and is empty again afterwards. */
  readonly folder: string;
  readonly newPlace: (folder: string) => RepositoryPlace;
  /** Before each run that is measured; it may write so many bytes. */
  readonly settle: (folder: string, bytes: number) => void;
  readonly progress: (line: string) => void;
}

/**
 * Leaves the machine as every run is to find it. What the folder's file system holds back is written, so that no run pays
 * for what another left. And so many bytes of memory were just in use: a virtual machine gives what it frees back to its
 * host, and whoever touches it next waits for it, several times as long as the writing itself takes.
 */
export function settleMachine(folder: string, bytes: number): void {
  execFileSync("sync", ["--file-system", folder]);
  touchMemory(bytes);
}

/** At most what has room there; nothing where no folder is in memory. */
function touchMemory(bytes: number): void {
  const path = join(inMemory, `fsb-bench-touched-${process.pid}`);
  if (!existsSync(inMemory)) return;
  const file = openSync(path, "wx");
  try {
    unlinkSync(path);
    const zeros = new Uint8Array(mebibyte);
    const end = Math.min(bytes, roomInMemory());
    for (let written = 0; written < end; written += zeros.length) writeSync(file, zeros);
  } finally {
    closeSync(file);
  }
}

export interface Sample extends Usage {
  readonly work: Work;
  readonly contender: ContenderName;
  readonly round: number;
}

export interface SideBySide {
  readonly samples: readonly Sample[];
  /** Of the volume, and of all that was restored. */
  readonly digest: string;
}

export async function measureSideBySide(
  contenders: readonly Contender[],
  options: SideBySideOptions,
): Promise<SideBySide> {
  const { part, scale, rounds, folder, newPlace, settle, progress } = options;
  const volume = join(folder, "volume");
  options.volume.fill(volume, scale);
  const whole = expectedOf(volume);
  const ofPart = part === undefined ? undefined : expectedOf(join(volume, part));
  const samples: Sample[] = [];
  const { repositoryBytes, restoredBytes } = options.volume.room(scale);
  for (let round = 1; round <= rounds; round++) {
    for (const contender of inOrderOf(round, contenders)) {
      const turn = join(folder, "turn");
      const [home, target] = [join(turn, "home"), join(turn, "restored")];
      mkdirSync(home, { recursive: true });
      const repository = contender.newRepository(newPlace(turn), home);
      const told: string[] = [];
      const measure = async (work: Work, command: Command): Promise<void> => {
        settle(folder, repositoryBytes + restoredBytes);
        const { seconds, cpuSeconds, peakResidentBytes } = await runMeasured(command);
        samples.push({ work, contender: contender.name, round, seconds, cpuSeconds, peakResidentBytes });
        told.push(`${work} ${seconds.toFixed(2)} s`);
      };
      const measureRestore = async (work: Work, expected: Expected, path?: string): Promise<void> => {
        const { command, restored } = await repository.restore(volume, target, path);
        await measure(work, command);
        assertRestored(contender, restored, expected);
        rmSync(target, { recursive: true });
      };

      for (const command of repository.create()) await runMeasured(command);
      await measure("first backup", repository.backUp(volume));
      await measure("again, nothing changed", repository.backUp(volume));
      await measureRestore("restore", whole);
      if (ofPart !== undefined) await measureRestore("restore of a part", ofPart, part);
      rmSync(turn, { recursive: true });
      progress(`round ${round} of ${rounds}, ${contender.name}: ${told.join(", ")}`);
    }
  }
  rmSync(volume, { recursive: true });
  return { samples, digest: whole.digest };
}

/** Each is the first in turn. */
export function inOrderOf<T>(round: number, contenders: readonly T[]): readonly T[] {
  const first = (round - 1) % contenders.length;
  return [...contenders.slice(first), ...contenders.slice(0, first)];
}

export interface Expected {
  readonly digest: string;
  /** Of the folder itself. */
  readonly attributes: string;
}

/** That a folder is what a program is to have restored. */
export function assertRestored(contender: Contender, folder: string, expected: Expected): void {
  const because = `${contender.name}: what was restored is not what was stored`;
  assert.equal(digestOf(folder), expected.digest, because);
  if (contender.restoresRoot) assert.equal(attributesOf(folder), expected.attributes, because);
}

export function expectedOf(folder: string): Expected {
  return { digest: digestOf(folder), attributes: attributesOf(folder) };
}
