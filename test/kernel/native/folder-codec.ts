/** The codecs of native/kernel/src/snapshot/ as a program that is asked and answers: native/kernel/examples/folder_codec.rs. */

import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { toUtf8 } from "../../../src/base/bytes.ts";
import type { DirectoryEntry } from "../../../src/snapshot/directory-entry.ts";
import { encodeSummary, type Summary } from "../../../src/snapshot/summary.ts";

const workspace = join(import.meta.dirname, "..", "..", "..", "native");

/** One request at a time. */
export class FolderCodec implements AsyncDisposable {
  readonly #program: ChildProcessByStdio<Writable, Readable, null>;
  #received: Buffer = Buffer.alloc(0);
  #wake: () => void = () => undefined;

  /** Built if it is not; or why it cannot be. */
  static start(): FolderCodec | string {
    const args = ["build", "--release", "--locked", "--quiet", "--package", "fsb-kernel", "--example", "folder_codec"];
    const cargo = spawnSync("cargo", args, { cwd: workspace, stdio: ["ignore", "ignore", "inherit"] });
    if (cargo.error !== undefined) return "there is no cargo to build the native codecs with";
    assert.equal(cargo.status, 0, "cargo builds the native codecs");
    return new FolderCodec(join(workspace, "target", "release", "examples", "folder_codec"));
  }

  private constructor(path: string) {
    this.#program = spawn(path, [], { stdio: ["pipe", "pipe", "inherit"], env: {} });
    this.#program.stdout.on("data", (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    this.#program.once("close", () => this.#wake());
  }

  /** `task` is a letter of the program's. */
  async ask(task: string, about: Uint8Array | string): Promise<Buffer> {
    const bytes = typeof about === "string" ? toUtf8(about) : about;
    this.#program.stdin.write(Buffer.concat([toUtf8(task), lengthOf(bytes), bytes]));
    for (;;) {
      const { byteLength } = this.#received;
      const end = byteLength < 4 ? Number.POSITIVE_INFINITY : 4 + this.#received.readUInt32LE(0);
      if (byteLength >= end) {
        const answer = this.#received.subarray(4, end);
        this.#received = this.#received.subarray(end);
        return answer;
      }
      assert.equal(this.#program.exitCode, null, "the program of the codecs runs");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#program, "close");
    this.#program.stdin.end();
    await ended;
  }
}

/** What several tasks are about: each field behind its length. */
export function fieldsOf(fields: readonly (Uint8Array | string | number | bigint)[]): Uint8Array {
  const parts = fields.flatMap((field) => {
    const bytes = field instanceof Uint8Array ? field : toUtf8(String(field));
    return [lengthOf(bytes), bytes];
  });
  return Buffer.concat(parts);
}

/** The fields of a folder: its summary, the number of entries, and each of them. */
export function folderFields(entries: readonly DirectoryEntry[], summary: Summary): Uint8Array {
  return fieldsOf([encodeSummary(summary), ...entryFields(entries)]);
}

export function entryFields(entries: readonly DirectoryEntry[]): (Uint8Array | string | number | bigint)[] {
  return [entries.length, ...entries.flatMap(fieldsOfEntry)];
}

function fieldsOfEntry(entry: DirectoryEntry): (Uint8Array | string | number | bigint)[] {
  const { nameBytes, kind, mode, size, mtimeNs, uid, gid, objectId, summary } = entry;
  const below = summary === undefined ? [0] : [1, encodeSummary(summary)];
  return [nameBytes, kind, mode, size, mtimeNs, uid, gid, objectId, ...below];
}

function lengthOf(bytes: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.byteLength);
  return length;
}
