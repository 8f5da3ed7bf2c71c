/** PodVolumeRestores: what belongs to them alone. */

import type { Log } from "../base/log.ts";
import type { JsonObject } from "../kubernetes/json.ts";
import { type KubernetesObject, keyOf } from "../kubernetes/kubernetes-object.ts";
import { AgentError } from "./agent-error.ts";
import type { AgentContext } from "./agent-settings.ts";
import { describeExamples, findVolumeOf, repositoryAccess, step } from "./data-path.ts";
import { decideRestore } from "./decide-restore.ts";
import { decideMarkerReach, describeMarkerFolder, type MarkerReach } from "./marker-reach.ts";
import type { PodVolumeKind } from "./pod-volume-controller.ts";
import { parallelFilesDownload, writeSparseFiles } from "./uploader-settings.ts";
import {
  type PodVolumeRestore,
  parsePod,
  parsePodVolumeRestore,
  parseRestoreWaitUser,
  pods,
  podVolumeRestores,
} from "./velero-resources.ts";
import type { WorkRun } from "./volume-work.ts";

export function podVolumeRestoreKind(context: AgentContext): PodVolumeKind<PodVolumeRestore> {
  const { settings, store } = context;
  const restoresOfPods = new RestoresOfPods();
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
        scope: { namespace: settings.veleroNamespace },
        keysFor: (object, kind) => restoresOfPods.note(object, kind),
      },
      // A restore is there before its pod is on a node, and before restore-wait runs.
      {
        type: pods,
        scope: { fields: { "spec.nodeName": settings.node }, only: "metadata" },
        keysFor: (object) => restoresOfPods.of(keyOf(object.metadata)),
      },
    ],
    parse: parsePodVolumeRestore,
    decide: async (seen, known, signal) => {
      const pod = seen === undefined || seen.pod.name === "" ? undefined : await store.get(pods, seen.pod, { signal });
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
  const { settings, store } = context;
  const pod = await store.get(pods, seen.pod, { signal: run.signal });
  const waiting = pod === undefined ? undefined : parseRestoreWaitUser(pod);
  const found = await findVolumeOf(context, seen, log, run.signal);
  const repository = await repositoryAccess(context, seen, seen.sourceNamespace, log, run.signal);
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
      run,
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

/** Which restores to look at again when a pod changed, by the pods' keys. */
class RestoresOfPods {
  readonly #restores = new Map<string, Set<string>>();

  note(object: KubernetesObject, kind: "present" | "gone"): readonly string[] {
    const restoreKey = keyOf(object.metadata);
    const podKey = keyOf(parsePodVolumeRestore(object).pod);
    const restores = this.#restores.get(podKey) ?? new Set();
    if (kind === "present") restores.add(restoreKey);
    else restores.delete(restoreKey);
    if (restores.size === 0) this.#restores.delete(podKey);
    else this.#restores.set(podKey, restores);
    return [restoreKey];
  }

  of(podKey: string): Iterable<string> {
    return this.#restores.get(podKey) ?? [];
  }
}
