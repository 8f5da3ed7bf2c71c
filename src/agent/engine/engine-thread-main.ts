/** The program of the engine's thread. Nothing else imports the engine into a daemon. */

import { strict as assert } from "node:assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import type { EngineSettings } from "../../base/engine-settings.ts";
import { EngineWork } from "./engine-work.ts";
import type { StoreRequest } from "./volume-work.ts";
import { serveWork } from "./work-server.ts";

/**
 * Packs and ranges of them are mebibytes outside the JavaScript heap, which is why V8 is in no hurry to collect what
 * holds them; so it is told to, each time that so much went by. docs/decisions/engine-in-a-thread.md has the figures.
 */
const bytesBetweenCollections = 16 << 20;

assert(parentPort, "it is started as a thread");
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
let bytesUncollected = 0;

serveWork(parentPort, ({ clock, log, onStoreRequest }) => {
  const { settings } = workerData as { readonly settings: EngineSettings };
  return new EngineWork({
    clock,
    log,
    settings,
    onStoreRequest: (request: StoreRequest) => {
      onStoreRequest(request);
      bytesUncollected += request.bytes;
      if (bytesUncollected < bytesBetweenCollections) return;
      bytesUncollected = 0;
      collect();
    },
  });
});
