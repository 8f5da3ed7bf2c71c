/**
 * Whether a file can keep the object it has in the parent snapshot without being read.
 *
 * The test is kopia's, so that its users and ours find the same files unchanged: no change time, no inode, no sampling.
 * The object is not checked to exist.
 *
 * Source: kopia snapshot/snapshotfs/upload.go (metadataEquals).
 */

import type { DirectoryEntry } from "./directory-entry.ts";

/** What `lstat` tells; `mode` is the twelve Unix bits, `size` of a link is the length of its target. */
export type LocalEntry = Pick<DirectoryEntry, "kind" | "mode" | "uid" | "gid" | "size" | "mtimeNs">;

/** `stored` has the same name in the same folder of the parent. Folders are never unchanged: each run walks them all. */
export function isUnchanged(local: LocalEntry, stored: DirectoryEntry): boolean {
  if (local.kind !== "file" && local.kind !== "symlink") return false;
  return (
    local.kind === stored.kind &&
    local.mtimeNs === stored.mtimeNs &&
    local.mode === stored.mode &&
    local.uid === stored.uid &&
    local.gid === stored.gid &&
    local.size === stored.size &&
    stored.objectId !== ""
  );
}
