/**
 * What the program says. Results go to standard output, as text or with `--json` as one object a line; everything else
 * to standard error. A progress line shows only where standard error is a terminal.
 */

import { once } from "node:events";
import { explain } from "../base/errors.ts";
import type { Log } from "../base/log.ts";

const progressIntervalMs = 200;
const lineWidthMax = 120;

export interface Terminal {
  /** Also the environment, so that a test can give its own. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

export class Output {
  readonly #terminal: Terminal;
  readonly #asJson: boolean;
  #progressShown = false;
  #progressMs = 0;

  constructor(terminal: Terminal, asJson: boolean) {
    this.#terminal = terminal;
    this.#asJson = asJson;
  }

  /** One result; `text` is made only where text is wanted. */
  async result(value: Readonly<Record<string, unknown>>, text: () => string): Promise<void> {
    await this.bytes(Buffer.from(`${this.#asJson ? JSON.stringify(value, plainNumbers) : text()}\n`));
  }

  /** Raw bytes; waits while a slow reader catches up. */
  async bytes(bytes: Uint8Array): Promise<void> {
    this.#clearProgress();
    if (!this.#terminal.stdout.write(bytes)) await once(this.#terminal.stdout, "drain");
  }

  note(text: string): void {
    this.#clearProgress();
    this.#terminal.stderr.write(`fsb: ${text}\n`);
  }

  error(error: unknown): void {
    this.note(explain(error));
  }

  /** Replaces the line before; `line` is made a few times a second at most. */
  progress(line: () => string): void {
    const nowMs = Date.now();
    if (this.#terminal.stderr.isTTY !== true || nowMs - this.#progressMs < progressIntervalMs) return;
    this.#progressMs = nowMs;
    this.#progressShown = true;
    this.#terminal.stderr.write(`\r\u001b[K${line().slice(0, lineWidthMax)}`);
  }

  /** Warnings of the layers below; what is of no use to a person at a terminal is left out. */
  log(): Log {
    const log: Log = {
      debug: () => undefined,
      info: () => undefined,
      warn: (message) => this.note(message),
      error: (message, error) => this.note(`${message}: ${explain(error)}`),
      with: () => log,
    };
    return log;
  }

  #clearProgress(): void {
    if (this.#progressShown) this.#terminal.stderr.write("\r\u001b[K");
    this.#progressShown = false;
  }
}

/** 1536 → `1.5 KiB`. */
export function formatBytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

function plainNumbers(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
