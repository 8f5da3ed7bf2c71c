import { EngineWork } from "../../../src/agent/engine/engine-work.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { volumeWorkContract } from "../../contracts/volume-work.contract.ts";

volumeWorkContract("the engine", (sink) => ({
  work: new EngineWork({
    clock: systemClock,
    log: sink.log,
    onStoreRequest: (request) => sink.onStoreRequests([request]),
  }),
  [Symbol.asyncDispose]: async () => undefined,
}));
