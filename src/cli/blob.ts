/** `fsb blob list|show|stats`. */

import type { Command } from "commander";
import { countBlobs, storedBlobs } from "../inspect/stored-blobs.ts";
import { blobKindOf } from "../repository/blob/blob-kind.ts";
import { parseBlobId } from "../repository/blob/blob-store.ts";
import { writeView } from "./bytes-view.ts";
import { addRepositoryOptions, type CommonOptions, type Invocation, openForReading, outputOf } from "./invocation.ts";
import { addListOptions, asBytes, asTime, type Column, type ListOptions, type Row, writeList } from "./listing.ts";
import { formatBytes } from "./terminal.ts";

const columns: readonly Column[] = [
  { field: "blobId", title: "BLOB" },
  { field: "kind" },
  { field: "length", title: "SIZE", ...asBytes },
  { field: "time", ...asTime },
  { field: "session", isWide: true },
];

interface PrefixOption extends CommonOptions {
  readonly prefix?: string;
}

export function addBlobCommands(program: Command, invocation: Invocation): void {
  const blob = program.command("blob").description("look at what lies in the store");
  const prefix = ["--prefix <text>", "those whose ids begin so"] as const;
  addListOptions(addRepositoryOptions(blob.command("list").description("all blobs")))
    .option(...prefix)
    .action((options: PrefixOption & ListOptions) => list(invocation, options));
  addRepositoryOptions(
    blob.command("show").description("what is in a blob, opened where the repository's key opens it"),
  )
    .argument("<blob>", "its id")
    .option("--raw", "the bytes as they are stored")
    .action((id: string, options: CommonOptions & { readonly raw?: boolean }) => show(invocation, id, options));
  addRepositoryOptions(blob.command("stats").description("how many there are of each kind, and how large"))
    .option(...prefix)
    .action((options: PrefixOption) => stats(invocation, options));
}

async function list(invocation: Invocation, options: PrefixOption & ListOptions): Promise<void> {
  await using repository = await openForReading(invocation, options);
  const { signal } = invocation;
  async function* rows(): AsyncIterable<Row> {
    for await (const { id, kind, length, modifiedMs, session } of storedBlobs(
      repository,
      options.prefix ?? "",
      signal,
    )) {
      yield { blobId: id, kind, length, time: new Date(modifiedMs).toISOString(), session };
    }
  }
  await writeList(outputOf(invocation, options), columns, rows(), options);
}

async function show(
  invocation: Invocation,
  text: string,
  options: CommonOptions & { readonly raw?: boolean },
): Promise<void> {
  await using repository = await openForReading(invocation, options);
  const { signal } = invocation;
  const output = outputOf(invocation, options);
  const id = parseBlobId(text);
  if (options.raw === true) {
    await output.bytes(await repository.store.get(id, { signal }));
    return;
  }
  const isSealed = ["session", "index", "log"].includes(blobKindOf(id)) || /^[ml][0-9a-f]{32}/.test(id);
  await writeView(
    output,
    isSealed ? await repository.sealedBlobs.read(id, signal) : await repository.store.get(id, { signal }),
  );
}

async function stats(invocation: Invocation, options: PrefixOption): Promise<void> {
  await using repository = await openForReading(invocation, options);
  const totals = await countBlobs(storedBlobs(repository, options.prefix ?? "", invocation.signal));
  await outputOf(invocation, options).result({ ...totals }, () => [
    `${totals.count} blobs, ${formatBytes(totals.bytes)}`,
    ...Object.entries(totals.kinds).map(
      ([kind, { count, bytes }]) => `${`${kind}:`.padEnd(16)}${String(count).padStart(9)}  ${formatBytes(bytes)}`,
    ),
  ]);
}
