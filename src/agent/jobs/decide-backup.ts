/**
 * What to do about a PodVolumeBackup, from what is seen of it alone.
 *
 * Level-triggered: the same answer serves a new object, a change, a restart and a missed event.
 * Source: Velero pkg/controller/pod_volume_backup_controller.go, 1.14 to 1.18; docs/operations/folder-mode.md.
 */

import { type PodVolumeBackup, type PodVolumeResource, podVolumeFinalizer } from "../velero/velero-resources.ts";

/**
 * Servers of 1.14 and 1.15 register a PodVolumeBackup only after they have created it, and break when it is finished
 * before that. So none is finished younger than this.
 */
export const finishedAgeMsMin = 2000;

/**
 * How long a cancel stands before any node's agent carries it out for the one that should have: that node may be no
 * more. Stock agents wait as long.
 */
const abandonedCancelMs = { unstarted: 5 * 60_000, inProgress: 60 * 60_000 };

export type Decision =
  | { readonly do: "nothing"; readonly because: string }
  /** Nothing until something else happens, which a person may be waiting for as well. */
  | { readonly do: "wait"; readonly because: string }
  /** Nothing now; look again then, though nothing may have changed. */
  | { readonly do: "look again"; readonly inMs: number; readonly because: string }
  | { readonly do: "start" }
  /** End the running job; it writes the final phase. */
  | { readonly do: "stop job"; readonly reason: "cancel" | "deletion" }
  /** Write a final phase; no job runs. */
  | { readonly do: "finish"; readonly phase: "Failed" | "Canceled"; readonly message: string }
  | { readonly do: "remove finalizer" };

/** The Backup behind a PodVolumeBackup. */
export type OwnerState = "in progress" | "ended" | "absent";

export interface BackupKnown {
  readonly thisNode: string;
  /** Of the object that this process's job for the name was started for; undefined when none runs. */
  readonly jobUid: string | undefined;
  readonly owner: OwnerState;
  /** No Velero server stands behind the objects, so that an absent Backup says nothing. */
  readonly isWithoutServer: boolean;
  /** How long this process has known the object. */
  readonly knownForMs: number;
  /** And how long with spec.cancel; 0 while it has none. */
  readonly canceledForMs: number;
}

/**
 * False where the decision can only be to do nothing. All agents hear of all objects, most of which are of other nodes or of
 * the past; those are not read again one by one.
 */
export function concernsNode(
  seen: PodVolumeBackup,
  { thisNode, isWithoutServer }: Pick<BackupKnown, "thisNode" | "isWithoutServer">,
): boolean {
  return isWithoutServer || seen.node === thisNode || seen.isCanceled || seen.isDeleted;
}

export function decideBackup(seen: PodVolumeBackup | undefined, known: BackupKnown): Decision {
  if (seen === undefined) return decideGone(known.jobUid);
  if (isFinal(seen.phase)) return decideFinal(seen, known.owner === "in progress");
  if (seen.node !== known.thisNode) {
    if (seen.isCanceled) return decideAbandoned(seen, canceledPhase(seen, known.owner), known.canceledForMs);
    // With a server behind it there is an agent on each node; without one, the name is more likely a slip.
    const because = `it is for node ${JSON.stringify(seen.node)}, this is ${JSON.stringify(known.thisNode)}`;
    return { do: known.isWithoutServer ? "wait" : "nothing", because };
  }
  if (known.jobUid !== undefined) return decideRunning(seen, known.jobUid);
  const leftover = isNew(seen.phase) ? undefined : leftoverMessage("backup", seen.phase);
  if (seen.isCanceled || seen.isDeleted) {
    const message = seen.isCanceled ? "PVB is canceled" : "PVB is being deleted";
    return finish(canceledPhase(seen, known.owner), message, known.knownForMs);
  }
  if (leftover !== undefined) return finish("Failed", leftover, known.knownForMs);
  // It may have come by backup sync from another cluster, where a node had the same name.
  if (known.owner === "ended" || (known.owner === "absent" && !known.isWithoutServer)) {
    return { do: "wait", because: "its Backup is not in progress" };
  }
  const unfit = unfitMessage(seen);
  return unfit === undefined ? { do: "start" } : finish("Failed", unfit, known.knownForMs);
}

/**
 * Servers 1.17.0 to 1.18.2 never count a canceled PodVolumeBackup as finished, so while its Backup is in progress it
 * has to fail. CRDs up to 1.16 do not know the phase, but neither do they know spec.cancel.
 */
export function canceledPhase(seen: PodVolumeResource, owner: OwnerState): "Failed" | "Canceled" {
  return seen.isCanceled && owner !== "in progress" ? "Canceled" : "Failed";
}

export function isFinal(phase: string): boolean {
  return phase === "Completed" || phase === "Failed" || phase === "Canceled";
}

export function isNew(phase: string): boolean {
  return phase === "" || phase === "New";
}

/** A job whose object is gone has nobody to tell. */
export function decideGone(jobUid: string | undefined): Decision {
  if (jobUid !== undefined) return { do: "stop job", reason: "deletion" };
  return { do: "nothing", because: "it does not exist" };
}

/** An object that is deleted but held by the finalizer of a stock agent, which may be no more. */
export function decideFinal(seen: PodVolumeResource, isOwnerInProgress: boolean): Decision {
  const isHeld = seen.isDeleted && seen.object.metadata.finalizers.includes(podVolumeFinalizer);
  if (!isHeld) return { do: "nothing", because: `it is ${seen.phase}` };
  // Servers up to 1.16.0 break on any update of a finished one while they still wait for others.
  if (isOwnerInProgress) return { do: "look again", inMs: 60_000, because: "its Backup is in progress" };
  return { do: "remove finalizer" };
}

export function decideRunning(seen: PodVolumeResource, jobUid: string): Decision {
  if (seen.object.metadata.uid !== jobUid) return { do: "stop job", reason: "deletion" };
  if (seen.isCanceled) return { do: "stop job", reason: "cancel" };
  if (seen.isDeleted) return { do: "stop job", reason: "deletion" };
  return { do: "nothing", because: "its job is running" };
}

/** One that is canceled and another node's. */
export function decideAbandoned(
  seen: PodVolumeResource,
  phase: "Failed" | "Canceled",
  canceledForMs: number,
): Decision {
  const { inProgress, unstarted } = abandonedCancelMs;
  const leftMs = (seen.phase === "InProgress" ? inProgress : unstarted) - canceledForMs;
  if (leftMs > 0) return { do: "look again", inMs: leftMs, because: "it is another node's to cancel" };
  return { do: "finish", phase, message: "canceled by another node's agent, since its own did not end it in time" };
}

/** As stock agents say it, so that it can be searched for, and what to do. */
export function leftoverMessage(noun: "backup" | "restore", phase: string): string {
  const found = `found a podvolume${noun} with status "${phase}" during the server starting, mark it as "Failed"`;
  return `${found} (hint: the node agent ended while it worked on it; start the ${noun} anew)`;
}

/** Why it can never be started. */
export function unfitMessage(seen: PodVolumeResource): string | undefined {
  if (seen.invalid !== undefined)
    return `${seen.object.kind} cannot be used: ${seen.invalid} [VELERO_RESOURCE_INVALID]`;
  if (seen.uploaderType !== "kopia") {
    const type = seen.uploaderType === "" ? 'empty, which means "restic",' : JSON.stringify(seen.uploaderType);
    return `uploader type ${type} is not supported, only "kopia" is`;
  }
  return undefined;
}

export function finish(phase: "Failed" | "Canceled", message: string, knownForMs: number): Decision {
  if (knownForMs >= finishedAgeMsMin) return { do: "finish", phase, message };
  return { do: "look again", inMs: finishedAgeMsMin - knownForMs, because: "it is too young to be finished" };
}
