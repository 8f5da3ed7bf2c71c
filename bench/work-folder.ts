/** Where volumes, repositories and what is restored lie while something is measured. */

import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const inMemory = "/dev/shm";

export function isInMemory(folder: string): boolean {
  return folder.startsWith(inMemory);
}

/** Of the memory that is there, so much may be filled; the rest is for the programs. */
const memoryShareMax = 0.7;

/** A folder in memory where that has room for so much, else the system's temporary folder. */
export function folderWithRoom(bytes: number): string {
  return existsSync(inMemory) && bytes <= roomInMemory() ? inMemory : tmpdir();
}

/** Bytes. */
export function roomInMemory(): number {
  const { bavail, bsize } = statfsSync(inMemory);
  const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0) * 1024;
  return Math.min(bavail * bsize, available * memoryShareMax);
}

/** A fresh one below `parent`, which is gone when it is disposed of, or when the process is interrupted. */
export class WorkFolder implements Disposable {
  readonly path: string;
  readonly #interrupted = (): void => {
    this.#remove();
    process.exit(130);
  };

  constructor(parent: string) {
    this.path = mkdtempSync(join(parent, "fsb-bench-"));
    process.once("SIGINT", this.#interrupted);
    process.once("SIGTERM", this.#interrupted);
  }

  [Symbol.dispose](): void {
    process.off("SIGINT", this.#interrupted);
    process.off("SIGTERM", this.#interrupted);
    this.#remove();
  }

  #remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
