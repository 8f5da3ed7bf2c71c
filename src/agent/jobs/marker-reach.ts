/**
 * Whether init container restore-wait can see the done marker, from whom it runs as and what the restored folders allow.
 *
 * To look for a file takes search permission on each folder above it. `.velero` is ours and everyone's; the volume's root
 * is as it was backed up, 0700 of a database's user for one, and is left so: the application counts on it.
 *
 * What a pod does not say is in its image, which is not looked into: then those who may be meant are tried in turn, and
 * where they differ the answer is that it cannot be told. Permission bits are all that is looked at. A POSIX or NFSv4
 * access list, a file system whose server decides for itself (SMB, some FUSE), and SELinux can say otherwise.
 *
 * Considered: asking the kernel, by access(2) as that user. It would see access lists and squashing servers, but takes
 * CAP_SETUID and CAP_SETGID, which let an agent be anyone; it does without them.
 *
 * Source: credentials(7), path_resolution(7), capabilities(7); Velero cmd/velero-restore-helper and
 * pkg/restore/actions/pod_volume_restore_action.go, 1.14 to 1.18.
 */

import type { MarkerFolder } from "../engine/volume-work.ts";
import type { RestoreWaitUser } from "../velero/velero-resources.ts";

export type MarkerReach =
  | { readonly is: "reachable" }
  /** Nobody who may be meant can search the folder; or it cannot be told, for the image says who it is. */
  | { readonly is: "unreachable" | "uncertain"; readonly folder: MarkerFolder; readonly user: string };

interface User {
  readonly userId: number;
  readonly groupIds: readonly number[];
}

/** That of Velero's images: `cnb` of paketobuildpacks/run-jammy-tiny, and `nonroot` of distroless before. */
const veleroImageUsers = [
  { userId: 1002, groupId: 1000 },
  { userId: 65_532, groupId: 65_532 },
];
const veleroImageNames: ReadonlySet<string> = new Set(["velero", "velero-restore-helper"]);

/** `folders` lead to the marker, from the volume's root down. */
export function decideMarkerReach(waiting: RestoreWaitUser, folders: readonly MarkerFolder[]): MarkerReach {
  const { users, isComplete } = usersMeant(waiting);
  const isOverriding = overridesPermissions(waiting);
  let reach: MarkerReach = { is: "reachable" };
  for (const folder of folders) {
    const able = users.filter((user) => (user.userId === 0 && isOverriding) || isSearchable(folder, user));
    if (able.length === users.length) continue;
    const user = describeUser(waiting, isOverriding);
    if (able.length === 0 && isComplete) return { is: "unreachable", folder, user };
    if (reach.is === "reachable") reach = { is: "uncertain", folder, user };
  }
  return reach;
}

/** As root; capabilities that are added do not reach other users. */
function overridesPermissions({ isPrivileged, added, dropped }: RestoreWaitUser): boolean {
  const has = (capability: string, byDefault: boolean): boolean => {
    const names = [capability, "ALL"];
    return names.some((name) => added.includes(name)) || (byDefault && !names.some((name) => dropped.includes(name)));
  };
  return isPrivileged || has("DAC_OVERRIDE", true) || has("DAC_READ_SEARCH", false);
}

/** Those who may be meant; one where the pod says all of it. Others may be too where they are not complete. */
function usersMeant(waiting: RestoreWaitUser): { readonly users: readonly User[]; readonly isComplete: boolean } {
  const { image, userId, groupId, otherGroupIds } = waiting;
  const withGroup = (id: number, primary: number): User => ({ userId: id, groupIds: [primary, ...otherGroupIds] });
  if (userId !== undefined) {
    // Of the image's /etc/passwd; 0 where that does not have the user.
    const primaries = groupId === undefined ? [...new Set([0, 1000, userId])] : [groupId];
    return { users: primaries.map((primary) => withGroup(userId, primary)), isComplete: true };
  }
  const users = veleroImageUsers.map((user) => withGroup(user.userId, groupId ?? user.groupId));
  return { users, isComplete: isOfVelero(image) };
}

/** By the last part of its name, so that a registry's mirror counts. */
function isOfVelero(image: string): boolean {
  const name = /([^/:@]+)(:[^/@]*)?(@.*)?$/.exec(image)?.[1] ?? "";
  return veleroImageNames.has(name);
}

/** The first class that the user is of counts, even where another would allow more. */
function isSearchable({ mode, userId, groupId }: MarkerFolder, user: User): boolean {
  if (user.userId === userId) return (mode & 0o100) !== 0;
  if (user.groupIds.includes(groupId)) return (mode & 0o010) !== 0;
  return (mode & 0o001) !== 0;
}

function describeUser({ image, userId, groupId, otherGroupIds }: RestoreWaitUser, isOverriding: boolean): string {
  const groups = otherGroupIds.length === 0 ? "" : ` with groups ${otherGroupIds.join(", ")}`;
  if (userId === undefined) return `the user of image ${image === "" ? "(none named)" : image.slice(0, 200)}${groups}`;
  const lacks = userId === 0 && !isOverriding ? " without CAP_DAC_OVERRIDE" : "";
  return `user ${userId}${groupId === undefined ? "" : `:${groupId}`}${groups}${lacks}`;
}

/** "the volume's root, mode 0700 of 999:999" */
export function describeMarkerFolder({ name, mode, userId, groupId }: MarkerFolder): string {
  return `${name}, mode ${mode.toString(8).padStart(4, "0")} of ${userId}:${groupId}`;
}
