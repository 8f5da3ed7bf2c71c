/** The program of the engine's thread. Nothing else imports the engine into a daemon. */

import { strict as assert } from "node:assert";
import { parentPort } from "node:worker_threads";
import { EngineWork } from "./engine-work.ts";
import { serveWork } from "./work-server.ts";

assert(parentPort, "it is started as a thread");
serveWork(parentPort, ({ clock, log, onStoreRequest }) => new EngineWork(clock, log, onStoreRequest));
