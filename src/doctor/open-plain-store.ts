/** A store that tries nothing again: who asks whether it works wants to know what it says the first time. */

import type { Clock } from "../base/clock.ts";
import type { BlobStore } from "../repository/blob/blob-store.ts";
import { openFilesystemStore } from "../repository/blob/filesystem.ts";
import type { StoreLocation } from "../repository/blob/open-store.ts";

/** A probe is a few bytes, and an index blob 20 MB at most. */
const limits = { stallMs: 15_000, requestMs: 60_000, bytesPerSecondMin: 64 * 1024 };

/** Errors: BlobError. */
export async function openPlainStore(
  location: StoreLocation,
  options: { readonly mode: "open" | "read-only"; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<BlobStore> {
  if (location.kind === "fs") return await openFilesystemStore(location.folder, options);
  // Not before: with the SDK it takes 36 MB and 100 ms, which who has no bucket need not spend.
  const { openS3Store } = await import("../repository/blob/s3.ts");
  return await openS3Store(location, { ...options, limits });
}
