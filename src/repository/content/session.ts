/**
 * Write sessions: while one is alive its marker keeps maintenance from collecting packs that no index names yet.
 * The marker is durable before the first pack and goes after the index.
 *
 * Source: docs/format/sessions.md; kopia repo/content/sessions.go.
 */

import { toHex, toUtf8 } from "../../base/bytes.ts";
import type { RandomSource } from "../../base/random.ts";
import type { BlobId } from "../blob/blob-store.ts";
import type { EncryptedBlobs } from "../index/encrypted-blob.ts";

export type SessionId = string & { readonly __brand: "SessionId" };

const sessionEpochMs = Date.UTC(2000, 0, 1);
const monthMs = 30 * 24 * 3_600_000;

export function newSessionId(nowMs: number, random: RandomSource): SessionId {
  const month = Math.floor((nowMs - sessionEpochMs) / monthMs);
  return `s${toHex(random(8))}${month.toString(16)}` as SessionId;
}

export interface ClientIdentity {
  readonly userName: string;
  readonly hostName: string;
}

export function sealSessionMarker(
  session: SessionId,
  nowMs: number,
  identity: ClientIdentity,
  blobs: EncryptedBlobs,
): { readonly id: BlobId; readonly sealed: Uint8Array } {
  const time = new Date(nowMs).toISOString();
  const body = {
    id: session,
    startTime: time,
    checkpointTime: time,
    username: identity.userName,
    hostname: identity.hostName,
  };
  return blobs.seal("s", session, toUtf8(JSON.stringify(body)));
}
