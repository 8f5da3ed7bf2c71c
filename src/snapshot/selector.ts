/**
 * Which snapshot somebody means, and which one a backup starts from. Decisions over plain lists, nothing is read here.
 *
 *   SNAPSHOT[:PATH]     latest   latest~2   3c02   3c02…86:sub/dir   latest:etc/hosts   2026-11-20   "2 days ago":etc/hosts
 *
 * SNAPSHOT is the id of a manifest item, a beginning of one that only one has, `latest`, counted back by `~N` over
 * complete snapshots, or a time: of those that are complete, the last that began by then. A time is in UTC unless it says
 * otherwise, and reaches to the end of what it names: a day, a minute, a second. PATH leads from the snapshot's root, with or
 * without slashes around it.
 */

import { compareText } from "../base/go-json.ts";
import { formatGoTime, goTimeNsMax, goTimeNsMin, parseGoTime } from "../base/go-time.ts";
import { quoted, SnapshotError } from "./snapshot-error.ts";
import { isComplete, type SnapshotManifest, type SnapshotSource } from "./snapshot-manifest.ts";

export interface SnapshotSelector {
  readonly snapshot:
    | { readonly by: "age" /** 0 is the latest. */; readonly back: number }
    | { readonly by: "id"; readonly prefix: string }
    | { readonly by: "time" /** Begun at this time or before. */; readonly untilNs: bigint };
  /** Names from the root down, without `.` and `..`; empty for the root itself. */
  readonly path: readonly string[];
}

const candidatesNamedMax = 8;
const listHint = "`fsb snapshot list` shows what there is";

const nsPerSecond = 1_000_000_000n;
const unitSeconds: Readonly<Record<string, bigint>> = {
  second: 1n,
  minute: 60n,
  hour: 3600n,
  day: 86_400n,
  week: 604_800n,
};
const agoPattern = /^([0-9]{1,9}) ?(second|minute|hour|day|week)s? ago(?=:|$)/;
const timePattern = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?::(\d\d)(\.\d{1,9})?)?)?([Zz]|[+-]\d\d:\d\d)?(?=:|$)/;

/** `nowNs` is what `ago` counts from. Errors: SNAPSHOT_SELECTOR_INVALID. */
export function parseSnapshotSelector(text: string, nowNs: bigint): SnapshotSelector {
  const time = timeAt(text, nowNs);
  const colon = text.indexOf(":", time?.length ?? 0);
  const snapshot = colon < 0 ? text : text.slice(0, colon);
  const path = (colon < 0 ? "" : text.slice(colon + 1)).split("/").filter((name) => name !== "" && name !== ".");
  if (path.includes("..") || path.some((name) => name.includes("\0"))) {
    throw invalidSelector(text, "its path must not have .. or a zero byte in it");
  }
  if (time !== undefined) return { snapshot: { by: "time", untilNs: time.untilNs }, path };
  const back = /^latest(?:~([0-9]{1,9}))?$/.exec(snapshot);
  if (back !== null) return { snapshot: { by: "age", back: Number(back[1] ?? 0) }, path };
  if (!/^[0-9a-fA-F]{1,64}$/.test(snapshot)) {
    throw invalidSelector(text, "it begins with neither latest, latest~N, hex digits nor a time");
  }
  return { snapshot: { by: "id", prefix: snapshot.toLowerCase() }, path };
}

/** The time that the text begins with, and how many of its characters say so. */
function timeAt(text: string, nowNs: bigint): { readonly untilNs: bigint; readonly length: number } | undefined {
  const ago = agoPattern.exec(text);
  if (ago !== null) {
    const seconds = BigInt(ago[1] as string) * (unitSeconds[ago[2] as string] as bigint);
    const untilNs = nowNs - seconds * nsPerSecond;
    return { untilNs: untilNs < goTimeNsMin ? goTimeNsMin : untilNs, length: ago[0].length };
  }
  const match = timePattern.exec(text);
  if (match === null) return undefined;
  const [whole, day, minute = "00:00", second = "00", fraction = "", zone = "Z"] = match;
  const beginNs = parseGoTime(`${day}T${minute}:${second}${fraction}${zone.toUpperCase()}`);
  if (beginNs === undefined) throw invalidSelector(text, `there is no time ${whole}`);
  const seconds = match[2] === undefined ? 86_400n : match[3] === undefined ? 60n : match[4] === undefined ? 1n : 0n;
  const untilNs = seconds === 0n ? beginNs : beginNs + seconds * nsPerSecond - 1n;
  return { untilNs: untilNs > goTimeNsMax ? goTimeNsMax : untilNs, length: whole.length };
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
  if (selector.by === "age") return selectByAge(selector.back, snapshots);
  return selector.by === "id" ? selectById(selector.prefix, snapshots) : selectByTime(selector.untilNs, snapshots);
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

function selectByTime(untilNs: bigint, snapshots: readonly SnapshotManifest[]): SnapshotManifest {
  const complete = completeNewestFirst(snapshots);
  const found = complete.find(({ startTimeNs }) => startTimeNs <= untilNs);
  if (found !== undefined) return found;
  const first = complete.at(-1);
  const trouble =
    first === undefined
      ? "there is no complete snapshot"
      : `no complete snapshot began by ${formatGoTime(untilNs)}; the first began at ${formatGoTime(first.startTimeNs)}`;
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
    hint: "give an id, the beginning of one, latest, latest~N, a time as 2026-11-20 or `2 days ago`, and after a colon a path",
  });
}
