/** From a location to a store that retries. The seam for further kinds of store. */

import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { BlobStore } from "./blob-store.ts";
import { openFilesystemStore } from "./filesystem.ts";
import { RetryingBlobStore } from "./retrying.ts";

export interface FilesystemLocation {
  readonly kind: "fs";
  readonly folder: string;
}

export type StoreLocation = FilesystemLocation;

export interface OpenStoreOptions {
  /** As the filesystem store's. */
  readonly mode: "create" | "open" | "read-only";
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export async function openStore(location: StoreLocation, options: OpenStoreOptions): Promise<BlobStore> {
  const { mode, clock, log, signal } = options;
  return new RetryingBlobStore(await openFilesystemStore(location.folder, { mode, signal }), { log, clock });
}
