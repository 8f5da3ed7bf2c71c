/** The repository's password: from a file, the environment, or asked for. Never an argument, for others see those. */

import { readFile } from "node:fs/promises";
import { Writable } from "node:stream";
import { CliError } from "./cli-error.ts";
import { cdThere, requireUtf8 } from "./path-argument.ts";
import type { Terminal } from "./terminal.ts";

export interface PasswordWanted {
  readonly file: string | undefined;
  /** A new password is asked for twice: nobody sees what is typed. */
  readonly isNew: boolean;
}

/** `--password-file`, then FSB_PASSWORD, then KOPIA_PASSWORD, then the terminal. Errors: CLI_PASSWORD_MISSING, CLI_USAGE. */
export async function readPassword(terminal: Terminal, wanted: PasswordWanted, signal: AbortSignal): Promise<string> {
  if (wanted.file !== undefined) return await readPasswordFile(requireUtf8(wanted.file, cdThere), signal);
  const fromEnvironment = terminal.env.FSB_PASSWORD || terminal.env.KOPIA_PASSWORD;
  if (fromEnvironment) return fromEnvironment;
  if (terminal.stdin.isTTY) return await askForPassword(terminal, wanted.isNew, signal);
  throw new CliError("CLI_PASSWORD_MISSING", "no password was given, and there is no terminal to ask for it", {
    hint: "set FSB_PASSWORD, or give --password-file",
  });
}

/** White space at the ends is no part of it, as Velero has it with its Secret. */
async function readPasswordFile(path: string, signal: AbortSignal): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, { encoding: "utf8", signal });
  } catch (cause) {
    if (signal.aborted) throw cause;
    throw new CliError("CLI_PASSWORD_MISSING", `password file ${path} cannot be read`, { cause });
  }
  if (text.trim() !== "") return text.trim();
  throw new CliError("CLI_PASSWORD_MISSING", `password file ${path} is empty`);
}

/** As with a file, white space at the ends is no part of it. */
async function askForPassword(terminal: Terminal, isNew: boolean, signal: AbortSignal): Promise<string> {
  const prompts = isNew ? ["new repository password: ", "the same again: "] : ["repository password: "];
  const [first = "", again = first] = (await ask(terminal, prompts, signal)).map((line) => line.trim());
  if (first === "") throw new CliError("CLI_PASSWORD_MISSING", "no password was typed");
  if (first !== again) throw new CliError("CLI_PASSWORD_MISSING", "the two passwords that were typed are not the same");
  return first;
}

/** The lines that are typed, unseen; an empty one ends the questions, as the end of the input does. Ctrl-C is an abort. */
async function ask(terminal: Terminal, prompts: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
  signal.throwIfAborted();
  const { createInterface } = await import("node:readline");
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: terminal.stdin, output: unseen, terminal: true });
  const typed: string[] = [];
  const prompt = (): void => void terminal.stderr.write(prompts[typed.length] ?? "");
  prompt();
  try {
    return await new Promise((resolve, reject) => {
      lines.on("line", (line) => {
        typed.push(line);
        if (typed.length === prompts.length || line.trim() === "") return resolve(typed);
        terminal.stderr.write("\n");
        prompt();
      });
      lines.once("close", () => resolve([]));
      lines.once("SIGINT", () => reject(new DOMException("Ctrl-C was typed", "AbortError")));
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  } finally {
    lines.close();
    terminal.stderr.write("\n");
  }
}
