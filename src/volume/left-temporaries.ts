/** Files that a restore was killed over: they bear temporary names, and nobody else would ever take them away. */

import { unlink } from "node:fs/promises";
import { toUtf8 } from "../base/bytes.ts";
import { errnoOf } from "../base/errors.ts";
import { temporaryNamePattern } from "./entry-name.ts";
import type { OpenFolder } from "./open-folder.ts";
import { attempt } from "./volume-error.ts";

/** Removes files and links of such names from the folder itself. No restore may be at work in it. Errors: VolumeError. */
export async function removeLeftTemporaries(folder: OpenFolder): Promise<void> {
  const { others } = await folder.listNamesByKind();
  for (const latin1 of others.filter((name) => temporaryNamePattern.test(name))) {
    const name = toUtf8(latin1);
    await attempt("remove", folder.displayPathOf(name), async () => {
      await unlink(folder.pathOf(name)).catch((error: unknown) => {
        if (errnoOf(error) !== "ENOENT") throw error;
      });
    });
  }
}
