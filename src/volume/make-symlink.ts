/** A symbolic link, with its owner and time, in place of what bore its name. */

import { rename, symlink, unlink } from "node:fs/promises";
import { bufferOf } from "../base/bytes.ts";
import { type RandomSource, systemRandom } from "../base/random.ts";
import { type AttributeDifference, type Attributes, applyLinkAttributes } from "./attributes.ts";
import { Descriptor, fstat, openFlags } from "./descriptor.ts";
import { temporaryName } from "./entry-name.ts";
import type { OpenFolder } from "./open-folder.ts";
import { attempt, contested, VolumeError } from "./volume-error.ts";

/** PATH_MAX of Linux without the NUL that ends it, in bytes. */
const targetBytesMax = 4095;

export interface NewSymlink {
  /** Stored as it is, wherever it leads: 1 to 4095 bytes without NUL. */
  readonly target: Uint8Array;
  readonly attributes: Omit<Attributes, "mode">;
}

/**
 * Made under a temporary name, held by descriptor while its attributes are set, then renamed; so neither the old
 * entry's target nor something put in the temporary one's place is touched. Gives what reading back found different.
 *
 * Errors: VOLUME_LINK_TARGET_INVALID; VOLUME_FOLDER_IN_THE_WAY when a folder bears the name; VOLUME_CONTESTED when
 * someone replaced the temporary link; VOLUME_ACCESS_DENIED, VOLUME_FULL, VOLUME_READ_ONLY, VOLUME_FAILED.
 */
export async function makeSymlink(
  parent: OpenFolder,
  name: Uint8Array,
  link: NewSymlink,
  random: RandomSource = systemRandom,
): Promise<AttributeDifference[]> {
  const path = parent.pathOf(name);
  const displayPath = parent.displayPathOf(name);
  const { target } = link;
  if (target.byteLength === 0 || target.byteLength > targetBytesMax || target.includes(0)) {
    throw new VolumeError(
      "VOLUME_LINK_TARGET_INVALID",
      `the target of link ${displayPath} is none that can be stored`,
      {
        detail: { path: displayPath, targetBytes: target.byteLength },
      },
    );
  }
  return await attempt("restore link", displayPath, async () => {
    const temporary = parent.pathOf(temporaryName(random));
    await symlink(bufferOf(target), temporary);
    try {
      using descriptor = await Descriptor.open(temporary, openFlags.anything);
      if (!(await fstat(descriptor.fd)).isSymbolicLink()) throw contested(displayPath);
      const differences = await applyLinkAttributes(descriptor.fd, link.attributes, parent.system);
      await rename(temporary, path);
      return differences;
    } catch (error) {
      await unlink(temporary).catch(() => undefined); // What failed first tells more.
      throw error;
    }
  });
}
