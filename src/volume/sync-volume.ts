/** The last step before a restore is called done. */

import type { OpenFolder } from "./open-folder.ts";
import { attempt } from "./volume-error.ts";

/**
 * Returns once everything written to the volume's file system is on storage: `syncfs`. Where the libc is not in use
 * (`folder.system.name`) it reaches the folder alone; files need `sync: "before-rename"` then.
 *
 * Errors: VOLUME_FULL, VOLUME_FAILED: what was written may not be there after a crash.
 */
export function syncVolume(folder: OpenFolder): Promise<void> {
  return attempt("bring to storage", folder.displayPath, () => folder.system.syncFileSystem(folder.fd));
}
