/**
 * Which Velero server it is, by the tag of its image, and what is to be known of that version.
 *
 * Source: Velero's releases 1.14 to 1.18, and its pkg/podvolume and pkg/controller at their tags.
 */

export interface VeleroVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** Undefined for a tag that is no version: "main", a digest. */
export function versionOfImage(image: string): VeleroVersion | undefined {
  const match = /:v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?:[-.][A-Za-z0-9.-]*)?(?:@.*)?$/.exec(image);
  if (match === null) return undefined;
  const [major = 0, minor = 0, patch = 0] = match.slice(1).map(Number);
  return { major, minor, patch };
}

export function formatVersion({ major, minor, patch }: VeleroVersion): string {
  return `${major}.${minor}.${patch}`;
}

export function isBefore(version: VeleroVersion, minor: number, patch: number): boolean {
  if (version.major !== 1) return version.major < 1;
  return version.minor < minor || (version.minor === minor && version.patch < patch);
}

export type VersionJudgement =
  | { readonly is: "known"; readonly traps: readonly string[] }
  /** The server itself may crash or lose what was backed up. */
  | { readonly is: "harmful"; readonly because: string; readonly upgradeTo: string }
  | { readonly is: "untried" };

/** What this agent steps around is told all the same: a stock agent on the same cluster does not. */
export function judgeVersion(version: VeleroVersion): VersionJudgement {
  if (isBefore(version, 14, 0) || !isBefore(version, 19, 0)) return { is: "untried" };
  if (isBefore(version, 16, 0)) {
    return {
      is: "harmful",
      because: "it can lose the snapshot of a volume that ends within a second, and crash on a second final update",
      upgradeTo: "1.16.1",
    };
  }
  if (isBefore(version, 16, 1)) {
    return {
      is: "harmful",
      because: "it crashes when a PodVolumeBackup that is over is changed once more",
      upgradeTo: "1.16.1",
    };
  }
  const traps: string[] = [];
  if (!isBefore(version, 17, 0) && isBefore(version, 18, 3)) {
    traps.push(
      "a PodVolumeBackup that ends as Canceled is waited for until the timeout; this agent lets it fail instead",
    );
  }
  if (isBefore(version, 17, 1)) {
    traps.push("a PodVolumeRestore that is over must not be changed again, which this agent never does");
  }
  return { is: "known", traps };
}
