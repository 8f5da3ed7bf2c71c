/** A tiny file system in memory, to run out of room on or to mount read-only. Root only. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";

export class SmallVolume implements Disposable {
  readonly folder: string;

  /** Mounted on a new folder below `parent`, or on one that is there, until it is disposed. */
  constructor(parent: string | { readonly folder: string }, megabytes: number) {
    this.folder = typeof parent === "string" ? mkdtempSync(join(parent, "volume-")) : parent.folder;
    run("mount", "-t", "tmpfs", "-o", `size=${megabytes}m,mode=755`, "tmpfs", this.folder);
  }

  makeReadOnly(): void {
    run("mount", "-o", "remount,ro", this.folder);
  }

  [Symbol.dispose](): void {
    run("umount", "--lazy", this.folder);
  }
}

function run(command: string, ...args: readonly string[]): void {
  const done = spawnSync(command, args, { encoding: "utf8" });
  assert.equal(done.status, 0, `${command} ${args.join(" ")}: ${done.stderr}`);
}
