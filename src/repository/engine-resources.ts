/**
 * What all work of a process shares: the kernel and its threads, the memory, the rates at which bytes go to and fro, and
 * the profile of where the time went. Made once a process.
 */

import { availableParallelism } from "node:os";
import type { Clock } from "../base/clock.ts";
import { type EngineSettings, memoryBudgetBytesByDefault, memoryBudgetBytesMin } from "../base/engine-settings.ts";
import { CodedError } from "../base/errors.ts";
import { MemoryBudget, type MemoryShare } from "../base/memory-budget.ts";
import { Pace } from "../base/pace.ts";
import { type MemoryUse, Profile, type ProfileReport } from "../base/profile.ts";
import { openKernel } from "../kernel/choose-kernel.ts";
import type { Kernel, KernelFormat } from "../kernel/kernel.ts";
import { writerBytesMin } from "./content/content-writer.ts";

const mebibyte = 1 << 20;

export type EngineErrorCode = "ENGINE_MEMORY_TOO_SMALL";

export class EngineError extends CodedError<EngineErrorCode> {}

export interface EngineResources {
  readonly kernel: Kernel;
  readonly memory: MemoryBudget;
  readonly profile: Profile;
  /** Undefined: as fast as may be. */
  readonly upload: Pace | undefined;
  readonly download: Pace | undefined;
}

/** Errors: KERNEL_CHOICE_INVALID, KERNEL_NATIVE_UNAVAILABLE, ENGINE_MEMORY_TOO_SMALL. */
export async function openEngineResources(
  settings: EngineSettings,
  { clock, warn }: { readonly clock: Clock; readonly warn: (message: string) => void },
): Promise<EngineResources> {
  const { memoryBudgetBytes = memoryBudgetBytesByDefault, parallelism = availableParallelism() } = settings;
  const { uploadBytesPerSecond, downloadBytesPerSecond, readBytesPerSecond, ioPriority, niceness } = settings;
  if (memoryBudgetBytes < memoryBudgetBytesMin) throw tooSmall(memoryBudgetBytes, memoryBudgetBytesMin);
  const kernel = await openKernel(
    {
      parallelism,
      ...(readBytesPerSecond !== undefined && { readBytesPerSecond }),
      ...(ioPriority !== undefined && { ioPriority }),
      ...(niceness !== undefined && { niceness }),
    },
    warn,
  );
  return {
    kernel,
    memory: new MemoryBudget(memoryBudgetBytes, settings.volumesAtOnce),
    profile: new Profile(),
    upload: uploadBytesPerSecond === undefined ? undefined : new Pace(uploadBytesPerSecond, clock),
    download: downloadBytesPerSecond === undefined ? undefined : new Pace(downloadBytesPerSecond, clock),
  };
}

/** The share of one job. Errors: ENGINE_MEMORY_TOO_SMALL where its repository's packs are too large for the budget. */
export async function openJobShare(
  { memory }: EngineResources,
  format: KernelFormat,
  warn: (message: string) => void,
  signal: AbortSignal,
): Promise<MemoryShare> {
  const minBytes = writerBytesMin(format);
  if (minBytes > memory.limitBytes) throw tooSmall(memory.limitBytes, minBytes);
  if (memory.freeBytes < minBytes) warn("the memory budget has no room for another volume, which waits for one to end");
  return await memory.openShare(minBytes, signal);
}

/** Plain data, as of now. */
export function memoryUseOf({ memory }: Pick<EngineResources, "memory">): MemoryUse {
  const { limitBytes, usedBytes, peakBytes } = memory;
  return { limitBytes, usedBytes, peakBytes };
}

export function reportProfile({ kernel, memory, profile }: EngineResources): ProfileReport {
  return profile.report({
    kernel: kernel.name,
    threads: kernel.conditions.parallelism,
    kernelProfile: kernel.profile(),
    memory: memoryUseOf({ memory }),
  });
}

function tooSmall(bytes: number, bytesMin: number): EngineError {
  const [given, least] = [bytes, bytesMin].map((count) => Math.ceil(count / mebibyte));
  return new EngineError("ENGINE_MEMORY_TOO_SMALL", `a memory budget of ${given} MiB is too small`, {
    detail: { bytes, bytesMin },
    hint: `give --memory-budget ${least}MiB or more`,
  });
}
