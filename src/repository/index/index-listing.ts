/**
 * A listing of the index blobs, and some of them fetched ahead: neither needs the key, so that opening a repository does
 * both while the password is made into one.
 *
 * Source: docs/format/epochs.md.
 */

import type { Clock } from "../../base/clock.ts";
import { BoundedLane } from "../../base/concurrency.ts";
import type { BlobId, BlobMetadata, BlobStore } from "../blob/blob-store.ts";
import { epochBlobPrefix, epochStateOf } from "./epochs.ts";

/** 32 blobs × at most 1 MiB = 32 MiB resident. */
export const smallLoadsInFlight = 32;
/** Two shards, sealed and as tables: kopia's hold up to 16 million entries, 0.6 GB each. */
export const largeLoadsInFlight = 2;
const smallBytesMax = 1 << 20;
/** Beside the 64 MiB that the key derivation takes. */
const aheadBytesMax = 16 << 20;

export interface IndexListing {
  /** When it was begun. */
  readonly listedMs: number;
  readonly blobs: readonly BlobMetadata[];
  /** The bytes of a blob that was fetched ahead, once; undefined for one that was not, or could not be. */
  take(id: BlobId): Promise<Uint8Array | undefined>;
}

export function isSmall(length: number): boolean {
  return length <= smallBytesMax;
}

/** Errors: BlobError. Nothing is fetched. */
export async function listIndex(store: BlobStore, clock: Clock, signal: AbortSignal): Promise<IndexListing> {
  const listedMs = clock.nowMs();
  const blobs: BlobMetadata[] = [];
  for await (const blob of store.list(epochBlobPrefix, { signal })) blobs.push(blob);
  return { listedMs, blobs, take: async () => undefined };
}

/** A listing that begins at once. Disposing waits for what is under way. */
export class IndexAhead implements AsyncDisposable {
  readonly #store: BlobStore;
  readonly #signal: AbortSignal;
  readonly #lane = new BoundedLane(smallLoadsInFlight);
  readonly #fetched = new Map<BlobId, Promise<Uint8Array | undefined>>();
  readonly #listing: Promise<IndexListing | undefined>;
  readonly #fetching: Promise<void>;
  #isWanted = true;

  constructor(store: BlobStore, clock: Clock, signal: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
    // Whoever is in need of it lists again, and hears what is wrong.
    this.#listing = listIndex(store, clock, signal).catch(() => undefined);
    this.#fetching = this.#fetch();
  }

  /** Ends the fetching. Undefined where there is none, or the repository has no epochs. */
  async listing(): Promise<IndexListing | undefined> {
    const listing = await this.#listing;
    this.#isWanted = false;
    if (listing === undefined || listing.blobs.length === 0) return undefined;
    const take = (id: BlobId): Promise<Uint8Array | undefined> => {
      const bytes = this.#fetched.get(id);
      this.#fetched.delete(id);
      return bytes ?? Promise.resolve(undefined);
    };
    return { ...listing, take };
  }

  /** Fetches small blobs that count, until there are `aheadBytesMax` of them. */
  async #fetch(): Promise<void> {
    const listing = await this.#listing;
    if (listing === undefined) return;
    const lengths = new Map(listing.blobs.map(({ id, length }) => [id, length]));
    let left = aheadBytesMax;
    for (const id of epochStateOf(listing.blobs).active) {
      const length = lengths.get(id) ?? 0;
      if (!isSmall(length)) continue;
      left -= length;
      if (left < 0) return;
      await this.#lane.start(async () => {
        if (!this.#isWanted) return;
        const bytes = this.#store.get(id, { signal: this.#signal }).catch(() => undefined); // As above.
        this.#fetched.set(id, bytes);
        await bytes;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isWanted = false;
    await this.#fetching;
    await this.#lane.settle();
  }
}
