/**
 * A pod that plays tricks: while a test works on a volume, a child process swaps one of its folders for a symbolic link
 * to a place outside, and back, thousands of times a second. What the test does must then never reach the outside.
 *
 * A round is four renames: the folder steps aside, the link takes its name, the link leaves, the folder comes back. The
 * two wait in a folder beside `folder`, on the same file system. What the test itself does there meanwhile (it may
 * unlink the link, or make a folder of its own) is set right by the next round.
 *
 * This file is also the child's program.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export interface LinkSwapperOptions {
  /** The folder that holds the one to be swapped. */
  readonly folder: string;
  /** Of the folder to be swapped; it exists. */
  readonly name: string;
  /** Where the link leads. */
  readonly outside: string;
}

export interface LinkSwapper extends AsyncDisposable {
  /** Whole rounds so far; the count comes in steps, as the child reports it. Throws when the child has failed. */
  rounds(): number;
}

/** Returns once the first rounds have run. Disposing it waits for the child; `name` is a folder then. */
export async function startLinkSwapper(options: LinkSwapperOptions): Promise<LinkSwapper> {
  const aside = mkdtempSync(`${options.folder}.swapper-`);
  const child = fork(fileURLToPath(import.meta.url), [options.folder, options.name, options.outside, aside]);
  let rounds = 0;
  child.on("message", (count) => {
    rounds = Number(count);
  });
  const ended = endOf(child);
  const assertRunning = (): void => {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("the link swapper has ended by itself");
  };
  await Promise.race([once(child, "message"), ended]);
  assertRunning();
  return {
    rounds: () => {
      assertRunning();
      return rounds;
    },
    [Symbol.asyncDispose]: async () => {
      if (child.connected) child.send("stop");
      await ended;
      rmSync(aside, { recursive: true, force: true });
    },
  };
}

async function endOf(child: ChildProcess): Promise<void> {
  await once(child, "exit");
}

const roundsPerReport = 16;
/** After each report: without it the renames keep the file system's locks so busy that the test hardly gets on. */
const pauseMs = 1;

async function swapUntilStopped(folder: string, name: string, outside: string, aside: string): Promise<void> {
  const target = join(folder, name);
  const link = join(aside, "link");
  const real = join(aside, "folder");
  let stopped = false;
  process.once("message", () => {
    stopped = true;
  });
  // The test process may be gone without a word.
  process.once("disconnect", () => {
    stopped = true;
  });
  for (let rounds = 0; !stopped; ) {
    for (let count = 0; count < roundsPerReport; count++) {
      if (kindAt(link) !== "link") tried(() => replaceByLink(link, outside));
      if (tried(() => renameSync(target, real)) && tried(() => renameSync(link, target))) rounds++;
      // Only the link goes back to where it waits: the test may have put a folder in its place.
      if (kindAt(target) === "link") tried(() => renameSync(target, link));
      putBack(real, target);
    }
    process.send?.(rounds);
    await pause(pauseMs);
  }
  if (process.connected) process.disconnect();
}

/** The folder comes back, unless the test has made one with something in it: then that one stays. */
function putBack(real: string, target: string): void {
  if (kindAt(real) === "folder" && !tried(() => renameSync(real, target))) tried(() => remove(real));
  if (kindAt(target) === undefined) tried(() => mkdirSync(target));
}

function replaceByLink(path: string, outside: string): void {
  remove(path);
  symlinkSync(outside, path);
}

function remove(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

function kindAt(path: string): "link" | "folder" | "other" | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  if (stats.isSymbolicLink()) return "link";
  return stats.isDirectory() ? "folder" : "other";
}

function tried(work: () => void): boolean {
  try {
    work();
    return true;
  } catch {
    return false; // The test was quicker: the next round sets it right.
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.send) {
  const [folder, name, outside, aside] = process.argv.slice(2) as [string, string, string, string];
  await swapUntilStopped(folder, name, outside, aside);
}
