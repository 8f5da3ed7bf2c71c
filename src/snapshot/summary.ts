/**
 * What lies below a folder, in numbers. The same summary is stored twice: in the folder's own object, and in its entry in
 * the parent's (or in the snapshot's root entry).
 *
 *   {"size":5,"files":1,"symlinks":0,"dirs":1,"maxTime":"2025-01-12T12:00:00Z","numFailed":0}
 *
 * then, where there is any, `numIgnoredErrors` and `errors`; `incomplete` comes before `numFailed`.
 *
 * Source: kopia fs/entry.go (DirectorySummary), snapshot/snapshotfs/dir_manifest_builder.go; docs/format/folders.md.
 */

import { compareText, goJson, goString } from "../base/go-json.ts";
import { clampGoTime, formatGoTime } from "../base/go-time.ts";
import { StoredFields, type StoredThing } from "./stored-fields.ts";

/** Failures beyond these are counted, not listed; at about 200 bytes each they make 20 KB of every folder above. */
export const failuresListedMax = 100;

export interface FailedEntry {
  /** Relative to the snapshot's root: `sub/x`. */
  readonly path: string;
  readonly error: string;
}

export interface Summary {
  /** Bytes of all files below. */
  readonly size: number;
  readonly files: number;
  readonly symlinks: number;
  /** Folders below and this one. */
  readonly dirs: number;
  /** Latest modification time below, never before the epoch; of an empty folder its own. */
  readonly maxTimeNs: bigint;
  /** Why this folder is not whole: `checkpoint`, `canceled`, `limit reached`. */
  readonly incomplete?: string;
  readonly numFailed: number;
  readonly numIgnoredErrors: number;
  /** Sorted by path. A snapshot of kopia's lists all, one of ours `failuresListedMax`. */
  readonly errors: readonly FailedEntry[];
}

/** Of an entry, what its folder's summary is made of. */
export interface SummedEntry {
  readonly kind: "file" | "folder" | "symlink" | "error";
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly summary?: Summary;
}

/** Adds up one folder. The result does not depend on the order in which entries and failures come. */
export class SummaryBuilder {
  #size = 0;
  #files = 0;
  #symlinks = 0;
  #dirs = 0;
  #maxTimeNs = 0n;
  #numFailed = 0;
  #numIgnoredErrors = 0;
  #errors: FailedEntry[] = [];
  #empty = true;

  /** A second builder with the same sums. */
  copy(): SummaryBuilder {
    const copy = new SummaryBuilder();
    copy.#size = this.#size;
    copy.#files = this.#files;
    copy.#symlinks = this.#symlinks;
    copy.#dirs = this.#dirs;
    copy.#maxTimeNs = this.#maxTimeNs;
    copy.#numFailed = this.#numFailed;
    copy.#numIgnoredErrors = this.#numIgnoredErrors;
    copy.#errors = [...this.#errors];
    copy.#empty = this.#empty;
    return copy;
  }

  add(entry: SummedEntry): void {
    this.#empty = false;
    this.#seeTime(entry.mtimeNs);
    if (entry.kind === "symlink") this.#symlinks = addUp(this.#symlinks, 1);
    if (entry.kind === "file") {
      this.#files = addUp(this.#files, 1);
      this.#size = addUp(this.#size, entry.size);
    }
    if (entry.kind === "folder" && entry.summary !== undefined) this.#addBelow(entry.summary);
  }

  /** An entry that is not in the folder because it could not be read. */
  addFailure(failure: FailedEntry & { readonly ignored: boolean }): void {
    if (failure.ignored) this.#numIgnoredErrors = addUp(this.#numIgnoredErrors, 1);
    else this.#numFailed = addUp(this.#numFailed, 1);
    this.#list([{ path: failure.path, error: failure.error }]);
  }

  build(folder: { readonly mtimeNs: bigint; readonly incomplete?: string }): Summary {
    this.#trim();
    return {
      size: this.#size,
      files: this.#files,
      symlinks: this.#symlinks,
      dirs: addUp(this.#dirs, 1),
      maxTimeNs: clampGoTime(this.#empty ? folder.mtimeNs : this.#maxTimeNs),
      ...(folder.incomplete === undefined ? {} : { incomplete: folder.incomplete }),
      numFailed: this.#numFailed,
      numIgnoredErrors: this.#numIgnoredErrors,
      errors: this.#errors.slice(),
    };
  }

  #addBelow(below: Summary): void {
    this.#size = addUp(this.#size, below.size);
    this.#files = addUp(this.#files, below.files);
    this.#symlinks = addUp(this.#symlinks, below.symlinks);
    this.#dirs = addUp(this.#dirs, below.dirs);
    this.#numFailed = addUp(this.#numFailed, below.numFailed);
    this.#numIgnoredErrors = addUp(this.#numIgnoredErrors, below.numIgnoredErrors);
    this.#seeTime(below.maxTimeNs);
    this.#list(below.errors);
  }

  #seeTime(timeNs: bigint): void {
    if (timeNs > this.#maxTimeNs) this.#maxTimeNs = timeNs;
  }

  #list(failures: readonly FailedEntry[]): void {
    for (const failure of failures) {
      this.#errors.push(failure);
      if (this.#errors.length >= 2 * failuresListedMax) this.#trim();
    }
  }

  /** The first by path stay, so that the same failures give the same bytes whichever came first. */
  #trim(): void {
    this.#errors.sort((a, b) => compareText(a.path, b.path) || compareText(a.error, b.error));
    if (this.#errors.length > failuresListedMax) this.#errors.length = failuresListedMax;
  }
}

export function encodeSummary(summary: Summary): string {
  const numbers = `"size":${goJson(summary.size)},"files":${goJson(summary.files)},"symlinks":${goJson(summary.symlinks)},"dirs":${goJson(summary.dirs)}`;
  const incomplete = summary.incomplete ? `,"incomplete":${goString(summary.incomplete)}` : "";
  const ignored = summary.numIgnoredErrors > 0 ? `,"numIgnoredErrors":${goJson(summary.numIgnoredErrors)}` : "";
  const errors =
    summary.errors.length > 0
      ? `,"errors":${goJson(summary.errors.map((failure) => ({ path: failure.path, error: failure.error })))}`
      : "";
  return `{${numbers},"maxTime":"${formatGoTime(summary.maxTimeNs)}"${incomplete},"numFailed":${goJson(summary.numFailed)}${ignored}${errors}}`;
}

/** Errors: the thing's code. */
export function decodeSummary(value: unknown, thing: StoredThing): Summary {
  const fields = new StoredFields(value, thing);
  const incomplete = fields.text("incomplete");
  return {
    size: fields.count("size"),
    files: fields.count("files"),
    symlinks: fields.count("symlinks"),
    dirs: fields.count("dirs"),
    maxTimeNs: fields.timeNs("maxTime"),
    ...(incomplete === "" ? {} : { incomplete }),
    numFailed: fields.count("numFailed"),
    numIgnoredErrors: fields.count("numIgnoredErrors"),
    errors: fields.list("errors").map((item) => {
      const failure = new StoredFields(item, { what: `an error in ${thing.what}`, code: thing.code });
      return { path: failure.text("path"), error: failure.text("error") };
    }),
  };
}

/** Stops at what can be written; only made-up sizes get there. */
function addUp(a: number, b: number): number {
  return Math.min(a + b, Number.MAX_SAFE_INTEGER);
}
