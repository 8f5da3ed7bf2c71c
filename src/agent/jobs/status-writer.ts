/**
 * Writes one object's status. The CRDs have no status subresource: a status is part of the object.
 *
 * Guarantees: every write is guarded by the resource version it was decided on; a final phase is written once, with all
 * fields at the same time, and nothing after it, since servers up to 1.16.0 count each update of a finished object.
 */

import type { Clock } from "../../base/clock.ts";
import { hasCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { fieldAt, type JsonObject, textAt } from "../../kubernetes/json.ts";
import type { KubernetesObject, ResourceType } from "../../kubernetes/kubernetes-object.ts";
import { ResourceError } from "../../kubernetes/resource-error.ts";
import type { ResourceStore } from "../../kubernetes/resource-store.ts";
import { isFinal } from "./decide-backup.ts";

/** A message goes into the object and into the server's log: enough for a chain of causes, not for a list of files. */
const messageLengthMax = 8 * 1024;

/** Some minutes of trying. */
const refusalsMax = 15;

export type FinalStatus = JsonObject & { readonly phase: string };

/** What tells one write of a status from another; all CRDs have them. */
const tellingFields = ["phase", "startTimestamp", "completionTimestamp", "message", "snapshotID"];

/** Of what an earlier run of the same object left, and would be wrong now. */
const staleFields = ["message", "completionTimestamp", "snapshotID", "progress", "incrementalBytes", "path"];

export interface StatusWriterOptions {
  readonly store: ResourceStore;
  readonly type: ResourceType;
  /** As it was when it was decided to write. */
  readonly object: KubernetesObject;
  readonly clock: Clock;
  readonly log: Log;
}

export class StatusWriter {
  readonly #options: StatusWriterOptions;
  #seen: KubernetesObject;
  /** What was tried to be written last. */
  #tried: JsonObject = {};

  constructor(options: StatusWriterOptions) {
    this.#options = options;
    this.#seen = options.object;
  }

  /** Throws RESOURCE_CONFLICT when the object is not as it was any more. */
  async start(status: JsonObject, signal: AbortSignal): Promise<void> {
    const stale = staleFields.filter((field) => fieldAt(this.#seen.content, "status", field) !== undefined);
    const wanted = {
      ...Object.fromEntries(stale.map((field) => [field, null])),
      phase: "InProgress",
      startTimestamp: timestamp(this.#options.clock.nowMs()),
      ...status,
    };
    try {
      await this.#write(wanted, signal);
    } catch (error) {
      if (!hasCode(error, "RESOURCE_STORE_UNAVAILABLE")) throw error;
      if (!(await this.#readAgain(signal)) || !this.#isWritten()) throw error;
    }
  }

  /** Best effort: gives up when the object is gone or final, and after one conflict. */
  async progress(progress: JsonObject, signal: AbortSignal): Promise<void> {
    try {
      await this.#write({ progress }, signal);
    } catch (error) {
      if (!hasCode(error, "RESOURCE_CONFLICT")) throw error;
      if (await this.#readAgain(signal)) await this.#write({ progress }, signal);
    }
  }

  /**
   * Waits and tries again until it is written, or the signal aborts, or the server refuses it time and again: an error then,
   * for who waits holds the room of others.
   */
  async finish(status: FinalStatus, signal: AbortSignal): Promise<"written" | "too late"> {
    const { clock, log } = this.#options;
    for (let attempt = 0, refusals = 0; ; attempt++) {
      try {
        return await this.tryToFinish(status, signal);
      } catch (error) {
        if (!(error instanceof ResourceError) || signal.aborted) throw error;
        if (error.code === "RESOURCE_REJECTED" && ++refusals === refusalsMax) throw error;
        if (error.code !== "RESOURCE_CONFLICT") log.error("Failed to write final status, trying again", error);
      }
      await clock.sleep(Math.min(30_000, 100 * 2 ** Math.min(attempt, 20)), signal);
    }
  }

  /** Once, of the object as it is now; for who tries again by a queue. */
  async tryToFinish(status: FinalStatus, signal: AbortSignal): Promise<"written" | "too late"> {
    if (!(await this.#readAgain(signal))) return this.#isWritten() ? "written" : "too late";
    const nowText = timestamp(this.#options.clock.nowMs());
    const isStarted = textAt(this.#seen.content, "status", "startTimestamp") !== undefined;
    await this.#write(
      { ...(isStarted ? {} : { startTimestamp: nowText }), completionTimestamp: nowText, ...status },
      signal,
    );
    return "written";
  }

  /** False when the object is gone, is another one of the same name, or is final. */
  async #readAgain(signal: AbortSignal): Promise<boolean> {
    const { store, type } = this.#options;
    const now = await store.get(type, this.#seen.metadata, { signal });
    if (now === undefined || now.metadata.uid !== this.#seen.metadata.uid) return false;
    this.#seen = now;
    return !isFinal(textAt(now.content, "status", "phase") ?? "");
  }

  /** Whether the object is as it was tried to write it: after a try that failed, since only the answer may be lost. */
  #isWritten(): boolean {
    if (this.#tried.phase === undefined) return false;
    return tellingFields.every((field) => {
      const tried = this.#tried[field];
      return typeof tried !== "string" || textAt(this.#seen.content, "status", field) === tried;
    });
  }

  async #write(status: JsonObject, signal: AbortSignal): Promise<void> {
    const { store, type } = this.#options;
    const { resourceVersion } = this.#seen.metadata;
    const { message } = status;
    const bounded = typeof message === "string" ? { ...status, message: presentable(message) } : status;
    this.#tried = bounded;
    this.#seen = await store.patch(type, this.#seen.metadata, { status: bounded }, { resourceVersion, signal });
  }
}

/** RFC 3339 in UTC with whole seconds, as Kubernetes writes it. */
export function timestamp(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

/** Bounded, and without control characters, which names of files may have. */
function presentable(message: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced.
  const clean = message.replaceAll(/[\u0000-\u001f\u007f]/g, "\ufffd");
  return clean.length <= messageLengthMax ? clean : `${clean.slice(0, messageLengthMax - 1)}…`;
}
