/** A repository's splitter by its name: where an object is cut into contents. */

import { chunkBytesMaxOf } from "../chunk-size.ts";
import type { SplitterName } from "../kernel.ts";
import { dynamicSizes, findCut } from "./buzhash.ts";
import { findRabinKarpCut } from "./rabin-karp.ts";

export interface Splitter {
  /** No chunk is longer: given so many bytes, there is a cut in them. */
  readonly chunkBytesMax: number;
  /** Length of the first chunk of `bytes`, or undefined where no cut lies in them. Does not depend on what came before. */
  readonly findCut: (bytes: Uint8Array) => number | undefined;
}

export function splitterOf(name: SplitterName): Splitter {
  const chunkBytesMax = chunkBytesMaxOf(name);
  if (name.startsWith("FIXED")) {
    return { chunkBytesMax, findCut: (chunk) => (chunk.byteLength < chunkBytesMax ? undefined : chunkBytesMax) };
  }
  const sizes = dynamicSizes(chunkBytesMax / 2);
  const find = name.endsWith("RABINKARP") ? findRabinKarpCut : findCut;
  return { chunkBytesMax, findCut: (chunk) => find(chunk, sizes) };
}
