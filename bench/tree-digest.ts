/** What a folder holds as one digest, in an amount of memory that does not depend on how much it is. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type BigIntStats, closeSync, lstatSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";

const stepBytes = 1 << 20;

/**
 * SHA-256 over type, path, mode, owner, modification time in nanoseconds, size and bytes of all that lies in a folder, in
 * the order of the names. It holds files and folders alone; no link is followed.
 */
export function digestOf(folder: string): string {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(stepBytes);
  const visit = (at: string, path: string): void => {
    const stat = lstatSync(at, { bigint: true });
    if (stat.isDirectory()) {
      hash.update(`folder\0${path}\0${formatAttributes(stat)}\0`);
      visitAll(at, path);
      return;
    }
    assert.ok(stat.isFile(), `${path} is a file or a folder`);
    hash.update(`file\0${path}\0${formatAttributes(stat)} ${stat.size}\0`);
    const fd = openSync(at, "r");
    for (let length = readSync(fd, buffer); length > 0; length = readSync(fd, buffer)) {
      hash.update(buffer.subarray(0, length));
    }
    closeSync(fd);
  };
  const visitAll = (at: string, path: string): void => {
    for (const name of readdirSync(at).sort()) visit(join(at, name), `${path}/${name}`);
  };
  visitAll(folder, ".");
  return hash.digest("hex");
}

/** Mode, owner and modification time of the folder itself. */
export function attributesOf(folder: string): string {
  return formatAttributes(lstatSync(folder, { bigint: true }));
}

function formatAttributes({ mode, uid, gid, mtimeNs }: BigIntStats): string {
  return [mode.toString(8), uid, gid, mtimeNs].join(" ");
}
