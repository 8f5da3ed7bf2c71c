/** The repository's password: from a file, the environment, or asked for. Never an argument, for others see those. */

import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { CliError } from "./cli-error.ts";
import type { Terminal } from "./terminal.ts";

/** `--password-file`, then FSB_PASSWORD, then KOPIA_PASSWORD, then the terminal. */
export async function readPassword(
  terminal: Terminal,
  passwordFile: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  if (passwordFile !== undefined) return await readPasswordFile(passwordFile, signal);
  const fromEnvironment = terminal.env.FSB_PASSWORD ?? terminal.env.KOPIA_PASSWORD;
  if (fromEnvironment !== undefined && fromEnvironment !== "") return fromEnvironment;
  if (terminal.stdin.isTTY) return await ask(terminal, signal);
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

async function ask(terminal: Terminal, signal: AbortSignal): Promise<string> {
  terminal.stderr.write("repository password: ");
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: terminal.stdin, output: unseen, terminal: true });
  try {
    return await lines.question("", { signal });
  } finally {
    lines.close();
    terminal.stderr.write("\n");
  }
}
