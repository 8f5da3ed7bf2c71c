/**
 * The volumes that are backed up, made of noise that does not compress and is the same in every run.
 *
 * Files have modes of several kinds. Their times are fixed, and a folder has the newest time below it, for that is what
 * kopia restores, whatever the folder's own was.
 */

import { type Cipheriv, createCipheriv } from "node:crypto";
import {
  chmodSync,
  closeSync,
  fchmodSync,
  ftruncateSync,
  futimesSync,
  mkdirSync,
  openSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

export interface VolumeKind {
  /** Exact at scale 1, and told with the scale otherwise. */
  readonly description: string;
  /** Makes the folder and writes it there. The newest time in it, in seconds since the epoch. */
  fill(folder: string, scale: number): number;
  room(scale: number): Room;
}

/** On a file system with blocks of 4 KiB. */
export interface Room {
  readonly volumeBytes: number;
  readonly repositoryBytes: number;
  /** Holes may be written out. */
  readonly restoredBytes: number;
}

/** Of volume, repository and what is restored together. */
export function bytesOf({ volumeBytes, repositoryBytes, restoredBytes }: Room): number {
  return volumeBytes + repositoryBytes + restoredBytes;
}

const mebibyte = 2 ** 20;
const gibibyte = 2 ** 30;
const tinyBytes = 100;
/** One block, and what the file system keeps for a file. */
const tinyRoomBytes = 4096 + 1280;

/** Tiny files lie in groups of 100 folders, of which one holds the others, with 10 files in each. */
const groupFolders = 100;
const folderFiles = 10;

export function largeFiles(count: number, fileBytes: number): VolumeKind {
  const bytesAt = (scale: number): number => Math.ceil(fileBytes * scale);
  return {
    description: `${count} files of ${formatBytes(fileBytes)} of noise`,
    fill(folder, scale) {
      const noise = new Noise();
      return inNewFolder(folder, () => {
        for (let index = 0; index < count; index++) writeNoise(folder, index, bytesAt(scale), noise);
        return timeOf(count - 1);
      });
    },
    room: (scale) => evenRoom(count * bytesAt(scale)),
  };
}

export function manyFiles(count: number, fileBytes: number): VolumeKind {
  const countAt = (scale: number): number => Math.ceil(count * scale);
  return {
    description: `${formatCount(count)} files of ${formatBytes(fileBytes)} of noise`,
    fill(folder, scale) {
      const noise = new Noise();
      return inNewFolder(folder, () => {
        for (let index = 0; index < countAt(scale); index++) writeNoise(folder, index, fileBytes, noise);
        return timeOf(countAt(scale) - 1);
      });
    },
    room: (scale) => evenRoom(countAt(scale) * fileBytes),
  };
}

/** `count` is a multiple of 1,000. */
export function tinyFiles(count: number): VolumeKind {
  const groupsAt = (scale: number): number => Math.ceil((count / (groupFolders * folderFiles)) * scale);
  return {
    description: `${formatCount(count)} files of ${tinyBytes} bytes of noise in ${formatCount(count / folderFiles)} folders`,
    fill(folder, scale) {
      const noise = new Noise();
      let index = 0;
      const putFiles = (at: string): void => {
        for (let file = 0; file < folderFiles; file++) writeNoise(at, index++, tinyBytes, noise);
      };
      return inNewFolder(folder, () => {
        for (let group = 0; group < groupsAt(scale); group++) {
          const groupFolder = join(folder, `group-${group}`);
          inNewFolder(groupFolder, () => {
            putFiles(groupFolder);
            for (let number = 1; number < groupFolders; number++) {
              const at = join(groupFolder, `folder-${number}`);
              inNewFolder(at, () => {
                putFiles(at);
                return timeOf(index - 1);
              });
            }
            return timeOf(index - 1);
          });
        }
        return timeOf(index - 1);
      });
    },
    room(scale) {
      const files = groupsAt(scale) * groupFolders * folderFiles;
      const volumeBytes = files * tinyRoomBytes * (1 + 1 / folderFiles);
      return { volumeBytes, repositoryBytes: files * 4 * tinyBytes, restoredBytes: volumeBytes };
    },
  };
}

/** A sixteenth of it is noise, the rest holes between. */
export function sparseFile(fileBytes: number): VolumeKind {
  const stepBytes = 16 * mebibyte;
  const stepsAt = (scale: number): number => Math.ceil((fileBytes / stepBytes) * scale);
  return {
    description: `one file of ${formatBytes(fileBytes)}, of which a sixteenth is noise and the rest holes`,
    fill(folder, scale) {
      const noise = new Noise();
      return inNewFolder(folder, () => {
        const fd = openSync(join(folder, "sparse"), "wx");
        for (let step = 0; step < stepsAt(scale); step++)
          writeSync(fd, noise.next(mebibyte), 0, mebibyte, step * stepBytes);
        ftruncateSync(fd, stepsAt(scale) * stepBytes);
        fchmodSync(fd, 0o644);
        futimesSync(fd, timeOf(0), timeOf(0));
        closeSync(fd);
        return timeOf(0);
      });
    },
    room(scale) {
      const noiseBytes = stepsAt(scale) * mebibyte;
      return { volumeBytes: noiseBytes, repositoryBytes: noiseBytes, restoredBytes: stepsAt(scale) * stepBytes };
    },
  };
}

/** Others, each in a folder of its own. */
export function together(kinds: Readonly<Record<string, VolumeKind>>): VolumeKind {
  const all = Object.entries(kinds);
  return {
    description: all.map(([, { description }]) => description).join(" and "),
    fill: (folder, scale) =>
      inNewFolder(folder, () => Math.max(...all.map(([name, kind]) => kind.fill(join(folder, name), scale)))),
    room(scale) {
      return all
        .map(([, kind]) => kind.room(scale))
        .reduce((sum, room) => ({
          volumeBytes: sum.volumeBytes + room.volumeBytes,
          repositoryBytes: sum.repositoryBytes + room.repositoryBytes,
          restoredBytes: sum.restoredBytes + room.restoredBytes,
        }));
    },
  };
}

/** Bytes that do not compress, the same in every run for a seed, at the speed of the processor's AES. */
export class Noise {
  readonly #cipher: Cipheriv;

  constructor(seed = "noise") {
    this.#cipher = createCipheriv("aes-128-ctr", Buffer.alloc(16, seed), Buffer.alloc(16));
  }

  next(bytes: number): Buffer {
    return this.#cipher.update(Buffer.alloc(bytes));
  }
}

export function formatBytes(bytes: number): string {
  if (bytes >= gibibyte) return `${Number((bytes / gibibyte).toFixed(2))} GiB`;
  if (bytes >= mebibyte) return `${Number((bytes / mebibyte).toFixed(2))} MiB`;
  return `${bytes} bytes`;
}

export function formatCount(count: number): string {
  return count.toLocaleString("en-GB");
}

function evenRoom(bytes: number): Room {
  return { volumeBytes: bytes, repositoryBytes: bytes, restoredBytes: bytes };
}

function writeNoise(folder: string, index: number, bytes: number, noise: Noise): void {
  const fd = openSync(join(folder, `file-${index}`), "wx");
  for (let left = bytes; left > 0; left -= mebibyte) writeSync(fd, noise.next(Math.min(left, mebibyte)));
  fchmodSync(fd, [0o644, 0o600, 0o755, 0o444][index % 4] as number);
  futimesSync(fd, timeOf(index), timeOf(index));
  closeSync(fd);
}

/** `fill` gives the time that the folder gets, and that this gives too. */
function inNewFolder(folder: string, fill: () => number): number {
  mkdirSync(folder);
  const time = fill();
  chmodSync(folder, 0o750);
  utimesSync(folder, time, time);
  return time;
}

/** Rises; in sixteenths of a second, which a double holds exactly. */
function timeOf(index: number): number {
  return 1_600_000_000 + index / 16;
}
