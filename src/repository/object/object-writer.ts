/**
 * From chunks to an object id: one chunk is its own object, several are named by a list, which is an object again.
 *
 * Source: docs/format/objects.md; kopia repo/object/object_writer.go.
 */

import { strict as assert } from "node:assert";
import type { BytesToStore, Chunk } from "../../kernel/kernel.ts";
import { contentIdOf } from "../content/content-id.ts";
import { encodeIndirectList } from "./indirect-list.ts";
import { directObjectId, indirectObjectId, type ObjectId } from "./object-id.ts";

/** The slice of a content writer that objects need. */
export interface ChunkStore {
  storeBytes(items: readonly BytesToStore[], signal: AbortSignal): Promise<readonly Chunk[][]>;
}

/** Lists of objects without a prefix have this one. */
const listPrefix = "x";

/** Stores the bytes and gives their object ids, in order. */
export async function writeObjects(
  store: ChunkStore,
  items: readonly BytesToStore[],
  signal: AbortSignal,
): Promise<ObjectId[]> {
  const chunks = await store.storeBytes(items, signal);
  const ids: ObjectId[] = [];
  for (const [i, { prefix }] of items.entries()) ids.push(await objectOfChunks(store, prefix, chunks[i] ?? [], signal));
  return ids;
}

/** The object made of chunks that are stored already; `chunks` is not empty. */
export async function objectOfChunks(
  store: ChunkStore,
  prefix: string,
  chunks: readonly Chunk[],
  signal: AbortSignal,
): Promise<ObjectId> {
  const [first] = chunks;
  assert(first !== undefined, "an object has at least one chunk, if an empty one");
  if (chunks.length === 1) return directObjectId(contentIdOf(prefix, first.hash));
  const list = encodeIndirectList(
    chunks.map(({ hash, length }) => ({ length, objectId: directObjectId(contentIdOf(prefix, hash)) })),
  );
  const [listId] = await writeObjects(store, [{ prefix: prefix === "" ? listPrefix : prefix, bytes: list }], signal);
  return indirectObjectId(listId as ObjectId);
}
