/**
 * Which snapshot somebody means, and which one a backup starts from. Decisions over plain lists, nothing is read here.
 *
 *   SNAPSHOT[:PATH]     latest   latest~2   3c02   3c02…86:sub/dir   latest:etc/hosts
 *
 * SNAPSHOT is the id of a manifest item, a beginning of one that only one has, or `latest`, counted back by `~N` over
 * complete snapshots. PATH leads from the snapshot's root, with or without slashes around it.
 */

import { compareText } from "../base/go-json.ts";
import { quoted, SnapshotError } from "./snapshot-error.ts";
import { isComplete, type SnapshotManifest, type SnapshotSource } from "./snapshot-manifest.ts";

export interface SnapshotSelector {
  readonly snapshot:
    | { readonly by: "age" /** 0 is the latest. */; readonly back: number }
    | { readonly by: "id"; readonly prefix: string };
  /** Names from the root down, without `.` and `..`; empty for the root itself. */
  readonly path: readonly string[];
}

const candidatesNamedMax = 8;
const listHint = "`fsb snapshot list` shows what there is";

/** Errors: SNAPSHOT_SELECTOR_INVALID. */
export function parseSnapshotSelector(text: string): SnapshotSelector {
  const colon = text.indexOf(":");
  const snapshot = colon < 0 ? text : text.slice(0, colon);
  const path = (colon < 0 ? "" : text.slice(colon + 1)).split("/").filter((name) => name !== "" && name !== ".");
  if (path.includes("..") || path.some((name) => name.includes("\0"))) {
    throw invalidSelector(text, "its path must not have .. or a zero byte in it");
  }
  const back = /^latest(?:~([0-9]{1,9}))?$/.exec(snapshot);
  if (back !== null) return { snapshot: { by: "age", back: Number(back[1] ?? 0) }, path };
  if (!/^[0-9a-fA-F]{1,64}$/.test(snapshot)) {
    throw invalidSelector(text, "it begins with neither latest, latest~N nor hex digits");
  }
  return { snapshot: { by: "id", prefix: snapshot.toLowerCase() }, path };
}

/**
 * `latest` counts complete snapshots only, whatever their source: pass those of one source where that is meant. An id
 * finds an incomplete one too; the caller says what that is good for.
 * Errors: SNAPSHOT_NOT_FOUND; SNAPSHOT_AMBIGUOUS, naming the first candidates.
 */
export function selectSnapshot(
  selector: SnapshotSelector["snapshot"],
  snapshots: readonly SnapshotManifest[],
): SnapshotManifest {
  return selector.by === "age" ? selectByAge(selector.back, snapshots) : selectById(selector.prefix, snapshots);
}

/** Complete snapshots, the latest start first. */
export function completeNewestFirst(snapshots: readonly SnapshotManifest[]): SnapshotManifest[] {
  return snapshots.filter(isComplete).sort(compareNewestFirst);
}

/**
 * The snapshot a backup of the source is compared with: complete, of exactly this source, with all these tags in its
 * body, and of those the latest start. Undefined when there is none.
 */
export function selectParent(
  snapshots: readonly SnapshotManifest[],
  source: SnapshotSource,
  requiredTags: Readonly<Record<string, string>>,
): SnapshotManifest | undefined {
  const required = Object.entries(requiredTags);
  return completeNewestFirst(snapshots).find(
    (snapshot) =>
      isSameSource(snapshot.source, source) && required.every(([key, value]) => tagOf(snapshot, key) === value),
  );
}

function selectByAge(back: number, snapshots: readonly SnapshotManifest[]): SnapshotManifest {
  const complete = completeNewestFirst(snapshots);
  const found = complete[back];
  if (found !== undefined) return found;
  const count = complete.length === 1 ? "1 complete one" : `${complete.length} complete ones`;
  const trouble =
    complete.length === 0 ? "there is no complete snapshot" : `there is no snapshot latest~${back}, only ${count}`;
  throw new SnapshotError("SNAPSHOT_NOT_FOUND", trouble, { detail: { complete: complete.length }, hint: listHint });
}

function selectById(prefix: string, snapshots: readonly SnapshotManifest[]): SnapshotManifest {
  const candidates = snapshots.filter((snapshot) => snapshot.id.startsWith(prefix));
  const found = candidates.find((snapshot) => snapshot.id === prefix) ?? candidates[0];
  if (found === undefined) {
    throw new SnapshotError("SNAPSHOT_NOT_FOUND", `there is no snapshot ${prefix}`, { hint: listHint });
  }
  if (found.id === prefix || candidates.length === 1) return found;
  const ids = candidates.map((snapshot) => snapshot.id).sort(compareText);
  const more = ids.length > candidatesNamedMax ? ` and ${ids.length - candidatesNamedMax} more` : "";
  const named = ids.slice(0, candidatesNamedMax).join(", ") + more;
  throw new SnapshotError("SNAPSHOT_AMBIGUOUS", `snapshot ${prefix} may be any of ${named}`, {
    detail: { candidates: ids.length },
    hint: "give more digits of the id",
  });
}

/** Ties on the start go by the end, then by id, so that every run picks the same. */
function compareNewestFirst(a: SnapshotManifest, b: SnapshotManifest): number {
  return (
    compareTimes(b.startTimeNs, a.startTimeNs) || compareTimes(b.endTimeNs, a.endTimeNs) || compareText(a.id, b.id)
  );
}

function compareTimes(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isSameSource(a: SnapshotSource, b: SnapshotSource): boolean {
  return a.host === b.host && a.userName === b.userName && a.path === b.path;
}

function tagOf(snapshot: SnapshotManifest, key: string): string | undefined {
  const tags = snapshot.tags ?? {};
  return Object.hasOwn(tags, key) ? tags[key] : undefined;
}

function invalidSelector(text: string, trouble: string): SnapshotError {
  return new SnapshotError("SNAPSHOT_SELECTOR_INVALID", `${quoted(text)} does not name a snapshot: ${trouble}`, {
    hint: "give an id, the beginning of an id, latest or latest~N, and after a colon a path within it",
  });
}
