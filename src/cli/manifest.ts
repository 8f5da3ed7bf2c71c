/** `fsb manifest list|show`. */

import type { Command } from "commander";
import { fromUtf8 } from "../base/bytes.ts";
import { formatGoTime } from "../base/go-time.ts";
import type { ManifestEntry } from "../repository/manifest/manifest-codec.ts";
import { CliError } from "./cli-error.ts";
import { addRepositoryOptions, type CommonOptions, type Invocation, openForReading, outputOf } from "./invocation.ts";
import { addListOptions, asBytes, asTime, type Column, type ListOptions, type Row, writeList } from "./listing.ts";
import { documentLines } from "./terminal.ts";

const columns: readonly Column[] = [
  { field: "manifestId", title: "MANIFEST" },
  { field: "modified", ...asTime },
  { field: "length", title: "SIZE", ...asBytes },
  {
    field: "labels",
    text: (labels: Readonly<Record<string, string>>) =>
      Object.entries(labels)
        .map(([label, value]) => `${label}=${value}`)
        .join(" "),
  },
];

export function addManifestCommands(program: Command, invocation: Invocation): void {
  const manifest = program.command("manifest").description("look at manifests: snapshots, policies, maintenance");
  addListOptions(addRepositoryOptions(manifest.command("list").description("all manifests, oldest first"))).action(
    (options: CommonOptions & ListOptions) => list(invocation, options),
  );
  addRepositoryOptions(manifest.command("show").description("a manifest in full"))
    .argument("<manifest>", "its id")
    .action((id: string, options: CommonOptions) => show(invocation, id, options));
}

async function list(invocation: Invocation, options: CommonOptions & ListOptions): Promise<void> {
  await using repository = await openForReading(invocation, options);
  const manifests = await repository.loadManifests(invocation.signal);
  await writeList(outputOf(invocation, options), columns, manifests.find({}).map(describe), options);
}

async function show(invocation: Invocation, id: string, options: CommonOptions): Promise<void> {
  await using repository = await openForReading(invocation, options);
  const manifest = (await repository.loadManifests(invocation.signal)).get(id);
  if (manifest === undefined) {
    throw new CliError("CLI_MANIFEST_NOT_FOUND", `there is no manifest ${id.slice(0, 80)}`, {
      hint: "`fsb manifest list` shows what there is",
    });
  }
  const value = { ...describe(manifest), document: documentOf(manifest) };
  await outputOf(invocation, options).result(value, () => documentLines(value));
}

function describe({ id, modifiedNs, labels, data }: ManifestEntry): Row {
  return { manifestId: id, modified: formatGoTime(modifiedNs), length: data.byteLength, labels };
}

/** What is no JSON is shown as the text that it is. */
function documentOf({ data }: ManifestEntry): unknown {
  const text = fromUtf8(data);
  try {
    return JSON.parse(text);
  } catch {
    return text; // To be looked at all the same.
  }
}
