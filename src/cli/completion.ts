/**
 * `fsb completion bash|zsh|fish`: a script for the shell, made from the commands themselves. It names commands, flags and the
 * values that a flag chooses from; where it knows nothing, the shell offers files.
 */

import { Argument, type Command } from "commander";
import type { Invocation } from "./invocation.ts";
import { Output } from "./terminal.ts";

const shells = ["bash", "zsh", "fish"] as const;

type Shell = (typeof shells)[number];

/** What may follow a command. */
interface Place {
  /** "fsb snapshot ls". */
  readonly path: string;
  readonly words: readonly string[];
  /** By flag: the values it chooses from, or none where it takes any. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

export function addCompletionCommand(program: Command, invocation: Invocation): void {
  program
    .command("completion")
    .description("a script that lets a shell complete commands and flags")
    .addArgument(new Argument("<shell>", "whose language the script is in").choices([...shells]))
    .addHelpText("after", "\nFor bash, in ~/.bashrc: source <(fsb completion bash)")
    .action(async (shell: Shell) => {
      const script = scripts[shell](placesBelow(program));
      await new Output(invocation.terminal).bytes(Buffer.from(script));
    });
}

/** The command's own first. */
export function placesBelow(command: Command, above: readonly string[] = []): readonly Place[] {
  const names = [...above, command.name()];
  const values = new Map<string, readonly string[]>();
  const flags: string[] = ["-h", "--help"];
  for (const option of command.options) {
    const own = [option.short, option.long].filter((flag) => flag !== undefined && flag !== null);
    flags.push(...own);
    if (option.required || option.optional) for (const flag of own) values.set(flag, option.argChoices ?? []);
  }
  const choices = command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices);
  const words = [...command.commands.map((below) => below.name()), ...choices, ...flags];
  const place = { path: names.join(" "), words: [...new Set(words)], values };
  return [place, ...command.commands.flatMap((below) => placesBelow(below, names))];
}

const scripts: Readonly<Record<Shell, (places: readonly Place[]) => string>> = {
  bash: bashScript,
  zsh: (places) => `autoload -U +X bashcompinit && bashcompinit\n${bashScript(places)}`,
  fish: fishScript,
};

/** Names of commands, flags and choices are letters, digits and dashes: nothing in them wants quotes. */
function bashScript(places: readonly Place[]): string {
  const paths = places.map(({ path }) => `'${path}'`).join("|");
  const words = places.map(({ path, words }) => `    '${path}') words='${words.join(" ")}' ;;`);
  const values = places.flatMap(({ path, values }) =>
    [...values].map(([flag, choices]) => `    '${path} ${flag}') words='${choices.join(" ")}' ;;`),
  );
  return `${[
    "_fsb() {",
    `  local at=fsb word words current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]}`,
    `  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do`,
    `    case "$at $word" in ${paths}) at="$at $word" ;; esac`,
    "  done",
    '  case "$at" in',
    ...words,
    "  esac",
    '  case "$at $before" in',
    ...values,
    "  esac",
    '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
    "}",
    "complete -o default -F _fsb fsb",
  ].join("\n")}\n`;
}

function fishScript(places: readonly Place[]): string {
  const paths = places.map(({ path }) => `'${path}'`).join(" ");
  const lines = places.flatMap(({ path, words, values }) => [
    `complete -c fsb -n '__fsb_at "${path}"' -a '${words.filter((word) => !word.startsWith("-")).join(" ")}'`,
    ...words
      .filter((word) => word.startsWith("-"))
      .map((flag) => {
        const name = flag.startsWith("--") ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`;
        const choices = values.get(flag);
        const taken = choices === undefined ? "" : choices.length === 0 ? " -r" : ` -x -a '${choices.join(" ")}'`;
        return `complete -c fsb -n '__fsb_at "${path}"' ${name}${taken}`;
      }),
  ]);
  return `${[
    "function __fsb_at",
    "  set -l at fsb",
    "  for word in (commandline -opc)[2..-1]",
    `    contains -- "$at $word" ${paths}; and set at "$at $word"`,
    "  end",
    '  test "$at" = "$argv[1]"',
    "end",
    ...lines,
  ].join("\n")}\n`;
}
