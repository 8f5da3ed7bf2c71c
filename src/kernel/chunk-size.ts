import type { SplitterName } from "./kernel.ts";

/** No chunk that the splitter makes is longer. */
export function chunkBytesMaxOf(splitter: SplitterName): number {
  const [kind, size] = splitter.split("-") as [string, string];
  const bytes = Number.parseInt(size, 10) << (size.endsWith("M") ? 20 : 10);
  return kind === "FIXED" ? bytes : 2 * bytes;
}
