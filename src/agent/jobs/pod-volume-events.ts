/**
 * What is told beside a PodVolumeBackup or PodVolumeRestore, for `kubectl describe`: what happened, why, and what to do.
 *
 * Reasons are those that a stock agent of 1.17 and later has; "Data-Path-Stalled" is of this one.
 */

import { fieldAt, type JsonObject } from "../../kubernetes/json.ts";
import { keyOf } from "../../kubernetes/kubernetes-object.ts";
import type { ResourceEvent } from "../../kubernetes/resource-store.ts";
import type { WorkProgress } from "../engine/volume-work.ts";
import type { Operation } from "../observability/agent-observer.ts";
import type { PodVolumeResource } from "../velero/velero-resources.ts";

export function startedEvent(operation: Operation, seen: PodVolumeResource, node: string): ResourceEvent {
  return {
    type: "Normal",
    reason: "Data-Path-Started",
    message: `${operation} of ${volumeOf(seen)} runs on node ${node}`,
  };
}

/** `seconds` it took, undefined for one that was never started. */
export function finishedEvent(
  operation: Operation,
  seen: PodVolumeResource,
  status: JsonObject & { readonly phase: string },
  seconds: number | undefined,
): ResourceEvent {
  const { phase } = status;
  const type = phase === "Failed" ? "Warning" : "Normal";
  return { type, reason: `Data-Path-${phase}`, message: finishedMessage(operation, seen, status, seconds) };
}

function finishedMessage(
  operation: Operation,
  seen: PodVolumeResource,
  status: JsonObject & { readonly phase: string },
  seconds: number | undefined,
): string {
  const said = typeof status.message === "string" ? status.message : undefined;
  if (status.phase !== "Completed") return `${operation} of ${volumeOf(seen)}: ${said ?? status.phase}`;
  const total = fieldAt(status, "progress", "totalBytes");
  const read = status.incrementalBytes;
  const parts = [
    `${operation} of ${volumeOf(seen)} completed in ${seconds ?? 0} s`,
    ...(typeof total === "number" ? [`${total} bytes`] : []),
    ...(typeof read === "number" ? [`of which ${read} were read, since the parent did not have them`] : []),
    ...(typeof status.snapshotID === "string" ? [`snapshot ${status.snapshotID}`] : []),
  ].join(", ");
  return said === undefined ? parts : `${parts}; ${said}`;
}

export function stalledEvent(
  operation: Operation,
  seen: PodVolumeResource,
  known: {
    readonly node: string;
    readonly pauseMs: number;
    readonly last: WorkProgress | undefined;
    /** What is known to be wrong with stores. */
    readonly storeTrouble: string | undefined;
  },
): ResourceEvent {
  const { node, pauseMs, last, storeTrouble } = known;
  const after =
    last === undefined ? "not a byte since it started" : `${last.bytesDone} of ${last.totalBytes} bytes done`;
  const suspected =
    last === undefined
      ? "it probably waits for the BackupRepository or the object store"
      : "probably the object store, or the storage of the volume, does not answer";
  const remedy = `see the log of the agent on node ${node}; it goes on by itself when there is an answer, or ends with spec.cancel`;
  return {
    type: "Warning",
    reason: "Data-Path-Stalled",
    message: `${operation} of ${volumeOf(seen)} has not moved for ${describeMs(pauseMs)}, ${after}: ${storeTrouble ?? suspected}; ${remedy}`,
  };
}

function volumeOf(seen: PodVolumeResource): string {
  return `volume ${seen.volume} of pod ${keyOf(seen.pod)}`;
}

function describeMs(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1000} s`;
}
