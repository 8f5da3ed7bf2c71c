/** What a backup and a restore need alike before data can flow: the volume's folder, and access to the repository. */

import { isAbort } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { ResourceReader } from "../../kubernetes/resource-store.ts";
import { patientReader } from "../../kubernetes/until-reachable.ts";
import { AgentError } from "../agent-error.ts";
import type { AgentContext } from "../agent-settings.ts";
import type { Examples, NamedText, RepositoryAccess } from "../engine/volume-work.ts";
import { assertPodsRoot } from "../node/pods-root.ts";
import { type FoundVolume, findVolumePath, locateVolume } from "../node/volume-path.ts";
import { waitForBackupRepository } from "../velero/backup-repository.ts";
import { readLocationSecrets } from "../velero/location-secrets.ts";
import { repositoryLocation } from "../velero/repository-location.ts";
import { readRepositoryPassword } from "../velero/repository-password.ts";
import {
  backupStorageLocations,
  type PodVolumeResource,
  parseBackupStorageLocation,
  parsePod,
  pods,
} from "../velero/velero-resources.ts";

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

export async function findVolumeOf(
  context: AgentContext,
  seen: PodVolumeResource,
  log: Log,
  signal: AbortSignal,
): Promise<FoundVolume> {
  const { settings } = context;
  const store = readerOf(context, log);
  return await step("error exposing host path for pod volume", async () => {
    await assertPodsRoot(settings.podsRoot);
    const place = await locateVolume(store, seen, signal);
    const found = await findVolumePath(settings.podsRoot, place, seen, {
      runningPodUids: async () => {
        const scope = { fields: { "spec.nodeName": settings.node } };
        const here = await store.list(pods, scope, { signal }).catch((error: unknown) => {
          if (isAbort(error)) throw error;
          log.warn("Could not list this node's pods to see whether the pods root is theirs", {
            because: String(error),
          });
          return [];
        });
        const running = here.map(parsePod).filter(({ phase }) => phase === "Running");
        return running.map(({ uid, mirrorUid }) => mirrorUid ?? uid);
      },
    });
    const { path, pattern, doubt } = found;
    log.info("Found path matching glob", { path, pattern });
    if (doubt !== undefined) log.warn("Found a folder that may not be the volume", { because: doubt });
    return found;
  });
}

export interface OpenableRepository {
  readonly access: RepositoryAccess;
  /** As a run of the work has it. */
  readCredentials(): Promise<NamedText | undefined>;
}

/** `volumeNamespace` is that of the pod at the time of the backup. */
export async function repositoryAccess(
  context: AgentContext,
  seen: PodVolumeResource,
  volumeNamespace: string,
  log: Log,
  signal: AbortSignal,
): Promise<OpenableRepository> {
  const { settings, clock } = context;
  const store = readerOf(context, log);
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
        { hint: `put backup storage location ${backupStorageLocation} back, as it was` },
      );
    }
    const bsl = parseBackupStorageLocation(object);
    const readSecrets = () => readLocationSecrets(store, bsl, veleroNamespace, signal);
    const location = repositoryLocation(bsl, volumeNamespace, await readSecrets());
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
    log.info("Opening backup repo", { repository });
    const access = { location, password, create: isWithoutServer };
    return { access, readCredentials: async () => (await readSecrets()).credentials };
  });
}

/** A server that is away is waited for: without it no status can be written either. */
export function readerOf({ store, clock }: AgentContext, log: Log): ResourceReader {
  return patientReader(store, { clock, random: Math.random, log });
}

/** Undefined where there is none; otherwise "2 files changed while they were read: a, b". */
export function describeExamples(examples: Examples, what: string): string | undefined {
  if (examples.count === 0) return undefined;
  const more = examples.count > examples.first.length ? ", …" : "";
  return `${examples.count} ${what}: ${examples.first.join(", ")}${more}`;
}
