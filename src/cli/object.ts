/** `fsb object show`. */

import type { Command } from "commander";
import { keyOf } from "../repository/content/content-id.ts";
import { parseObjectId } from "../repository/object/object-id.ts";
import { addRepositoryOptions, type CommonOptions, type Invocation, openForReading, outputOf } from "./invocation.ts";
import { addListOptions, asBytes, type Column, type ListOptions, type Row, writeList } from "./listing.ts";

const columns: readonly Column[] = [
  { field: "start" },
  { field: "length", title: "SIZE", ...asBytes },
  { field: "contentId", title: "CONTENT" },
  { field: "packedLength", title: "PACKED", ...asBytes },
  { field: "pack", text: (pack: string) => pack || "in no index" },
  { field: "packOffset", title: "OFFSET", isWide: true },
];

export function addObjectCommands(program: Command, invocation: Invocation): void {
  const object = program.command("object").description("look at the objects that files and folders are");
  addListOptions(
    addRepositoryOptions(
      object.command("show").description("the chunks that an object is made of, and where they lie"),
    ),
  )
    .argument("<object>", "its id, as `fsb snapshot ls --json` tells it")
    .action((id: string, options: CommonOptions & ListOptions) => show(invocation, id, options));
}

async function show(invocation: Invocation, text: string, options: CommonOptions & ListOptions): Promise<void> {
  const id = parseObjectId(text);
  await using repository = await openForReading(invocation, options);
  const { objects, index } = repository;
  async function* rows(): AsyncIterable<Row> {
    let start = 0;
    for await (const chunk of objects.chunksOf(id, invocation.signal)) {
      const { contentId } = chunk;
      const record = index.find(keyOf(contentId));
      const length = chunk.length ?? record?.originalLength ?? 0;
      const { packId: pack = "", packOffset = 0, packedLength = 0 } = record ?? {};
      yield { start, length, contentId, compressed: chunk.compressed, packedLength, pack, packOffset };
      start += length;
    }
  }
  await writeList(outputOf(invocation, options), columns, rows(), options);
}
