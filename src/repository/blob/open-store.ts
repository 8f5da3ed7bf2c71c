/** From a location to a store that retries. The seam for further kinds of store. */

import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { BlobStore } from "./blob-store.ts";
import { openFilesystemStore } from "./filesystem.ts";
import { type BlobOperationSink, ObservedBlobStore } from "./observed.ts";
import { PacedBlobStore, type Paces } from "./paced.ts";
import { RetryingBlobStore } from "./retrying.ts";
import type { NamedText, S3Location } from "./s3-location.ts";

export interface FilesystemLocation {
  readonly kind: "fs";
  readonly folder: string;
}

export type StoreLocation = FilesystemLocation | S3Location;

export interface OpenStoreOptions {
  /** As the filesystem store's. */
  readonly mode: "create" | "open" | "read-only";
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** As the S3 store's. */
  readonly readCredentials?: () => Promise<NamedText | undefined>;
  /** How fast bytes go there and come from there. */
  readonly paces?: Paces;
  /** Told of every operation of the store, each attempt of one that is tried again too. */
  readonly observe?: BlobOperationSink;
}

export async function openStore(location: StoreLocation, options: OpenStoreOptions): Promise<BlobStore> {
  const { clock, log, observe, paces } = options;
  const once = await openOnce(location, options);
  const store = paces === undefined ? once : new PacedBlobStore(once, paces);
  const observed = observe === undefined ? store : new ObservedBlobStore(store, observe, clock);
  return new RetryingBlobStore(observed, { log, clock });
}

/**
 * How many packs are worth putting at once: into a folder one while the next is filled, for a second one waits for the same
 * disk; into a bucket more, since each waits for answers, up to four.
 */
export function putsInFlightOf(location: Pick<StoreLocation, "kind">, parallelism: number): number {
  return location.kind === "fs" ? 1 : Math.min(4, Math.max(2, parallelism));
}

async function openOnce(location: StoreLocation, options: OpenStoreOptions): Promise<BlobStore> {
  const { mode, clock, signal, readCredentials } = options;
  if (location.kind === "fs") return await openFilesystemStore(location.folder, { mode, signal });
  // Not before: with the SDK it takes 36 MB and 100 ms, which who has no bucket need not spend.
  const { openS3Store } = await import("./s3.ts");
  return await openS3Store(location, { mode, signal, clock, ...(readCredentials && { readCredentials }) });
}
