/**
 * What a repository may ask of its clients: features they must understand, and to stay away while it is upgraded.
 *
 * Source: docs/format/format-blob.md; kopia repo/format/upgrade_lock_intent.go, internal/feature.
 */

import { FormatError } from "./format-error.ts";

/** As stored; durations in nanoseconds. */
export interface UpgradeLock {
  readonly ownerID?: string;
  readonly creationTime?: string;
  readonly advanceNoticeDuration?: number;
  readonly ioDrainTimeout?: number;
  readonly message?: string;
  readonly maxPermittedClockDrift?: number;
}

const understoodFeatures: ReadonlySet<string> = new Set(["index-v1", "index-v2"]);
const nsPerMs = 1_000_000;

/** `features` as stored. REPOSITORY_UNSUPPORTED for one that is not understood, or a word to `warn` where that is enough. */
export function assertFeaturesUnderstood(features: unknown, warn: ((message: string) => void) | undefined): void {
  if (features === undefined || features === null) return;
  if (!Array.isArray(features)) throw new FormatError("REPOSITORY_FORMAT_INVALID", "requiredFeatures is not a list");
  for (const item of features as readonly { feature?: unknown; ifNotUnderstood?: Record<string, unknown> }[]) {
    const name = String(item?.feature);
    if (understoodFeatures.has(name)) continue;
    const advice = item?.ifNotUnderstood ?? {};
    const said = typeof advice.message === "string" && advice.message !== "" ? `: ${advice.message}` : "";
    const message = `the repository requires feature ${JSON.stringify(name)}, which is not understood${said}`;
    if (advice.warn === true) {
      warn?.(message);
      continue;
    }
    const version = advice.upgradeToVersion;
    throw new FormatError("REPOSITORY_UNSUPPORTED", message, {
      detail: { what: "feature", name },
      hint: typeof version === "string" && version !== "" ? `it asks for kopia ${version} or newer` : "use a newer fsb",
    });
  }
}

/** REPOSITORY_UPGRADING while a lock is in force, from the time that writers must have drained. */
export function assertNotUpgrading(lock: UpgradeLock | undefined | null, nowMs: number): void {
  if (lock === undefined || lock === null) return;
  const drainNs = (lock.maxPermittedClockDrift ?? 0) + 2 * (lock.ioDrainTimeout ?? 0);
  const noticeNs = lock.advanceNoticeDuration ?? 0;
  const createdMs = Date.parse(lock.creationTime ?? "");
  const lockedFromMs = createdMs + (noticeNs - drainNs) / nsPerMs;
  // An unreadable time counts as locked: staying away is the safe side.
  if (noticeNs >= drainNs && nowMs < lockedFromMs) return;
  const by = lock.ownerID === undefined ? "" : ` by ${lock.ownerID}`;
  const said = lock.message === undefined || lock.message === "" ? "" : `: ${lock.message}`;
  throw new FormatError("REPOSITORY_UPGRADING", `the repository is locked for an upgrade${by}${said}`, {
    hint: "wait until the upgrade is done, then try again",
  });
}
