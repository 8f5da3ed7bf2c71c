/** Trees as literals: `{ "a.txt": "hello", dir: { link: linkTo("../a.txt") } }`. */

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Link {
  readonly target: string;
}

export interface Tree {
  readonly [name: string]: string | Uint8Array | Link | Tree;
}

const links = new WeakSet<object>();

export function linkTo(target: string): Link {
  const link = { target };
  links.add(link);
  return link;
}

/** Writes the tree into the folder, which is made if need be; files that are there are written over. */
export function writeTree(folder: string, tree: Tree): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, value] of Object.entries(tree)) {
    const path = join(folder, name);
    if (typeof value === "string" || value instanceof Uint8Array) writeFileSync(path, value);
    else if (isLink(value)) symlinkSync(value.target, path);
    else writeTree(path, value);
  }
}

function isLink(value: Link | Tree): value is Link {
  return links.has(value);
}
