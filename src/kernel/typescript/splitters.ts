/** A repository's splitter by its name: where an object is cut into contents. */

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
  const [kind, size, algorithm] = name.split("-") as [string, string, string?];
  const bytes = Number.parseInt(size, 10) << (size.endsWith("M") ? 20 : 10);
  if (kind === "FIXED") {
    return { chunkBytesMax: bytes, findCut: (chunk) => (chunk.byteLength < bytes ? undefined : bytes) };
  }
  const sizes = dynamicSizes(bytes);
  const find = algorithm === "RABINKARP" ? findRabinKarpCut : findCut;
  return { chunkBytesMax: sizes.maximum, findCut: (chunk) => find(chunk, sizes) };
}
