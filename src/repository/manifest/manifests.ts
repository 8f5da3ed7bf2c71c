/**
 * Manifests: small labelled JSON documents. Every content with prefix `m` is read; of entries with one id the youngest
 * counts, and a tombstone takes its document away.
 *
 * Source: docs/format/manifests.md; kopia repo/manifest/manifest_manager.go.
 */

import { toHex } from "../../base/bytes.ts";
import type { RandomSource } from "../../base/random.ts";
import { ContentError } from "../content/content-error.ts";
import { type ContentId, contentIdOfKey } from "../content/content-id.ts";
import type { ContentReader } from "../content/content-reader.ts";
import type { CommittedIndex } from "../index/committed-index.ts";
import { decodeManifests, type ManifestEntry, type ManifestId, type ManifestLabels } from "./manifest-codec.ts";

const manifestPrefix = "m";

/** The manifests of a repository as of its last refresh. */
export class Manifests {
  readonly #entries: ReadonlyMap<ManifestId, ManifestEntry>;

  constructor(entries: ReadonlyMap<ManifestId, ManifestEntry>) {
    this.#entries = entries;
  }

  get(id: string): ManifestEntry | undefined {
    return this.#entries.get(id as ManifestId);
  }

  /** Those that carry every given label, oldest first; ties by id. */
  find(labels: ManifestLabels): ManifestEntry[] {
    const wanted = Object.entries(labels);
    return [...this.#entries.values()]
      .filter((entry) => wanted.every(([label, value]) => entry.labels[label] === value))
      .sort((a, b) => (a.modifiedNs === b.modifiedNs ? (a.id < b.id ? -1 : 1) : a.modifiedNs < b.modifiedNs ? -1 : 1));
  }
}

/** Reads them all. Errors: MANIFEST_CORRUPT, ContentError, BlobError. */
export async function loadManifests(
  index: CommittedIndex,
  contents: ContentReader,
  signal: AbortSignal,
): Promise<Manifests> {
  try {
    return await loadOnce(index, contents, signal);
  } catch (error) {
    if (!(error instanceof ContentError)) throw error;
    // A compaction elsewhere may have taken contents away since the index was read.
    await index.refresh(signal);
    return await loadOnce(index, contents, signal);
  }
}

async function loadOnce(index: CommittedIndex, contents: ContentReader, signal: AbortSignal): Promise<Manifests> {
  const ids: ContentId[] = [];
  for (const record of index.records(manifestPrefix)) ids.push(contentIdOfKey(record.key));
  const latest = new Map<ManifestId, ManifestEntry>();
  await contents.readEach(ids, signal, async (_, bytes) => {
    for (const entry of decodeManifests(bytes)) {
      const known = latest.get(entry.id);
      if (known === undefined || entry.modifiedNs > known.modifiedNs) latest.set(entry.id, entry);
    }
  });
  for (const [id, entry] of latest) if (entry.deleted) latest.delete(id);
  return new Manifests(latest);
}

export function newManifestId(random: RandomSource): ManifestId {
  return toHex(random(16)) as ManifestId;
}
