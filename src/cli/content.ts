/** `fsb content list|show|stats`. */

import { type Command, InvalidArgumentError, Option } from "commander";
import { countContents } from "../inspect/content-totals.ts";
import { parseContentId } from "../repository/content/content-id.ts";
import { writeView } from "./bytes-view.ts";
import { contentColumns, contentRows } from "./content-rows.ts";
import { addRepositoryOptions, type CommonOptions, type Invocation, openForReading, outputOf } from "./invocation.ts";
import { addListOptions, type ListOptions, writeList } from "./listing.ts";
import { formatBytes } from "./terminal.ts";

interface ContentOptions extends CommonOptions {
  readonly prefix?: string;
  readonly deleted?: boolean;
}

export function addContentCommands(program: Command, invocation: Invocation): void {
  const content = program.command("content").description("look at what the index knows");
  const prefix = (): Option =>
    new Option("--prefix <letter>", "those whose ids begin with a letter").argParser(letterOf);
  addListOptions(addRepositoryOptions(content.command("list").description("all contents, by their ids")))
    .addOption(prefix())
    .option("--deleted", "also those that are deleted and still there")
    .action((options: ContentOptions & ListOptions) => list(invocation, options));
  addRepositoryOptions(content.command("show").description("a content, opened and checked"))
    .argument("<content>", "its id")
    .option("--raw", "its plain bytes")
    .action((id: string, options: CommonOptions & { readonly raw?: boolean }) => show(invocation, id, options));
  addRepositoryOptions(content.command("stats").description("how many there are, and what they take"))
    .addOption(prefix())
    .action((options: ContentOptions) => stats(invocation, options));
}

async function list(invocation: Invocation, options: ContentOptions & ListOptions): Promise<void> {
  await using repository = await openForReading(invocation, options);
  const records = repository.index.records(options.prefix, options.deleted === true ? "with" : "without");
  await writeList(outputOf(invocation, options), contentColumns, contentRows(records), options);
}

async function show(
  invocation: Invocation,
  text: string,
  options: CommonOptions & { readonly raw?: boolean },
): Promise<void> {
  const id = parseContentId(text);
  await using repository = await openForReading(invocation, options);
  const output = outputOf(invocation, options);
  const bytes = await repository.contents.read(id, invocation.signal);
  if (options.raw === true) await output.bytes(bytes);
  else await writeView(output, bytes);
}

async function stats(invocation: Invocation, options: ContentOptions): Promise<void> {
  await using repository = await openForReading(invocation, options);
  const totals = countContents(repository.index.records(options.prefix, "with"));
  const line = (name: string, sum: { readonly count: number; readonly bytes: number; readonly packedBytes: number }) =>
    `${`${name}:`.padEnd(24)}${String(sum.count).padStart(9)}  ${formatBytes(sum.bytes)}, packed ${formatBytes(sum.packedBytes)}`;
  await outputOf(invocation, options).result({ ...totals }, () => [
    line("contents", totals),
    ...Object.entries(totals.prefixes).map(([prefix, sum]) => line(prefix === "" ? "  of files" : `  ${prefix}`, sum)),
    ...Object.entries(totals.compressions).map(([name, sum]) => line(`  compression ${name}`, sum)),
    line("deleted, still there", totals.deleted),
  ]);
}

function letterOf(text: string): string {
  if (/^[g-z]$/.test(text)) return text;
  throw new InvalidArgumentError("a letter from g to z is wanted");
}
