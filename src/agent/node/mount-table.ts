/**
 * What is mounted where, as this process sees it.
 *
 * A container whose mount of the kubelet's folder lacks propagation does not see what the kubelet mounts after it started:
 * it finds the folder below, empty, and an empty folder looks like an empty volume. The kernel's table tells them apart.
 *
 * Source: proc_pid_mountinfo(5), mount_namespaces(7).
 */

export interface Mount {
  readonly path: string;
  /** Mounts made elsewhere show here too: of HostToContainer or Bidirectional propagation, or the host's own. */
  readonly isPropagated: boolean;
}

/**
 * Lines of `id parent major:minor root path options [optional…] - type source options`; later ones lie on top. What is not
 * of this form is passed over.
 */
export function parseMountTable(mountinfo: string): readonly Mount[] {
  return mountinfo.split("\n").flatMap((line) => {
    const fields = line.split(" ");
    const end = fields.indexOf("-", 6);
    const path = fields[4];
    if (path === undefined || end < 0) return [];
    const isPropagated = fields.slice(6, end).some((field) => /^(shared|master):/.test(field));
    return [{ path: unescapeOctal(path), isPropagated }];
  });
}

/** Whether what is mounted below the folder later on will show. `folder` is absolute and free of links. */
export function takesLaterMounts(table: readonly Mount[], folder: string): boolean {
  const holding = table
    .filter(({ path }) => path === "/" || folder === path || folder.startsWith(`${path}/`))
    .reduce<Mount | undefined>((deepest, mount) => {
      return deepest === undefined || mount.path.length >= deepest.path.length ? mount : deepest;
    }, undefined);
  return holding?.isPropagated ?? true;
}

export type Unmounted =
  | { readonly is: "fine" }
  | { readonly is: "doubtful"; readonly because: string }
  | { readonly is: "lost"; readonly because: string; readonly hint: string };

/**
 * Of a volume that should be a mount, and is none. Drivers that give a plain folder exist, against the letter of CSI: what
 * has files in it, or is empty where mounts would show, may be theirs, and is not refused.
 */
export function decideUnmounted(seen: { readonly isEmpty: boolean; readonly takesLaterMounts: boolean }): Unmounted {
  const { isEmpty } = seen;
  if (seen.takesLaterMounts) {
    return isEmpty
      ? { is: "doubtful", because: "if its driver mounts volumes, this one was not mounted, or not any more" }
      : { is: "fine" };
  }
  const because = "mounts that the kubelet makes do not show in this process, so the volume is not what is seen there";
  return isEmpty
    ? {
        is: "lost",
        because,
        hint: "mount the kubelet's folder of pods with mountPropagation: HostToContainer, and restart the agent",
      }
    : { is: "doubtful", because: `${because}, unless its driver gives a plain folder` };
}

/** Spaces, tabs, line ends and backslashes are written as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
