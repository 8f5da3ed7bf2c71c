/**
 * The file by which Velero's init container `restore-wait` learns that a volume is restored:
 * `.velero/<UID of the Restore>`, empty, in the volume's root. Both may be read by everyone, because the container
 * usually does not run as root.
 *
 * `.velero` may have come out of the restored data, as a link to anywhere or a folder full of traps, so whatever bears
 * the name is removed first, without following it, and everything is done by descriptor.
 *
 * Source: Velero pkg/uploader and pkg/restorehelper; the same from 1.14 to 1.18.
 */

import { toUtf8 } from "../base/bytes.ts";
import { type AttributeDifference, applyMode } from "./attributes.ts";
import { Descriptor, fsync, openFlags } from "./descriptor.ts";
import type { EntryStat } from "./entry.ts";
import { makeFolder } from "./make-folder.ts";
import type { OpenFolder } from "./open-folder.ts";
import { removeTree } from "./remove-tree.ts";
import { attempt, VolumeError } from "./volume-error.ts";

const markerFolderName = toUtf8(".velero");
const markerFolderMode = 0o755;
const markerMode = 0o644;

export interface WrittenMarker {
  /** The folders that lead to the marker, as they were when it appeared. */
  readonly root: EntryStat;
  readonly markerFolder: EntryStat;
  /** Modes that the file system did not take (SMB). */
  readonly differences: readonly AttributeDifference[];
}

/**
 * Makes the marker, durable when this returns. From the moment that it is there the container may take it away, with its
 * folder: nothing is looked for by name after that.
 *
 * Errors: VOLUME_NAME_INVALID when the UID is not 1 to 255 of `A-Z a-z 0-9 -`; those of `removeTree`, VOLUME_FULL.
 */
export async function writeDoneMarker(
  volume: OpenFolder,
  restoreUid: string,
  options: { readonly signal: AbortSignal },
): Promise<WrittenMarker> {
  if (!/^[A-Za-z0-9-]{1,255}$/.test(restoreUid)) {
    throw new VolumeError("VOLUME_NAME_INVALID", `${JSON.stringify(restoreUid.slice(0, 80))} is no UID of a restore`);
  }
  const name = toUtf8(restoreUid);
  await removeTree(volume, markerFolderName, options);
  using folder = await makeFolder(volume, markerFolderName);
  const written = await attempt("mark as restored", folder.displayPathOf(name), async () => {
    const ofFolder = await applyMode(folder.fd, markerFolderMode);
    const folders = { root: await volume.stat(), markerFolder: await folder.stat() };
    using marker = await Descriptor.open(folder.pathOf(name), openFlags.newFile, markerMode);
    const ofMarker = await applyMode(marker.fd, markerMode);
    await fsync(marker.fd);
    return { ...folders, differences: [...ofFolder, ...ofMarker] };
  });
  await folder.sync();
  await volume.sync();
  return written;
}
