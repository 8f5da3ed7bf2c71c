/** A program that runs beside a test and can be ended and started again. It ends with the test's process at the latest. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";

export interface BackgroundProgramOptions {
  /** For messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment of the program; nothing is inherited. */
  readonly env: NodeJS.ProcessEnv;
  /** What it writes, of all its runs. */
  readonly logFile: string;
}

export class BackgroundProgram implements AsyncDisposable {
  readonly #options: BackgroundProgramOptions;
  #child: ChildProcess | undefined;
  readonly #endWithTest = () => this.#signal("SIGKILL");

  constructor(options: BackgroundProgramOptions) {
    this.#options = options;
    process.once("exit", this.#endWithTest);
  }

  /** With `args` after those it always gets. */
  start(...args: readonly string[]): void {
    assert.ok(!this.isRunning, `${this.#options.name} runs already`);
    const { command, args: always, env, logFile } = this.#options;
    const log = openSync(logFile, "a");
    // A process group of its own, so that a signal reaches what it starts as well.
    this.#child = spawn(command, [...always, ...args], { env, stdio: ["ignore", log, log], detached: true });
    closeSync(log);
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Of the leader of its process group. */
  get pid(): number {
    assert.ok(this.#child?.pid !== undefined, `${this.#options.name} was started`);
    return this.#child.pid;
  }

  log(): string {
    const { logFile } = this.#options;
    return existsSync(logFile) ? readFileSync(logFile, "utf8") : "";
  }

  /** Stops it and what it started where they are, until it is resumed. */
  pause(): void {
    this.#signal("SIGSTOP");
  }

  resume(): void {
    this.#signal("SIGCONT");
  }

  /** Its exit code, or null where the signal ended it; undefined where it did not run. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<number | null | undefined> {
    if (!this.isRunning || this.#child === undefined) return undefined;
    const ended = once(this.#child, "exit");
    this.#signal(signal);
    const [exitCode] = await ended;
    return exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
    process.off("exit", this.#endWithTest);
  }

  #signal(signal: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    if (this.isRunning) process.kill(-this.pid, signal);
  }
}
