/** Looks at a store and at a repository in it, without the cluster: what `fsb doctor --repo` does. */

import type { Clock } from "../base/clock.ts";
import { systemRandom } from "../base/random.ts";
import { parseBlobId } from "../repository/blob/blob-store.ts";
import type { StoreLocation } from "../repository/blob/open-store.ts";
import type { KeyDeriver } from "../repository/format/keys.ts";
import { formatBlobId, openFormat } from "../repository/format/repository-format.ts";
import { epochStateOf } from "../repository/index/epochs.ts";
import { listIndex } from "../repository/index/index-listing.ts";
import { legacyIndexPrefix } from "../repository/index/legacy-index-blobs.ts";
import type { Finding, Seen } from "./finding.ts";
import { look } from "./finding.ts";
import { judgeMaintenanceAge, judgeOpening, judgePassword, type RepositorySeen } from "./judge-repository.ts";
import { judgeProbe, judgeStoreClock, type ProbeReport } from "./judge-store.ts";
import { openPlainStore } from "./open-plain-store.ts";
import { countBlobs, probeStore } from "./probe-store.ts";

export interface Means {
  readonly kernel: KeyDeriver;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const maintenanceBlobId = parseBlobId("kopia.maintenance");

export async function* examineRepository(
  location: StoreLocation,
  password: string,
  means: Means,
): AsyncGenerator<Finding> {
  const subject = location.kind === "fs" ? location.folder : `${location.bucket}/${location.prefix}`;
  yield judgePassword({ value: password });
  const probed = await probe(location, "", means);
  yield* judgeProbe(subject, probed);
  if ("value" in probed && probed.value.wrong === undefined) {
    yield judgeStoreClock(subject, probed.value.aheadMs, undefined);
  }
  const seen = await lookAtRepository(location, password, means);
  yield* judgeOpening(subject, seen);
  if ("value" in seen) yield judgeMaintenanceAge(subject, seen.value.maintainedMs, means.clock.nowMs());
}

/** In a folder only where a repository is, for what is put there first settles how its files are laid out. */
export async function probe(
  location: StoreLocation,
  notPut: string,
  { clock, signal }: Means,
): Promise<Seen<ProbeReport>> {
  return await look(async () => {
    await using store = await openPlainStore(location, { mode: "open", clock, signal });
    const options = { random: systemRandom, clock, signal };
    if (location.kind !== "fs") return await probeStore(store, { ...options, notPut });
    const isRepository = (await store.metadata(formatBlobId, { signal })) !== undefined;
    const report = await probeStore(store, { ...options, notPut: isRepository ? notPut : "it is no repository" });
    return { ...report, conditional: undefined }; // No server whose headers it would tell of.
  });
}

export async function lookAtRepository(
  location: StoreLocation,
  password: string,
  { kernel, clock, signal }: Means,
): Promise<Seen<RepositorySeen>> {
  return await look(async () => {
    await using store = await openPlainStore(location, { mode: "read-only", clock, signal });
    const { format } = await openFormat(store, password, { kernel, signal, nowMs: clock.nowMs() });
    const { version: formatVersion, hash, encryption, epochs } = format;
    const indexBlobs = epochs.enabled
      ? epochStateOf((await listIndex(store, clock, signal)).blobs).active.length
      : await countBlobs(store, legacyIndexPrefix, signal);
    const maintainedMs = (await store.metadata(maintenanceBlobId, { signal }))?.modifiedMs;
    return { formatVersion, hash, encryption, indexBlobs, maintainedMs };
  });
}
