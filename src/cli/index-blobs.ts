/** `fsb index list`. */

import type { Command } from "commander";
import { countEntries, indexBlobs } from "../inspect/index-blobs.ts";
import { addRepositoryOptions, type CommonOptions, type Invocation, openForReading, outputOf } from "./invocation.ts";
import { addListOptions, asBytes, asTime, type Column, type ListOptions, type Row, writeList } from "./listing.ts";

const columns: readonly Column[] = [
  {
    field: "epoch",
    text: (epoch: number, { lastEpoch }) => (epoch === lastEpoch ? `${epoch}` : `${epoch}-${lastEpoch}`),
  },
  { field: "blobId", title: "BLOB" },
  { field: "kind" },
  { field: "counts", text: (counts: boolean) => (counts ? "yes" : "superseded") },
  { field: "entries" },
  { field: "length", title: "SIZE", ...asBytes },
  { field: "time", ...asTime },
  { field: "session", isWide: true },
  { field: "problem" },
];

export function addIndexCommands(program: Command, invocation: Invocation): void {
  const index = program.command("index").description("look at the index blobs");
  addListOptions(
    addRepositoryOptions(index.command("list").description("all index blobs, by epoch, each with how much it says")),
  ).action((options: CommonOptions & ListOptions) => list(invocation, options));
}

async function list(invocation: Invocation, options: CommonOptions & ListOptions): Promise<void> {
  const { signal } = invocation;
  // One that does not open is a row, with why.
  await using repository = await openForReading(invocation, options, { onDamagedIndex: () => undefined });
  const blobs = await indexBlobs(repository, signal);
  async function* rows(): AsyncIterable<Row> {
    for (const blob of blobs) {
      const { id, kind, epoch, lastEpoch, counts, length, modifiedMs, session } = blob;
      const { entries, problem } = await countEntries(repository, blob, signal);
      const time = new Date(modifiedMs).toISOString();
      yield { blobId: id, kind, epoch, lastEpoch, counts, entries, length, time, session, problem };
    }
  }
  await writeList(outputOf(invocation, options), columns, rows(), options);
}
