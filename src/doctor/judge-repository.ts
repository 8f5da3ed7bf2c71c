/** Findings about repositories: as the Velero server sees them, and as they are in their store. Pure: of what was seen. */

import { parseBackupRepository } from "../agent/velero/velero-resources.ts";
import { isNameUnknown } from "../base/errors.ts";
import { compareText } from "../base/go-json.ts";
import { itemsAt, textAt } from "../kubernetes/json.ts";
import type { KubernetesObject } from "../kubernetes/kubernetes-object.ts";
import { type Finding, fail, failed, ok, type Seen, unknown, warn } from "./finding.ts";

/** From here on kopia itself warns. Source: kopia repo/content/committed_read_manager.go. */
const indexBlobsHurt = 1000;
const dayMs = 86_400_000;
/** kopia's full maintenance comes once a day; a week without any is no delay any more. */
const maintenanceFailMs = 7 * dayMs;
/** What a Velero server makes where nobody chose one. Source: Velero pkg/repository/keys/keys.go. */
const defaultPassword = "static-passw0rd";

export function judgePassword(seen: Seen<string>): Finding {
  if ("trouble" in seen) {
    return seen.trouble.code === "RESOURCE_STORE_DENIED"
      ? unknown("password", "", seen.trouble)
      : failed("password", "", seen.trouble, "create Secret velero-repo-credentials");
  }
  if (seen.value !== defaultPassword) return ok("password", "", "it is not the one that Velero begins with");
  return warn(
    "password",
    "",
    "it is the one that Velero begins with, which everybody knows: who can read the bucket can read the backups",
    "choose another before the next repository is made; those there are keep theirs until `kopia repository change-password`",
  );
}

export function judgeRepositoryState(object: KubernetesObject): Finding {
  const { phase, message } = parseBackupRepository(object);
  const subject = subjectOf(object);
  if (phase === "Ready") return ok("repository", subject, "the Velero server finds it ready");
  if (phase === "" || phase === "New") {
    return warn(
      "repository",
      subject,
      "the Velero server has not made it yet",
      "see that the server runs, and its log",
    );
  }
  const because = `the Velero server finds it ${phase}${message === "" ? "" : `: ${message}`}`;
  return fail("repository", subject, because, "see to what the server says; it looks again every few minutes");
}

/** By what the Velero server has recorded. */
export function judgeMaintenance(object: KubernetesObject, nowMs: number): readonly Finding[] {
  const subject = subjectOf(object);
  const { content } = object;
  const last = Date.parse(textAt(content, "status", "lastMaintenanceTime") ?? "");
  const findings = [judgeMaintenanceAge(subject, Number.isNaN(last) ? undefined : last, nowMs)];
  const begun = (run: unknown) => textAt(run, "startTimestamp") ?? "";
  const [newest] = itemsAt(content, "status", "recentMaintenance").toSorted((a, b) => compareText(begun(b), begun(a)));
  if (textAt(newest, "result") === "Failed") {
    const because = `the newest run failed: ${textAt(newest, "message") ?? "without a word"}`;
    findings.push(
      fail("maintenance-run", subject, because, "see the log of its job (pods of label velero.io/repo-name)"),
    );
  }
  return findings;
}

/** Undefined: never, as far as is known. */
export function judgeMaintenanceAge(subject: string, lastMs: number | undefined, nowMs: number): Finding {
  const fix =
    "see that a Velero server, or kopia, runs maintenance as default@default: nothing else frees space or joins index blobs";
  if (lastMs === undefined) return warn("maintenance", subject, "none is known to have run", fix);
  const ageMs = nowMs - lastMs;
  const because = `it last ran ${describeAge(ageMs)} ago`;
  if (ageMs > maintenanceFailMs) return fail("maintenance", subject, because, fix);
  return ageMs > dayMs ? warn("maintenance", subject, because, fix) : ok("maintenance", subject, because);
}

function describeAge(ageMs: number): string {
  const hours = Math.max(0, Math.floor(ageMs / 3_600_000));
  return hours < 48 ? `${hours} hours` : `${Math.floor(hours / 24)} days`;
}

export interface RepositorySeen {
  readonly formatVersion: number;
  readonly hash: string;
  readonly encryption: string;
  /** Blobs that are read to open it. */
  readonly indexBlobs: number;
  /** When kopia.maintenance was last written. */
  readonly maintainedMs: number | undefined;
}

export function judgeOpening(subject: string, seen: Seen<RepositorySeen>): readonly Finding[] {
  if ("trouble" in seen) {
    const { trouble } = seen;
    if (isNameUnknown(trouble.reason)) {
      return [unknown("repository-open", subject, { ...trouble, hint: "see check store of its location" })];
    }
    const fixes: Readonly<Record<string, string>> = {
      REPOSITORY_PASSWORD_WRONG:
        "give the password it was made with, or put it back: changing Secret velero-repo-credentials does not change repositories",
      REPOSITORY_NOT_FOUND: "delete its BackupRepository, so that the server makes it anew; what was in it is lost",
    };
    return [
      fail("repository-open", subject, trouble.because, fixes[trouble.code] ?? (trouble.hint || "see docs/errors.md")),
    ];
  }
  const { formatVersion, hash, encryption, indexBlobs } = seen.value;
  const opens = ok(
    "repository-open",
    subject,
    `its password opens it: format ${formatVersion}, ${hash}, ${encryption}`,
  );
  return [opens, judgeIndexBlobs(subject, indexBlobs)];
}

export function judgeIndexBlobs(subject: string, count: number): Finding {
  const because = `${count} index blobs are read to open it, and from ${indexBlobsHurt} on it hurts`;
  if (count < indexBlobsHurt) return ok("index-blobs", subject, because);
  return warn("index-blobs", subject, because, "have maintenance run, which joins them: see check maintenance");
}

/** "shop at default": of a BackupRepository. */
export function subjectOf(object: KubernetesObject): string {
  const { volumeNamespace, backupStorageLocation } = parseBackupRepository(object);
  return `${volumeNamespace} at ${backupStorageLocation}`;
}
