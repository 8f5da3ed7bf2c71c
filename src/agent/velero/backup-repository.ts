/**
 * Waiting until the Velero server has a repository ready.
 *
 * Source: Velero pkg/repository/ensurer.go, 1.14 to 1.18.
 */

import type { Clock } from "../../base/clock.ts";
import type { ResourceReader } from "../../kubernetes/resource-store.ts";
import { AgentError } from "../agent-error.ts";
import { type BackupRepository, backupRepositories, parseBackupRepository } from "./velero-resources.ts";

const pollMs = 500;
/** How long a repository may be NotReady because its location was edited or the server started. */
const reestablishMs = 30_000;

export interface RepositoryWanted {
  readonly volumeNamespace: string;
  readonly backupStorageLocation: string;
}

export type RepositoryReadiness =
  | { readonly is: "ready" }
  | { readonly is: "pending"; readonly message: string }
  | { readonly is: "hopeless"; readonly error: AgentError };

export function judgeRepository(
  wanted: RepositoryWanted,
  found: readonly BackupRepository[],
  known: { readonly isWithoutServer: boolean; readonly waitedMs: number },
): RepositoryReadiness {
  const [repository, another] = found.filter(
    (candidate) =>
      candidate.volumeNamespace === wanted.volumeNamespace &&
      candidate.backupStorageLocation === wanted.backupStorageLocation &&
      candidate.repositoryType === "kopia",
  );
  if (another !== undefined) {
    const message = `more than one BackupRepository found for workload namespace "${wanted.volumeNamespace}", backup storage location "${wanted.backupStorageLocation}", repository type "kopia"`;
    return { is: "hopeless", error: new AgentError("BACKUP_REPOSITORY_AMBIGUOUS", message) };
  }
  if (repository === undefined) {
    return known.isWithoutServer ? { is: "ready" } : { is: "pending", message: "backup repository not found" };
  }
  if (repository.phase === "Ready") return { is: "ready" };
  if (repository.phase !== "NotReady") return { is: "pending", message: "backup repository not provisioned" };
  const isPassing = repository.message.startsWith("re-establish on BSL") && known.waitedMs < reestablishMs;
  if (isPassing) return { is: "pending", message: repository.message };
  const message = `failed to wait BackupRepository, errored early: backup repository is not ready: ${repository.message}`;
  return { is: "hopeless", error: new AgentError("BACKUP_REPOSITORY_NOT_READY", message) };
}

export async function waitForBackupRepository(
  store: ResourceReader,
  wanted: RepositoryWanted,
  options: {
    readonly veleroNamespace: string;
    readonly isWithoutServer: boolean;
    readonly timeoutMs: number;
    readonly clock: Clock;
  },
  signal: AbortSignal,
): Promise<void> {
  const sinceMs = options.clock.nowMs();
  while (true) {
    const objects = await store.list(backupRepositories, { namespace: options.veleroNamespace }, { signal });
    const waitedMs = options.clock.nowMs() - sinceMs;
    const readiness = judgeRepository(wanted, objects.map(parseBackupRepository), {
      isWithoutServer: options.isWithoutServer,
      waitedMs,
    });
    if (readiness.is === "ready") return;
    if (readiness.is === "hopeless") throw readiness.error;
    if (waitedMs >= options.timeoutMs) {
      throw new AgentError(
        "BACKUP_REPOSITORY_TIMEOUT",
        `failed to wait BackupRepository, timeout exceeded: ${readiness.message}`,
        { hint: "look at the BackupRepository's status and at the Velero server's log" },
      );
    }
    await options.clock.sleep(pollMs, signal);
  }
}
