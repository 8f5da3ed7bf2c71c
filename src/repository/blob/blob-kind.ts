/** What a blob is for, told by how its id begins. Source: docs/format/blobs.md, "Names". */

export type BlobKind =
  | "format"
  | "maintenance"
  | "data pack"
  | "metadata pack"
  | "session"
  | "index"
  | "epoch"
  | "log"
  | "other";

/** The first that begins the id tells. */
const kinds: readonly (readonly [prefix: string, kind: BlobKind])[] = [
  ["kopia.maintenance", "maintenance"],
  ["kopia.", "format"],
  ["udmrepo.", "format"],
  ["p", "data pack"],
  ["q", "metadata pack"],
  ["s", "session"],
  ["xe", "epoch"],
  ["xw", "epoch"],
  ["x", "index"],
  ["n", "index"],
  ["m", "maintenance"],
  ["l", "maintenance"],
  ["_", "log"],
];

/** Of a blob by its id, or of a listing by the prefix that it was asked for; "other" where several kinds begin so. */
export function blobKindOf(idOrPrefix: string): BlobKind {
  return kinds.find(([prefix]) => idOrPrefix.startsWith(prefix))?.[1] ?? "other";
}
