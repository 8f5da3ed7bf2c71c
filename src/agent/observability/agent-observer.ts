/** What an agent tells of its work while it does it, for metrics. */

import type { StoreRequest } from "../engine/volume-work.ts";
import type { PodVolumeResource } from "../velero/velero-resources.ts";

export type Operation = "backup" | "restore";

/** How a job ended; the final phase is written by then, unless the object is gone. */
export type JobEnd =
  | { readonly phase: "Completed"; readonly seconds: number }
  /** The code of what was nearest to the trouble. */
  | { readonly phase: "Failed"; readonly code: string }
  | { readonly phase: "Canceled" };

/** What is waited for and worked on at this moment. */
export interface AgentLoad {
  /** Objects that wait for a job to end. */
  readonly waiting: number;
  /** Keys that need a look, by kind. */
  readonly queued: Readonly<Record<string, number>>;
}

/** What happened to some files beside being stored or restored. */
export type FileProblem = "unreadable" | "changed" | "vanished" | "attributes differ";

/** Each must return at once and not throw. */
export interface AgentObserver {
  /** `load` may be asked for at any time from now on. */
  loadKnown(load: () => AgentLoad): void;
  /** An object got room to be worked on, and its phase is InProgress. */
  started(operation: Operation): void;
  /** So many bytes of a volume were read, or known to be unchanged, or written. */
  moved(operation: Operation, bytes: number): void;
  /** In a run that went well. */
  filesDone(operation: Operation, count: number, problems: Readonly<Partial<Record<FileProblem, number>>>): void;
  ended(operation: Operation, seen: PodVolumeResource, end: JobEnd): void;
  /** An object was given its final phase without being started. */
  refused(operation: Operation, phase: "Failed" | "Canceled"): void;
  /** A job stopped moving bytes, or does so again, or has ended. */
  stalled(operation: Operation, isStalled: boolean): void;
  /** A watch began anew: the server ended it, or the code of what went wrong. */
  watchRestarted(kind: string, reason: string): void;
  storeRequests(batch: readonly StoreRequest[]): void;
}

export const blindObserver: AgentObserver = {
  loadKnown: () => undefined,
  started: () => undefined,
  moved: () => undefined,
  filesDone: () => undefined,
  ended: () => undefined,
  refused: () => undefined,
  stalled: () => undefined,
  watchRestarted: () => undefined,
  storeRequests: () => undefined,
};
