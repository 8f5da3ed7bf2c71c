/** PodVolumeBackups: what belongs to them alone. */

import type { Log } from "../../base/log.ts";
import { type JsonObject, textAt } from "../../kubernetes/json.ts";
import { keyOf } from "../../kubernetes/kubernetes-object.ts";
import { AgentError } from "../agent-error.ts";
import type { AgentContext } from "../agent-settings.ts";
import type { WorkRun } from "../engine/volume-work.ts";
import { backupSource, parentSnapshotId, stockVolumePath } from "../velero/backup-source.ts";
import { parallelFilesUpload } from "../velero/uploader-settings.ts";
import { sourceStyleOf } from "../velero/velero-generation.ts";
import { veleroPolicy } from "../velero/velero-policy.ts";
import {
  backups,
  type PodVolumeBackup,
  parsePodVolumeBackup,
  pods,
  podVolumeBackups,
} from "../velero/velero-resources.ts";
import { describeExamples, findVolumeOf, readerOf, repositoryAccess, step } from "./data-path.ts";
import { canceledPhase, concernsNode, decideBackup, isFinal, type OwnerState } from "./decide-backup.ts";
import type { PodVolumeKind } from "./pod-volume-controller.ts";

export function podVolumeBackupKind(context: AgentContext): PodVolumeKind<PodVolumeBackup> {
  const { settings } = context;
  const known = { thisNode: settings.node, isWithoutServer: settings.isWithoutServer };
  return {
    type: podVolumeBackups,
    noun: "backup",
    abbreviation: "PVB",
    startedMessage: "PodVolumeBackup starting",
    completedMessage: "PodVolumeBackup completed",
    startStatus: {},
    sources: [
      {
        type: podVolumeBackups,
        scope: { namespace: settings.veleroNamespace, only: ["spec.node", "spec.cancel"] },
        keysFor: (object) => (concernsNode(parsePodVolumeBackup(object), known) ? [keyOf(object.metadata)] : []),
      },
    ],
    parse: parsePodVolumeBackup,
    decide: async (seen, ofObject, signal) =>
      decideBackup(seen, {
        ...known,
        ...ofObject,
        owner:
          seen !== undefined && isOwnerAsked(seen, settings.node) ? await ownerOf(context, seen, signal) : "absent",
      }),
    canceledPhase: async (seen, signal) => canceledPhase(seen, await ownerOf(context, seen, signal)),
    run: (seen, log, run) => backUp(context, seen, log, run),
  };
}

/** Whether the decision can depend on it; there are many objects of the past and of other nodes. */
function isOwnerAsked(seen: PodVolumeBackup, thisNode: string): boolean {
  return seen.isDeleted || ((seen.node === thisNode || seen.isCanceled) && !isFinal(seen.phase));
}

async function ownerOf(context: AgentContext, seen: PodVolumeBackup, signal: AbortSignal): Promise<OwnerState> {
  if (seen.owner === undefined) return "absent";
  const name = { namespace: seen.object.metadata.namespace, name: seen.owner.name };
  const owner = await context.store.get(backups, name, { signal });
  if (owner === undefined || (owner.metadata.uid !== "" && owner.metadata.uid !== seen.owner.uid)) return "absent";
  return textAt(owner.content, "status", "phase") === "InProgress" ? "in progress" : "ended";
}

async function backUp(context: AgentContext, seen: PodVolumeBackup, log: Log, run: WorkRun): Promise<JsonObject> {
  const { settings } = context;
  const { signal } = run;
  const { path: volumePath, doubt } = await findVolumeOf(context, seen, log, signal);
  const opening = await repositoryAccess(context, seen, seen.pod.namespace, log, signal);
  const { access: repository, readCredentials } = opening;
  const style = settings.sourceStyle ?? sourceStyleOf(await context.generation.now(signal));
  const stockPath = stockVolumePath(settings.podsRoot, volumePath);
  const { source, tags, parentTags, description, pins } = backupSource(seen, stockPath, style);
  const parallelFiles = parallelFilesUpload(seen.uploaderSettings, settings.processors);
  const snapshotId = await parentOf(context, seen, log, signal);
  const outcome = await step("Failed to run kopia backup", () =>
    context.work.backUp(
      {
        repository,
        volumePath,
        source,
        tags,
        description,
        pins,
        policy: veleroPolicy(parallelFiles),
        parent: snapshotId === undefined ? { tags: parentTags } : { tags: parentTags, snapshotId },
        parallelFiles,
        onFileError: settings.onFileError,
        ...(settings.compression !== undefined && { compression: settings.compression }),
      },
      { ...run, readCredentials, assertVolumeInUse: () => assertPodStays(context, seen, log, signal) },
    ),
  );
  const { totalBytes, fileCount, incrementalBytes, parentSnapshotId, unreadable, changed, vanished } = outcome;
  context.observer.filesDone("backup", fileCount, {
    unreadable: unreadable.count,
    changed: changed.count,
    vanished: vanished.count,
  });
  if (parentSnapshotId !== undefined) log.info("Based on parent snapshot for this backup", { parentSnapshotId });
  else if (seen.pvcUid !== "")
    log.info("No parent snapshot found for PVC, not based on parent snapshot for this backup");
  log.info("Kopia backup finished", { snapshotID: outcome.snapshotId, totalBytes, incrementalBytes });
  const message = [
    doubt,
    describeExamples(unreadable, "files could not be read and are left out"),
    describeExamples(changed, "files changed while they were read"),
    describeExamples(vanished, "files vanished before they were read"),
  ]
    .filter((part) => part !== undefined)
    .join("; ");
  return {
    path: volumePath,
    snapshotID: outcome.snapshotId,
    progress: { totalBytes, bytesDone: totalBytes },
    incrementalBytes,
    ...(message === "" ? {} : { message }),
  };
}

/**
 * The kubelet empties the volumes of a pod that goes: files that vanish then are no small change. An API server that is away
 * is waited for: there may be hours of work to lose by then, and without it no status can be written either.
 */
async function assertPodStays(
  context: AgentContext,
  seen: PodVolumeBackup,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const object = await readerOf(context, log).get(pods, seen.pod, { signal });
  const stays = object !== undefined && object.metadata.uid === seen.pod.uid && !object.metadata.deletionTimestamp;
  if (stays) return;
  throw new AgentError("POD_TERMINATING", `pod ${keyOf(seen.pod)} went away while its volume was read`, {
    hint: "back up again while the pod runs",
  });
}

async function parentOf(
  context: AgentContext,
  seen: PodVolumeBackup,
  log: Log,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (seen.pvcUid === "") return undefined;
  const fields = { pvcUID: seen.pvcUid };
  log.info("Looking for most recent completed PodVolumeBackup for this PVC", fields);
  const scope = { namespace: context.settings.veleroNamespace, labels: { "velero.io/pvc-uid": seen.pvcUid } };
  const others = await readerOf(context, log).list(podVolumeBackups, scope, { signal });
  const found = parentSnapshotId(seen, others.map(parsePodVolumeBackup));
  if (found === undefined) log.info("No completed PodVolumeBackup found for PVC", fields);
  else log.info("Found most recent completed PodVolumeBackup for PVC", { ...fields, snapshotID: found });
  return found;
}
