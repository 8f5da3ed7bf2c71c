/**
 * What to do about a PodVolumeRestore, from what is seen of it and of its pod alone.
 *
 * A PodVolumeRestore does not say which node it is for: it is the one that its pod runs on.
 * Source: Velero pkg/controller/pod_volume_restore_controller.go, 1.14 to 1.18; docs/operations/folder-mode.md.
 */

import type { Pod, PodVolumeRestore } from "../velero/velero-resources.ts";
import {
  type Decision,
  decideAbandoned,
  decideFinal,
  decideGone,
  decideRunning,
  finish,
  isFinal,
  isNew,
  leftoverMessage,
  unfitMessage,
} from "./decide-backup.ts";

export interface RestoreKnown {
  readonly thisNode: string;
  /** Of the object that this process's job for the name was started for; undefined when none runs. */
  readonly jobUid: string | undefined;
  readonly pod: Pod | undefined;
  /** How long this process has known the object. */
  readonly knownForMs: number;
  /** And how long with spec.cancel; 0 while it has none. */
  readonly canceledForMs: number;
}

export function decideRestore(seen: PodVolumeRestore | undefined, known: RestoreKnown): Decision {
  if (seen === undefined) return decideGone(known.jobUid);
  if (isFinal(seen.phase)) return decideFinal(seen, false);
  if (known.jobUid !== undefined) return decideRunning(seen, known.jobUid);
  const { pod } = known;
  const isLeftover = !isNew(seen.phase);
  const isOwn = pod === undefined ? isLeftover && seen.statusNode === known.thisNode : pod.node === known.thisNode;
  if (!isOwn && seen.isCanceled) return decideAbandoned(seen, "Canceled", known.canceledForMs);
  if (!isOwn && pod === undefined) return { do: "wait", because: "its pod is not there" };
  if (!isOwn && pod?.node === "") return { do: "wait", because: "its pod has no spec.nodeName yet" };
  if (!isOwn) return { do: "nothing", because: "it is another node's" };
  if (seen.isCanceled) return finish("Canceled", "PVR is canceled", known.knownForMs);
  if (seen.isDeleted) return finish("Failed", "PVR is being deleted", known.knownForMs);
  if (isLeftover) return finish("Failed", leftoverMessage("restore", seen.phase), known.knownForMs);
  const unfit = unfitMessage(seen);
  if (unfit !== undefined) return finish("Failed", unfit, known.knownForMs);
  if (pod === undefined) return { do: "wait", because: "its pod is not there" };
  if (seen.pod.uid !== "" && pod.uid !== "" && seen.pod.uid !== pod.uid) {
    const message = `pod ${seen.pod.namespace}/${seen.pod.name} was replaced: its uid is ${pod.uid}, not ${seen.pod.uid} [POD_REPLACED]`;
    return finish("Failed", message, known.knownForMs);
  }
  if (pod.restoreWait === "absent") return { do: "wait", because: "its pod has no init container restore-wait" };
  if (pod.restoreWait === "not running") return { do: "wait", because: "init container restore-wait is not running" };
  return { do: "start" };
}
