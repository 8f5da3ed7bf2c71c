/**
 * A program sees the machine's files with some of its own beside them, as a container does with what is mounted into it:
 * in a mount namespace and a root folder of its own, so that the machine has none of it and programs cannot meet.
 */

import type { TestContext } from "node:test";
import { runProgram } from "./program.ts";
import { lacking, requireRoot } from "./required.ts";

/** The command that goes on with what follows it. */
const enter = `
set -e
root=$1
shift
show() {
  if [ -L "$1" ]; then cp -P "$1" "$2"
  elif [ -d "$1" ]; then mkdir "$2" && mount --rbind "$1" "$2"
  else touch "$2" && mount --bind "$1" "$2"
  fi
}
mount -t tmpfs -o mode=755 none "$root"
while [ "$1" != -- ]; do show "$2" "$root/$1"; shift 2; done
shift
for entry in /*; do
  name=\${entry#/}
  if [ ! -e "$root/$name" ] && [ ! -L "$root/$name" ]; then show "$entry" "$root/$name"; fi
done
exec chroot "$root" "$@"
`;

/**
 * What to put before a command and its arguments; the process stays the same one. `root` is an empty folder, and stays one.
 * `places` are names in the root folder and what is there instead of the machine's: the path of a folder or file to show,
 * or of a symbolic link, which is copied. The program starts in `/`.
 */
export function inOwnRoot(root: string, places: Readonly<Record<string, string>>): readonly [string, ...string[]] {
  const shown = Object.entries(places).flat();
  // As kubelet mounts with HostToContainer: what is mounted on the machine later shows, and nothing shows on the machine.
  return ["unshare", "--mount", "--propagation=slave", "sh", "-c", enter, "sh", root, ...shown, "--"];
}

/** False when the test was skipped because this machine does not let it have mounts of its own. */
export async function requireOwnRoot(t: TestContext): Promise<boolean> {
  if (!requireRoot(t)) return false;
  const [command, ...args] = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"] as const;
  const run = await runProgram(command, args, { env: process.env });
  if (run.exitCode === 0) return true;
  lacking(t, `needs a mount namespace of its own: ${run.stderr.trim()}`);
  return false;
}
