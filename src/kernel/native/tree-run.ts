/** A backup of a tree over the addon. See kernel.ts for the contract, native/kernel/src/backup/tree_run.rs for the rest. */

import { strict as assert } from "node:assert";
import type { FolderAnswer, TreeBatch, TreeCheckpoint, TreeFailure, TreeReport, TreeRun } from "../kernel.ts";
import type { NativeTreeBatch, NativeTreeFailure, NativeTreeRun } from "./addon.ts";
import { fullPack } from "./chunk-list.ts";

export interface TreeRunOptions {
  readonly formatVersion: number;
  readonly nowSeconds: () => number;
  readonly signal: AbortSignal;
}

export class NativeKernelTreeRun implements TreeRun {
  readonly #native: NativeTreeRun;
  readonly #options: TreeRunOptions;
  readonly #cancel = (): void => this.#native.cancel();

  constructor(native: NativeTreeRun, options: TreeRunOptions) {
    this.#native = native;
    this.#options = options;
    options.signal.addEventListener("abort", this.#cancel);
  }

  async next(): Promise<TreeBatch> {
    const { signal, nowSeconds } = this.#options;
    const batch = await this.#run(() => this.#native.next(nowSeconds()));
    signal.throwIfAborted(); // Also behind the last: who aborted does not want the end.
    const { wanted, reports, totals, waits } = batch;
    return { ...this.#endOf(batch), wanted, reports: reports.map(reportOf), totals, waits };
  }

  answer(answers: readonly FolderAnswer[]): void {
    this.#native.answer(
      Uint32Array.from(answers, ({ number }) => number),
      answers.map(({ bytes }) => bytes),
      answers.map(({ problem }) => problem),
    );
  }

  async checkpoint(partialName: string): Promise<TreeCheckpoint> {
    return this.#endOf(await this.#run(() => this.#native.checkpoint(partialName, this.#options.nowSeconds())));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.signal.removeEventListener("abort", this.#cancel);
    await this.#native.close();
  }

  async #run<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    const { signal } = this.#options;
    signal.throwIfAborted();
    try {
      return await call();
    } catch (error) {
      signal.throwIfAborted(); // Then that is why it failed.
      throw error;
    }
  }

  #endOf({ packs, rootEntry, failure }: Pick<NativeTreeBatch, "packs" | "rootEntry" | "failure">): TreeCheckpoint {
    return {
      packs: packs.map((pack) => fullPack(pack, this.#options.formatVersion)),
      end: failure ? { failure: failureOf(failure) } : rootEntry ? { rootEntry } : undefined,
    };
  }
}

function reportOf({ kind, text, operation, errno }: NativeTreeBatch["reports"][number]): TreeReport {
  switch (kind) {
    case "failed":
      assert(operation !== undefined && errno !== undefined, "what failed has an operation and an error");
      return { kind, path: text, operation, errno };
    case "warning":
      return { kind: "unusedParent", problem: text };
    default:
      return { kind, path: text };
  }
}

function failureOf({ kind, errno, name, entries, message }: NativeTreeFailure): TreeFailure {
  switch (kind) {
    case "root not listed":
      return { kind: "rootNotListed", errno: errno ?? "EIO" };
    case "folder too large":
      return { kind: "folderTooLarge", name: name ?? new Uint8Array(0), entries: entries ?? 0 };
    case "not writable":
      return { kind: "notWritable", problem: message ?? kind };
  }
}
