/** What an object is made of, told content by content; only its lists are read. */

import type { ContentId } from "../repository/content/content-id.ts";
import { iterateIndirectList } from "../repository/object/indirect-list.ts";
import { type ObjectId, takeApart } from "../repository/object/object-id.ts";
import type { ObjectReader } from "../repository/object/object-reader.ts";

/** As readers of objects bound it. */
const listBytesMax = 256 << 20;

export type UseContent = (id: ContentId, compressed: boolean) => void;

/**
 * Tells all contents of the object's bytes and of its lists, and gives the length that its list says; undefined for one without
 * a list. A list whose own contents `use` throws for is not read. Errors: as of reading the lists, and what `use` throws.
 */
export async function eachContent(
  objects: ObjectReader,
  id: ObjectId,
  use: UseContent,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { indirections, compressed, contentId } = takeApart(id);
  if (indirections === 0) {
    use(contentId, compressed);
    return undefined;
  }
  const list = id.slice(1) as ObjectId;
  await eachContent(objects, list, use, signal);
  let length = 0;
  for (const entry of iterateIndirectList(await objects.readWhole(list, listBytesMax, signal), id)) {
    await eachContent(objects, entry.objectId, use, signal);
    length = entry.start + entry.length;
  }
  return length;
}
