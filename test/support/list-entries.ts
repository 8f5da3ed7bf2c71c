import type { FolderEntries, OpenFolder } from "../../src/volume/open-folder.ts";

/** What is in a folder and still there, folders first, each in the order of the bytes. */
export async function listEntries(folder: OpenFolder, signal: AbortSignal): Promise<Omit<FolderEntries, "vanished">> {
  const { folders, others } = await folder.listNamesByKind();
  const { entries, unreadable } = await folder.readEntries([...folders.sort(), ...others.sort()], signal);
  return { entries, unreadable };
}
