/** Velero's `spec.uploaderSettings`. Source: Velero pkg/uploader/util/uploader_config.go. */

import { AgentError } from "../agent-error.ts";

/** Velero's answer to a setting that is not there, or is not positive, is the number of processors. */
export function parallelFilesUpload(settings: ReadonlyMap<string, string>, processors: number): number {
  return positive(settings, "ParallelFilesUpload") ?? processors;
}

export function parallelFilesDownload(settings: ReadonlyMap<string, string>, processors: number): number {
  return positive(settings, "ParallelFilesDownload") ?? processors;
}

export function writeSparseFiles(settings: ReadonlyMap<string, string>): boolean {
  const text = settings.get("WriteSparseFiles");
  if (text === undefined || /^(0|f|F|false|FALSE|False)$/.test(text)) return false;
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
  throw unparsable("WriteSparseFiles", text);
}

function positive(settings: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = settings.get(name);
  if (text === undefined) return undefined;
  if (!/^[+-]?\d{1,9}$/.test(text)) throw unparsable(name, text);
  const value = Number(text);
  return value > 0 ? value : undefined;
}

function unparsable(name: string, text: string): AgentError {
  return new AgentError(
    "UPLOADER_SETTING_INVALID",
    `failed to parse ${name} config: ${JSON.stringify(text.slice(0, 40))}`,
    { hint: `correct ${name} in spec.uploaderConfig of the Backup or Restore` },
  );
}
