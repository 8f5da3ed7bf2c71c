/** What the parts of an agent work with, where no agent runs: a store in memory and a clock that stands still. */

import type { AgentContext, AgentSettings } from "../../src/agent/agent-settings.ts";
import { StoreTrouble } from "../../src/agent/jobs/store-trouble.ts";
import { blindObserver } from "../../src/agent/observability/agent-observer.ts";
import { KnownGeneration } from "../../src/agent/velero/velero-generation.ts";
import { silentLog } from "../../src/base/log.ts";
import { MemoryResourceStore } from "../kubernetes/memory-resource-store.ts";
import { ManualClock } from "../repository/manual-clock.ts";
import { CopyingWork } from "./copying-work.ts";

export interface TestContext extends AgentContext {
  readonly store: MemoryResourceStore;
  readonly clock: ManualClock;
}

/** `schema` is what the API server says of PodVolumeBackups. */
export function contextOf(settings: Partial<AgentSettings>, schema?: unknown): TestContext {
  const clock = new ManualClock();
  return {
    settings: {
      node: "node-1",
      podsRoot: "/pods",
      veleroNamespace: "velero",
      resourceTimeoutMs: 0,
      progressIntervalMs: 1000,
      stallMs: 0,
      sourceStyle: undefined,
      onFileError: "fail",
      processors: 1,
      isWithoutServer: false,
      ...settings,
    },
    store: new MemoryResourceStore(),
    clock,
    work: new CopyingWork(),
    observer: blindObserver,
    storeTrouble: new StoreTrouble(),
    generation: new KnownGeneration(async () => schema, { clock, log: silentLog }),
  };
}
