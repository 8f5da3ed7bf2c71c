/** PodVolumeRestores: what belongs to them alone. */

import type { Log } from "../../base/log.ts";
import type { JsonObject } from "../../kubernetes/json.ts";
import { keyOf } from "../../kubernetes/kubernetes-object.ts";
import { AgentError } from "../agent-error.ts";
import type { AgentContext, AgentSettings } from "../agent-settings.ts";
import type { WorkRun } from "../engine/volume-work.ts";
import { parallelFilesDownload, writeSparseFiles } from "../velero/uploader-settings.ts";
import {
  type PodVolumeRestore,
  parsePod,
  parsePodVolumeRestore,
  parseRestoreWaitUser,
  pods,
  podVolumeRestores,
} from "../velero/velero-resources.ts";
import { describeExamples, findVolumeOf, readerOf, repositoryAccess, step } from "./data-path.ts";
import { isFinal } from "./decide-backup.ts";
import { decideRestore } from "./decide-restore.ts";
import { decideMarkerReach, describeMarkerFolder, type MarkerReach } from "./marker-reach.ts";
import type { PodVolumeKind } from "./pod-volume-controller.ts";

export function podVolumeRestoreKind(context: AgentContext): PodVolumeKind<PodVolumeRestore> {
  const { settings, store } = context;
  const concerned = new ConcernedRestores(settings);
  return {
    type: podVolumeRestores,
    noun: "restore",
    abbreviation: "PVR",
    startedMessage: "Restore starting",
    completedMessage: "Restore completed",
    startStatus: { node: settings.node },
    sources: [
      {
        type: podVolumeRestores,
        scope: {
          namespace: settings.veleroNamespace,
          only: ["spec.pod", "spec.cancel", "status.phase", "status.node"],
        },
        keysFor: (object, kind) => concerned.byRestore(parsePodVolumeRestore(object), kind),
      },
      // A restore is there before its pod is on a node, and before restore-wait runs.
      {
        type: pods,
        scope: { fields: { "spec.nodeName": settings.node }, only: [] },
        keysFor: (object, kind) => concerned.byPod(keyOf(object.metadata), kind),
      },
    ],
    parse: parsePodVolumeRestore,
    decide: async (seen, known, signal) => {
      const isPodAsked = seen !== undefined && seen.pod.name !== "" && !isFinal(seen.phase);
      const pod = isPodAsked ? await store.get(pods, seen.pod, { signal }) : undefined;
      return decideRestore(seen, {
        ...known,
        thisNode: settings.node,
        pod: pod === undefined ? undefined : parsePod(pod),
      });
    },
    canceledPhase: async (seen) => (seen.isCanceled ? "Canceled" : "Failed"),
    run: (seen, log, run) => restore(context, seen, log, run),
  };
}

async function restore(context: AgentContext, seen: PodVolumeRestore, log: Log, run: WorkRun): Promise<JsonObject> {
  const { settings } = context;
  const pod = await readerOf(context, log).get(pods, seen.pod, { signal: run.signal });
  const waiting = pod === undefined ? undefined : parseRestoreWaitUser(pod);
  const found = await findVolumeOf(context, seen, log, run.signal);
  const opening = await repositoryAccess(context, seen, seen.sourceNamespace, log, run.signal);
  const { access: repository, readCredentials } = opening;
  const outcome = await step("Failed to run kopia restore", () =>
    context.work.restore(
      {
        repository,
        snapshotId: seen.snapshotId,
        targetPath: found.path,
        isSparse: writeSparseFiles(seen.uploaderSettings),
        parallelFiles: parallelFilesDownload(seen.uploaderSettings, settings.processors),
        doneMarker: seen.restoreUid,
      },
      { ...run, readCredentials },
    ),
  );
  const { totalBytes, fileCount } = outcome;
  context.observer.filesDone("restore", fileCount, { "attributes differ": outcome.problems.count });
  log.info("Kopia restore finished", { totalBytes, fileCount });
  const reach = waiting === undefined ? undefined : decideMarkerReach(waiting, outcome.markerFolders);
  if (reach?.is === "unreachable") throw markerUnreachable(reach);
  const doubt = reach?.is === "uncertain" ? describeDoubt(reach) : undefined;
  if (doubt !== undefined) log.warn("Could not tell whether restore-wait sees the done marker", { because: doubt });
  const message = [found.doubt, describeExamples(outcome.problems, "problems"), doubt]
    .filter((part) => part !== undefined)
    .join("; ");
  return { progress: { totalBytes, bytesDone: totalBytes }, ...(message === "" ? {} : { message }) };
}

/** The pod would wait for good. All that is restored stays, the marker too: mend the folder, and the pod goes on. */
function markerUnreachable({ folder, user }: Exclude<MarkerReach, { is: "reachable" }>): AgentError {
  return new AgentError(
    "RESTORE_MARKER_UNREACHABLE",
    `the data is restored, but init container restore-wait cannot see that: it runs as ${user}, who cannot search ${describeMarkerFolder(folder)}`,
    {
      detail: { mode: folder.mode, userId: folder.userId, groupId: folder.groupId },
      hint: `set secCtxRunAsUser: "${folder.userId}" and secCtxRunAsGroup: "${folder.groupId}" in the ConfigMap that is labelled velero.io/pod-volume-restore: RestoreItemAction, and restore again; or let that user search the folder, and this pod goes on`,
    },
  );
}

function describeDoubt({ folder, user }: Exclude<MarkerReach, { is: "reachable" }>): string {
  return `it cannot be told whether restore-wait, as ${user}, can search ${describeMarkerFolder(folder)}; if the pod stays in Init, set secCtxRunAsUser`;
}

/**
 * Which restores to look at again when one of them or a pod changed. All agents hear of all restores, and of their own node's
 * pods alone: of the other restores few concern a node, and none of those that are over.
 */
class ConcernedRestores {
  readonly #settings: AgentSettings;
  /** Those that are not over, by the keys of their pods. */
  readonly #ofPods = new Map<string, Set<string>>();
  /** Keys of the pods on this node. */
  readonly #podsHere = new Set<string>();
  /** Keys of the restores that were looked at: they still are when their pods are gone. */
  readonly #lookedAt = new Set<string>();

  constructor(settings: AgentSettings) {
    this.#settings = settings;
  }

  byRestore(seen: PodVolumeRestore, kind: "present" | "gone"): readonly string[] {
    const restoreKey = keyOf(seen.object.metadata);
    const podKey = keyOf(seen.pod);
    const restores = this.#ofPods.get(podKey) ?? new Set();
    if (kind === "present" && !isFinal(seen.phase)) restores.add(restoreKey);
    else restores.delete(restoreKey);
    if (restores.size === 0) this.#ofPods.delete(podKey);
    else this.#ofPods.set(podKey, restores);
    const { node, isWithoutServer } = this.#settings;
    const isOwn = isWithoutServer || seen.statusNode === node || this.#podsHere.has(podKey);
    const isConcerned = isOwn || seen.isCanceled || seen.isDeleted || this.#lookedAt.has(restoreKey);
    if (kind === "gone") this.#lookedAt.delete(restoreKey);
    else if (isConcerned) this.#lookedAt.add(restoreKey);
    return isConcerned ? [restoreKey] : [];
  }

  byPod(podKey: string, kind: "present" | "gone"): Iterable<string> {
    if (kind === "present") this.#podsHere.add(podKey);
    else this.#podsHere.delete(podKey);
    const restores = this.#ofPods.get(podKey) ?? new Set();
    for (const restore of restores) this.#lookedAt.add(restore);
    return restores;
  }
}
