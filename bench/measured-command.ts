/**
 * One command, and what it took: seconds, seconds of processor time, and the peak of its resident memory.
 *
 * A shell starts the command, tells when it has ended, and becomes a small program that asks the kernel for `getrusage`
 * of its children (child-usage.ts). So the figures are the kernel's own and exact: processor time of all threads and of
 * all processes that the command waited for; memory of the largest of them. They are had the same way whatever is
 * measured. Counting begins at the size of the shell, less than two MiB.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";

export interface Command {
  /** Of what is measured, for messages. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** The whole environment; nothing is inherited. Holds secrets, and is never told. */
  readonly env: NodeJS.ProcessEnv;
}

export interface Usage {
  readonly seconds: number;
  /** User and system. */
  readonly cpuSeconds: number;
  readonly peakResidentBytes: number;
}

export interface MeasuredRun extends Usage {
  readonly stdout: string;
}

const script = `node=$1; usage=$2; shift 2; "$@"; code=$?; echo ended >&3; exec "$node" "$usage" $code`;
const usageProgram = join(import.meta.dirname, "child-usage.ts");

/** Rejects when the command fails, with what it said. */
export async function runMeasured(command: Command): Promise<MeasuredRun> {
  const { env, program, args } = command;
  const startMs = performance.now();
  const shell = spawn("sh", ["-c", script, "sh", process.execPath, usageProgram, program, ...args], {
    env,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  const report = shell.stdio[3] as Readable;
  let endMs = Number.NaN;
  report.once("data", () => {
    endMs = performance.now();
  });
  const [stdout, stderr, told] = await Promise.all([
    text(shell.stdout as Readable),
    text(shell.stderr as Readable),
    text(report),
    once(shell, "exit"),
  ]);
  const usage = told.startsWith("ended\n") ? parseUsage(told.slice("ended\n".length)) : undefined;
  assert.ok(usage?.exitCode === 0, `${command.name} failed: ${usage?.exitCode ?? "no answer"}\n${stderr.slice(-4000)}`);
  const { cpuSeconds, peakResidentBytes } = usage;
  return { seconds: (endMs - startMs) / 1000, cpuSeconds, peakResidentBytes, stdout };
}

/** What child-usage.ts tells. */
export interface ChildUsage {
  readonly exitCode: number;
  readonly cpuSeconds: number;
  readonly peakResidentBytes: number;
}

function parseUsage(json: string): ChildUsage {
  const value = JSON.parse(json) as ChildUsage;
  for (const key of ["exitCode", "cpuSeconds", "peakResidentBytes"] as const) {
    assert.ok(Number.isFinite(value[key]), `${key} in ${json}`);
  }
  return value;
}
