/** What a backup and a restore need alike before data can flow: the volume's folder, and access to the repository. */

import { isAbort } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { AgentError } from "./agent-error.ts";
import type { AgentContext } from "./agent-settings.ts";
import { waitForBackupRepository } from "./backup-repository.ts";
import { readLocationSecrets } from "./location-secrets.ts";
import { assertPodsRoot } from "./pods-root.ts";
import { repositoryLocation } from "./repository-location.ts";
import { readRepositoryPassword } from "./repository-password.ts";
import { backupStorageLocations, type PodVolumeResource, parseBackupStorageLocation } from "./velero-resources.ts";
import { findVolumePath, locateVolume } from "./volume-path.ts";
import type { Examples, RepositoryAccess } from "./volume-work.ts";

/** A step that failed, in the stock agent's words, which people search for. The code is that of its cause. */
class StepError extends Error {}

/** Puts the step's words before whatever goes wrong in it; an abort travels as itself. */
export async function step<Result>(words: string, work: () => Promise<Result> | Result): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    if (isAbort(cause)) throw cause;
    throw new StepError(words, { cause });
  }
}

export async function volumePathOf(
  { store, settings }: AgentContext,
  seen: PodVolumeResource,
  log: Log,
  signal: AbortSignal,
): Promise<string> {
  return await step("error exposing host path for pod volume", async () => {
    await assertPodsRoot(settings.podsRoot);
    const place = await locateVolume(store, seen, signal);
    const { path, pattern } = await findVolumePath(settings.podsRoot, place, seen);
    log.info("Found path matching glob", { path, pattern });
    return path;
  });
}

/** `volumeNamespace` is that of the pod at the time of the backup. */
export async function repositoryAccess(
  { store, settings, clock }: AgentContext,
  seen: PodVolumeResource,
  volumeNamespace: string,
  signal: AbortSignal,
): Promise<RepositoryAccess> {
  const { veleroNamespace, isWithoutServer, resourceTimeoutMs } = settings;
  const { backupStorageLocation } = seen;
  return await step("error to initialize data path", async () => {
    const object = await store.get(
      backupStorageLocations,
      { namespace: veleroNamespace, name: backupStorageLocation },
      { signal },
    );
    if (object === undefined) {
      throw new AgentError(
        "BACKUP_LOCATION_NOT_FOUND",
        `error getting backup storage location ${backupStorageLocation}: BackupStorageLocation ${JSON.stringify(backupStorageLocation)} not found`,
      );
    }
    const bsl = parseBackupStorageLocation(object);
    const secrets = await readLocationSecrets(store, bsl, veleroNamespace, signal);
    const location = repositoryLocation(bsl, volumeNamespace, secrets);
    const repository = `${backupStorageLocation}-${volumeNamespace}-kopia`;
    await step(`error to ensure backup repository ${repository}`, () =>
      waitForBackupRepository(
        store,
        { volumeNamespace, backupStorageLocation },
        { veleroNamespace, isWithoutServer, timeoutMs: resourceTimeoutMs, clock },
        signal,
      ),
    );
    const password = await step(
      `error to boost backup repository connection ${repository}: error to connect backup repo: error to get repo password`,
      () => readRepositoryPassword(store, veleroNamespace, signal),
    );
    return { location, password, create: isWithoutServer };
  });
}

/** Undefined where there is none; otherwise "2 files changed while they were read: a, b". */
export function describeExamples(examples: Examples, what: string): string | undefined {
  if (examples.count === 0) return undefined;
  const more = examples.count > examples.first.length ? ", …" : "";
  return `${examples.count} ${what}: ${examples.first.join(", ")}${more}`;
}
