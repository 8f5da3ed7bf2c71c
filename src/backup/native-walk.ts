/**
 * The walk of a kernel that walks by itself: it is told what it stores, batch by batch, and given the folders of the parent
 * snapshot that it asks for.
 */

import { strict as assert } from "node:assert";
import { parseLossless } from "../base/go-json.ts";
import type { TreeBatch, TreeReport, TreeTotals } from "../kernel/kernel.ts";
import type { WrittenTree } from "../repository/content/content-writer.ts";
import { type DirectoryEntry, decodeDirectoryEntry } from "../snapshot/directory-entry.ts";
import { SnapshotError } from "../snapshot/snapshot-error.ts";
import { zeroStats } from "../snapshot/snapshot-manifest.ts";
import { volumeErrorOf } from "../volume/volume-error.ts";
import { folderTooLarge, partialName } from "./checkpoint.ts";
import type { FileFailure } from "./file-report.ts";
import { ParentReader, parentUnusable } from "./parent-folder.ts";
import type { TreeWalk, TreeWalkOptions, WalkOutcome, WalkProgress } from "./tree-walk.ts";

type End = NonNullable<TreeBatch["end"]>;

/** Undefined where the writer's kernel cannot. */
export function startNativeWalk(options: TreeWalkOptions): TreeWalk | undefined {
  const { writer, root, rootName, parentObjectId, signal } = options;
  const run = writer.storeTree({ folderFd: root.fd, name: rootName, parentObjectId }, signal);
  return run && new NativeWalk(options, run);
}

class NativeWalk implements TreeWalk {
  readonly #options: TreeWalkOptions;
  readonly #run: WrittenTree;
  readonly #parents: ParentReader;
  readonly #failures: FileFailure[] = [];
  readonly #changed: string[] = [];
  readonly #vanished: string[] = [];
  readonly #skipped: string[] = [];
  /** Of folders of the parent snapshot; never rejects before it is awaited. */
  #answering: Promise<void> = Promise.resolve();

  constructor(options: TreeWalkOptions, run: WrittenTree) {
    this.#options = options;
    this.#run = run;
    this.#parents = new ParentReader(options.repository);
  }

  async run(): Promise<WalkOutcome> {
    const { progressed, atRest } = this.#options;
    for (let last: WalkProgress = { bytesDone: 0, bytesListed: 0, filesDone: 0 }; ; ) {
      const { wanted, reports, totals, waits, end } = await this.#run.next();
      for (const report of reports) this.#note(report);
      if (wanted.length > 0) await this.#answer(wanted);
      const { bytesDone, bytesListed, filesDone } = totals;
      const isNew = bytesDone !== last.bytesDone || bytesListed !== last.bytesListed || filesDone !== last.filesDone;
      last = { bytesDone, bytesListed, filesDone };
      if (isNew) progressed(last);
      if (end !== undefined) return this.#outcomeOf(totals, this.#entryOf(end));
      await atRest();
      if (waits) await this.#answering;
    }
  }

  async writeCheckpoint(): Promise<DirectoryEntry | undefined> {
    const { end } = await this.#run.checkpoint(partialName());
    return end && this.#entryOf(end);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#answering.catch(() => undefined); // Whoever waited for it has heard of it.
    await this.#run[Symbol.asyncDispose]();
  }

  /** Goes on by itself; what was asked for before is answered first. */
  async #answer(wanted: TreeBatch["wanted"]): Promise<void> {
    await this.#answering;
    this.#answering = this.#parents.read(wanted, this.#options.signal).then((answers) => this.#run.answer(answers));
    this.#answering.catch(() => undefined); // It is heard of where it is awaited.
  }

  #note(report: TreeReport): void {
    switch (report.kind) {
      case "failed": {
        const { path, operation, errno } = report;
        this.#failures.push({ path, operation, errno });
        break;
      }
      case "vanished":
        this.#vanished.push(report.path);
        break;
      case "changed":
        this.#changed.push(report.path);
        break;
      case "skipped":
        this.#skipped.push(report.path);
        break;
      case "unusedParent":
        this.#options.warn(parentUnusable(report.problem));
        break;
    }
  }

  #entryOf(end: End): DirectoryEntry {
    if ("failure" in end) throw this.#errorOf(end.failure);
    const entry = decodeDirectoryEntry(parseLossless(end.rootEntry), {
      what: "the root entry",
      code: "FOLDER_INVALID",
    });
    return { ...entry, name: "", nameBytes: this.#options.rootName };
  }

  #errorOf(failure: Extract<End, { failure: unknown }>["failure"]): Error {
    switch (failure.kind) {
      case "rootNotListed":
        return volumeErrorOf(failure.errno, "list", this.#options.root.displayPath);
      case "folderTooLarge":
        return folderTooLarge(failure.name, failure.entries);
      case "notWritable":
        return new SnapshotError("FOLDER_INVALID", failure.problem);
    }
  }

  #outcomeOf(totals: TreeTotals, rootEntry: DirectoryEntry): WalkOutcome {
    assert(rootEntry.kind === "folder", "the root is a folder");
    return {
      rootEntry,
      stats: {
        ...zeroStats,
        totalSize: totals.bytesRead + totals.bytesUnchanged,
        fileCount: totals.filesStored,
        nonCachedFiles: totals.filesStored,
        cachedFiles: totals.filesUnchanged,
        dirCount: totals.folders,
      },
      readBytes: totals.bytesRead,
      failures: { count: totals.failed, named: this.#failures },
      changed: { count: totals.changed, named: this.#changed },
      vanished: { count: totals.vanished, named: this.#vanished },
      skipped: { count: totals.skipped, named: this.#skipped },
    };
  }
}
