/**
 * Which generation of Velero the objects are of, learnt from what the API server says of them: nobody tells an agent the
 * server's version, but PodVolumeBackups can be canceled since 1.17, and not before.
 *
 * It decides how snapshots are filed, so that a stock agent which takes over finds its parents, and whether there is a
 * phase Canceled. Velero may be upgraded while the agent runs, so what is known grows old.
 *
 * Source: Velero v1 CRDs, 1.14 to 1.18; pkg/uploader/kopia/snapshot.go.
 */

import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { fieldAt } from "../../kubernetes/json.ts";
import type { SourceStyle } from "./backup-source.ts";

/** "1.17" and later can cancel; "1.16" and before cannot. */
export type VeleroGeneration = "1.16" | "1.17" | "unknown";

const askAgainMs = 3_600_000;

/** `schema` is the OpenAPI schema of PodVolumeBackup, undefined where there is none. */
export function generationOf(schema: unknown): VeleroGeneration {
  const spec = fieldAt(schema, "properties", "spec", "properties");
  if (spec === undefined) return "unknown";
  return fieldAt(spec, "cancel") === undefined ? "1.16" : "1.17";
}

/** What is not known is taken for newer. */
export function sourceStyleOf(generation: VeleroGeneration): SourceStyle {
  return generation === "1.16" ? "host-path" : "pod-volume";
}

export class KnownGeneration {
  readonly #read: (signal: AbortSignal) => Promise<unknown>;
  readonly #clock: Clock;
  readonly #log: Log;
  #known: { readonly generation: VeleroGeneration; readonly askedMs: number } | undefined;

  /** `read` gives the schema. */
  constructor(read: (signal: AbortSignal) => Promise<unknown>, options: { readonly clock: Clock; readonly log: Log }) {
    this.#read = read;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** What is known, no older than an hour; what was known before where it cannot be asked. */
  async now(signal: AbortSignal): Promise<VeleroGeneration> {
    const before = this.#known;
    const nowMs = this.#clock.nowMs();
    if (before !== undefined && nowMs - before.askedMs < askAgainMs) return before.generation;
    try {
      const generation = generationOf(await this.#read(signal));
      if (generation === "unknown") return before?.generation ?? generation;
      if (generation !== before?.generation) this.#log.info("Learnt the generation of Velero", { generation });
      this.#known = { generation, askedMs: nowMs };
      return generation;
    } catch (error) {
      signal.throwIfAborted();
      this.#log.error("Failed to learn the generation of Velero", error);
      return before?.generation ?? "unknown";
    }
  }
}
