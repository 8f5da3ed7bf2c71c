/**
 * Descriptors: the only way to a file tree that cannot be talked into following a link.
 *
 * An entry is reached as `/proc/self/fd/<folder>/<name>`: the kernel goes straight to what the descriptor is open on,
 * wherever that has been moved to, and from there one component down. With `O_NOFOLLOW`, or a call that does not follow
 * the last component, no link is ever taken. Numeric descriptors, because Node's FileHandle closes itself at a time of
 * its own when it is forgotten; here everything is closed by the scope that opened it.
 */

import { strict as assert } from "node:assert";
import * as fs from "node:fs";
import { promisify } from "node:util";
import { bufferOf, toUtf8 } from "../base/bytes.ts";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = fs.constants;

/** Opens nothing, only holds on to the entry, of any kind; Node lacks it. The same on every architecture it runs on. */
const O_PATH = 0o10000000;

export const openFlags = {
  folder: O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
  /** Does not wait for the other end of a FIFO; the caller checks that it is a regular file. */
  file: O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
  newFile: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
  /** Also a symbolic link as such. */
  anything: O_PATH | O_NOFOLLOW,
} as const;

const open = promisify(fs.open);
const close = promisify(fs.close);

export const fchmod = promisify(fs.fchmod);
export const fchown = promisify(fs.fchown);
export const fstat = promisify(fs.fstat);
export const fsync = promisify(fs.fsync);
export const ftruncate = promisify(fs.ftruncate);
export const lstat = promisify(fs.lstat);
export const write = promisify(fs.write);

/** What a descriptor is open on, as a path. */
export function pathOfDescriptor(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** An entry of an open folder, as a path. The name must be one component. */
export function pathOfEntry(fd: number, name: Uint8Array): Buffer {
  return Buffer.concat([toUtf8(`${pathOfDescriptor(fd)}/`), bufferOf(name)]);
}

/**
 * An open descriptor that is closed once.
 *
 * Assumption: it is not closed while a call with it runs; its number could by then mean something else.
 */
export class Descriptor implements Disposable {
  #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** The mode counts where the flags create; the process's umask takes from it. */
  static async open(path: Buffer | string, flags: number, mode?: number): Promise<Descriptor> {
    return new Descriptor(await open(path, flags, mode));
  }

  get fd(): number {
    assert(this.#fd >= 0, "the descriptor is closed");
    return this.#fd;
  }

  /** Off the event loop, and with its error: on NFS this is where a full disk shows. */
  async close(): Promise<void> {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    await close(fd);
  }

  [Symbol.dispose](): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    fs.closeSync(fd);
  }
}
