/**
 * The policy that Velero stores for every source at every backup, so that a kopia client which looks after the
 * repository neither expires nor compresses otherwise.
 *
 * Source: Velero pkg/uploader/kopia/snapshot.go (setupPolicy), 1.16 and later; key order as kopia writes it.
 */

import type { JsonObject } from "../../kubernetes/json.ts";

/** Never expired by retention: the largest int32. */
const keepForEver = 2_147_483_647;

/** `parallelFiles`: files read at once. */
export function veleroPolicy(parallelFiles: number): JsonObject {
  return {
    retention: {
      keepLatest: keepForEver,
      keepHourly: keepForEver,
      keepDaily: keepForEver,
      keepWeekly: keepForEver,
      keepMonthly: keepForEver,
      keepAnnual: keepForEver,
    },
    files: {},
    errorHandling: { ignoreUnknownTypes: true },
    scheduling: { manual: true },
    compression: { compressorName: "none" },
    metadataCompression: {},
    splitter: {},
    actions: {},
    osSnapshots: { volumeShadowCopy: {} },
    logging: { directories: {}, entries: {} },
    upload: { maxParallelFileReads: parallelFiles, parallelUploadAboveSize: 2 * 1024 ** 3 },
  };
}
