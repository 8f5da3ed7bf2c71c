/**
 * What the program says. Results go to standard output, as text, as JSON with one object a line, or as YAML with one document
 * each; everything else to standard error. A progress line shows only where standard error is a terminal.
 *
 * Names, tags and sources come from volumes and repositories of others: what would steer the terminal is shown, not sent.
 */

import { explain } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { CliError } from "./cli-error.ts";

const progressIntervalMs = 200;
const lineWidthMax = 120;

export interface Terminal {
  /** Also the environment, so that a test can give its own. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

export const outputFormats = ["table", "wide", "json", "yaml"] as const;

export type OutputFormat = (typeof outputFormats)[number];

export class Output {
  readonly format: OutputFormat;
  readonly #terminal: Terminal;
  #progressShown = false;
  #progressMs = 0;

  constructor(terminal: Terminal, format: OutputFormat = "table") {
    this.#terminal = terminal;
    this.format = format;
  }

  /** For people, and not for programs. */
  get isTable(): boolean {
    return this.format === "table" || this.format === "wide";
  }

  /** One result; `text`, a line or several, is made only where text is wanted. Errors: CLI_OUTPUT_FAILED. */
  async result(value: Readonly<Record<string, unknown>>, text: () => string | readonly string[]): Promise<void> {
    await this.lines(this.isTable ? [text()].flat() : await this.encode(value));
  }

  /** What would steer the terminal is escaped. False once the reader went away. Errors: CLI_OUTPUT_FAILED. */
  async lines(lines: readonly string[]): Promise<boolean> {
    return await this.bytes(Buffer.from(lines.map(printable).join("\n").concat("\n")));
  }

  /** Lines for programs. What `printable` puts for a character means the same in JSON, and in YAML's quotes. */
  async encode(value: Readonly<Record<string, unknown>>): Promise<readonly string[]> {
    const json = JSON.stringify(value, plainNumbers);
    if (this.format === "json") return [json];
    const { stringify } = await import("yaml"); // Few ask for it.
    const yaml = stringify(JSON.parse(json), {
      defaultStringType: "QUOTE_DOUBLE",
      defaultKeyType: "PLAIN",
      lineWidth: 0,
    });
    return ["---", ...yaml.trimEnd().split("\n")];
  }

  /**
   * Raw bytes; waits while a slow reader catches up. False once the reader went away, as `head` does: that is no failure,
   * and what the command does besides goes on. Errors: CLI_OUTPUT_FAILED.
   */
  async bytes(bytes: Uint8Array): Promise<boolean> {
    this.#clearProgress();
    const error = await this.#write(bytes);
    if (error === undefined) return true;
    const { code = error.message } = error;
    if (code === "EPIPE" || code === "ERR_STREAM_DESTROYED") return false;
    throw new CliError("CLI_OUTPUT_FAILED", `could not write the result: ${code}`, { cause: error });
  }

  note(text: string): void {
    this.#tell(printable(text));
  }

  error(error: unknown): void {
    this.#tell(explain(error).split("\n").map(printable).join("\n"));
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

  #tell(lines: string): void {
    this.#clearProgress();
    this.#terminal.stderr.write(`fsb: ${lines}\n`);
  }

  async #write(bytes: Uint8Array): Promise<NodeJS.ErrnoException | undefined> {
    return await new Promise((resolve) => this.#terminal.stdout.write(bytes, (error) => resolve(error ?? undefined)));
  }

  #clearProgress(): void {
    if (this.#progressShown) this.#terminal.stderr.write("\r\u001b[K");
    this.#progressShown = false;
  }
}

/** Escaped as in JSON: control and formatting characters, and separators of lines. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character
      .split("")
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}

/** A document for people: JSON over several lines. */
export function documentLines(value: Readonly<Record<string, unknown>>): readonly string[] {
  return JSON.stringify(value, plainNumbers, 2).split("\n");
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
