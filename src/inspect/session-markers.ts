/**
 * Session markers: who is writing, or was when it was cut off. Maintenance leaves what an unexpired session wrote alone.
 *
 * Source: docs/format/sessions.md.
 */

import { fromUtf8 } from "../base/bytes.ts";
import { CodedError, explainWithoutHint, hasCode } from "../base/errors.ts";
import type { BlobId } from "../repository/blob/blob-store.ts";
import type { Repository } from "../repository/repository.ts";
import { sessionOfBlob } from "./stored-blobs.ts";

/** kopia's `SessionExpirationAge`. */
export const sessionLifeMs = 96 * 3_600_000;

export interface SessionMarker {
  readonly id: BlobId;
  readonly session: string;
  /** By the store's clock. */
  readonly modifiedMs: number;
  /** USER@HOST; empty where the marker does not open. */
  readonly owner: string;
  readonly startTime: string;
  readonly problem: string;
}

/** Errors: BlobError. */
export async function* sessionMarkers(
  repository: Repository,
  signal: AbortSignal,
): AsyncGenerator<SessionMarker, void, undefined> {
  for await (const { id, modifiedMs } of repository.store.list("s", { signal })) {
    const known = { id, session: sessionOfBlob(id), modifiedMs };
    try {
      const body = JSON.parse(fromUtf8(await repository.sealedBlobs.read(id, signal))) as Record<string, unknown>;
      const owner = `${textOf(body.username)}@${textOf(body.hostname)}`;
      yield { ...known, owner, startTime: textOf(body.startTime), problem: "" };
    } catch (error) {
      if (hasCode(error, "BLOB_NOT_FOUND")) continue; // The session ended meanwhile.
      const isDamage = error instanceof SyntaxError || hasCode(error, "INDEX_BLOB_DAMAGED");
      if (!isDamage) throw error;
      const problem = error instanceof CodedError ? explainWithoutHint(error) : `marker ${id} is not JSON`;
      yield { ...known, owner: "", startTime: "", problem };
    }
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
