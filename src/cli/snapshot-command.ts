/** What the commands of `fsb snapshot` have in common: a repository open for reading, and which of its snapshots count. */

import type { Command } from "commander";
import { explainInOneLine } from "../base/errors.ts";
import { exitCodes } from "./exit-code.ts";
import { addRepositoryOptions, type CommonOptions, type Invocation, openForReading, outputOf } from "./invocation.ts";
import type { ListOptions } from "./listing.ts";
import { addSelectionOptions, type SelectionOptions, type SnapshotChoice } from "./snapshot-selection.ts";

export interface SnapshotOptions extends CommonOptions, SelectionOptions, ListOptions {}

interface Context extends SnapshotChoice {
  readonly invocation: Invocation;
}

/** What a command does with an open repository, its flags and its arguments. */
export type Action<Options extends SnapshotOptions> = (
  context: Context & { readonly options: Options },
  ...args: readonly string[]
) => Promise<void>;

/** Flags of repository, choice and output are the command's afterwards. */
export function addSnapshotAction<Options extends SnapshotOptions>(
  command: Command,
  invocation: Invocation,
  action: Action<Options>,
): Command {
  addSelectionOptions(addRepositoryOptions(command));
  return command.action(async (...given: unknown[]) => {
    const args = given.slice(0, command.registeredArguments.length) as string[];
    const options: Options = command.opts();
    await using repository = await openForReading(invocation, options);
    const output = outputOf(invocation, options);
    await action({ repository, options, output, signal: invocation.signal, invocation }, ...args);
  });
}

/** What cannot be read is named, and the rest is told. */
export function tellUnreadable({ output, invocation }: Context) {
  const onUnreadable = (path: string, error: Error): void => {
    output.note(`${path || "."}: ${explainInOneLine(error)}`);
    invocation.exitCode = exitCodes.incomplete;
  };
  return { onUnreadable };
}
