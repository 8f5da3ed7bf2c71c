/**
 * A file that is written under a temporary name and put in its place when it is whole, so that a crash leaves the old
 * or the new one. It is a fresh file: what a link at the target names, or another name of the same file, is never
 * written.
 */

import { strict as assert } from "node:assert";
import { rename, unlink } from "node:fs/promises";
import { bufferOf } from "../base/bytes.ts";
import { type RandomSource, systemRandom } from "../base/random.ts";
import { type AttributeDifference, type Attributes, applyAttributes } from "./attributes.ts";
import { Descriptor, fsync, ftruncate, openFlags, write } from "./descriptor.ts";
import { temporaryName } from "./entry-name.ts";
import type { OpenFolder } from "./open-folder.ts";
import { attempt, VolumeError } from "./volume-error.ts";

/**
 * Holes are made of whole blocks of this many bytes, on their boundaries: runs of zeros that are long enough to be worth
 * the fragment, and what databases lay out in pages stays in one piece.
 */
const holeBlockBytes = 64 << 10;
const zeroBlock = Buffer.alloc(holeBlockBytes);

export interface NewFileOptions {
  /** "holes" leaves blocks that are all zero unwritten; they read as zeros and take no space. */
  readonly zeros?: "written" | "holes";
  readonly random?: RandomSource;
}

export interface CommitOptions {
  /** The contents are on storage before the name is; needed only where `syncVolume` does not follow. */
  readonly sync?: "before-rename";
}

/**
 * Errors: VOLUME_ACCESS_DENIED, VOLUME_FULL, VOLUME_READ_ONLY, VOLUME_FAILED. The caller commits or disposes it; the
 * folder stays open until then.
 */
export async function createFile(folder: OpenFolder, options: NewFileOptions = {}): Promise<NewFile> {
  const name = temporaryName(options.random ?? systemRandom);
  const descriptor = await attempt("create a file in", folder.displayPath, () =>
    Descriptor.open(folder.pathOf(name), openFlags.newFile, 0o600),
  );
  return new NewFile(folder, name, descriptor, options.zeros ?? "written");
}

export class NewFile implements AsyncDisposable {
  readonly #folder: OpenFolder;
  readonly #temporaryName: Uint8Array;
  readonly #descriptor: Descriptor;
  readonly #zeros: "written" | "holes";
  /** Bytes that the file shall have. */
  #length = 0;
  /** Bytes that it has; less than the length when it ends in a hole. */
  #extent = 0;
  #finished = false;

  constructor(folder: OpenFolder, temporary: Uint8Array, descriptor: Descriptor, zeros: "written" | "holes") {
    this.#folder = folder;
    this.#temporaryName = temporary;
    this.#descriptor = descriptor;
    this.#zeros = zeros;
  }

  /**
   * Puts the bytes at the position, whole. Several calls may run at once; each byte of the file is written once at
   * most, what never is reads as zero. The bytes must not change until it returns.
   */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    assert(Number.isSafeInteger(position) && position >= 0, "a position counts bytes");
    this.#length = Math.max(this.#length, position + bytes.byteLength);
    const whole = bufferOf(bytes);
    await attempt("write to", this.#displayPath, async () => {
      if (this.#zeros === "written") return await this.#writeRun(whole, position);
      for (const run of runsBetweenHoles(whole, position)) {
        await this.#writeRun(whole.subarray(run.start, run.end), position + run.start);
      }
    });
  }

  /** The length the file shall have at least; known in advance, it is refused in advance where it is too large. */
  async setLength(length: number): Promise<void> {
    assert(Number.isSafeInteger(length) && length >= this.#length, "a file does not become shorter");
    await attempt("set the length of", this.#displayPath, () => ftruncate(this.#descriptor.fd, length));
    this.#length = length;
    this.#extent = Math.max(this.#extent, length);
  }

  /**
   * Sets the attributes, puts the file in place of what bears the name, and gives what reading back found different.
   *
   * Errors: VOLUME_FOLDER_IN_THE_WAY when a folder bears the name; those of `createFile`. The file is gone then.
   */
  async commit(name: Uint8Array, attributes: Attributes, options: CommitOptions = {}): Promise<AttributeDifference[]> {
    assert(!this.#finished, "the file is finished");
    try {
      const target = this.#folder.pathOf(name);
      return await attempt("restore file", this.#folder.displayPathOf(name), async () => {
        const { fd } = this.#descriptor;
        if (this.#extent < this.#length) await ftruncate(fd, this.#length);
        const differences = await applyAttributes(fd, { ...attributes, size: this.#length }, this.#folder.system);
        if (options.sync === "before-rename") await fsync(fd);
        // Closed first: on NFS a full disk shows only here, and the old file should still be there then.
        await this.#descriptor.close();
        await rename(this.#folder.pathOf(this.#temporaryName), target);
        this.#finished = true;
        return differences;
      });
    } catch (error) {
      await this.discard();
      throw error;
    }
  }

  /** Gives the file up. */
  async discard(): Promise<void> {
    if (this.#finished) return;
    this.#finished = true;
    await this.#descriptor.close().catch(() => undefined); // Why it is given up tells more than this would.
    await unlink(this.#folder.pathOf(this.#temporaryName)).catch(() => undefined); // Likewise.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discard();
  }

  get #displayPath(): string {
    return this.#folder.displayPathOf(this.#temporaryName);
  }

  async #writeRun(bytes: Buffer, position: number): Promise<void> {
    for (let done = 0; done < bytes.byteLength; ) {
      const { bytesWritten } = await write(this.#descriptor.fd, bytes, done, bytes.byteLength - done, position + done);
      if (bytesWritten === 0) {
        throw new VolumeError("VOLUME_FAILED", `${this.#folder.displayPath} took none of ${bytes.byteLength} bytes`);
      }
      done += bytesWritten;
    }
    this.#extent = Math.max(this.#extent, position + bytes.byteLength);
  }
}

/** The parts of the bytes that are not all zero, block by block of the file they go to, joined where they touch. */
function* runsBetweenHoles(
  bytes: Buffer,
  position: number,
): Iterable<{ readonly start: number; readonly end: number }> {
  let runStart: number | undefined;
  for (let start = 0; start < bytes.byteLength; ) {
    const toBoundary = holeBlockBytes - ((position + start) % holeBlockBytes);
    const end = Math.min(bytes.byteLength, start + toBoundary);
    if (isZero(bytes, start, end)) {
      if (runStart !== undefined) yield { start: runStart, end: start };
      runStart = undefined;
    } else runStart ??= start;
    start = end;
  }
  if (runStart !== undefined) yield { start: runStart, end: bytes.byteLength };
}

function isZero(bytes: Buffer, start: number, end: number): boolean {
  return bytes[start] === 0 && bytes.compare(zeroBlock, 0, end - start, start, end) === 0;
}
