/** Marks a session in a repository, as a writer does that is cut off before it ends. */

import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { silentLog } from "../../src/base/log.ts";
import { systemRandom } from "../../src/base/random.ts";
import { typescriptKernel } from "../../src/kernel/typescript/kernel.ts";
import { openStore } from "../../src/repository/blob/open-store.ts";
import { type ClientIdentity, newSessionId, sealSessionMarker } from "../../src/repository/content/session.ts";
import { kernelFormatOf } from "../../src/repository/format/kernel-format.ts";
import { EncryptedBlobs } from "../../src/repository/index/encrypted-blob.ts";
import { openRepository } from "../../src/repository/repository.ts";
import { fsb } from "./fsb.ts";
import { repositoryPassword } from "./kopia.ts";

const { signal } = new AbortController();

export async function createRepositoryIn(parent: string): Promise<string> {
  const folder = join(parent, "repository");
  await fsb(["repo", "create", "--repo", folder]);
  return folder;
}

/** Gives the session's id. */
export async function sealMarkerIn(folder: string, identity: ClientIdentity): Promise<string> {
  const store = await openStore({ kind: "fs", folder }, { mode: "open", clock: systemClock, log: silentLog, signal });
  await using repository = await openRepository({ store, password: repositoryPassword, clock: systemClock, signal });
  const session = newSessionId(systemClock.nowMs(), systemRandom);
  const blobs = new EncryptedBlobs(store, typescriptKernel, kernelFormatOf(repository.format), systemRandom);
  const { id, sealed } = sealSessionMarker(session, systemClock.nowMs(), identity, blobs);
  await store.put(id, [sealed], { signal });
  return session;
}
