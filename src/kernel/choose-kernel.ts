/**
 * Which kernel runs: the native one where its file loads, else the reference, which does the same more slowly.
 *
 * FSB_KERNEL says otherwise: `native` (an error where it does not load), `typescript`, or `auto`, as without it.
 */

import { availableParallelism } from "node:os";
import { type Kernel, type KernelConditions, KernelError } from "./kernel.ts";
import { loadAddon, type NativeAddon } from "./native/addon.ts";
import { createNativeKernel } from "./native/kernel.ts";

export interface KernelChoice {
  readonly kernel: Kernel;
  /** Why it is not the native one, where it was not asked for. */
  readonly warning: string | undefined;
}

/** Of a process that was told nothing else: the cores that it may use, of a container as of a machine. */
export const ownConditions: KernelConditions = { parallelism: availableParallelism() };

/** Errors: KERNEL_CHOICE_INVALID, KERNEL_NATIVE_UNAVAILABLE. */
export async function chooseKernel(
  setting: string | undefined,
  load: () => NativeAddon,
  conditions: KernelConditions = ownConditions,
  warn: (message: string) => void = () => undefined,
): Promise<KernelChoice> {
  switch (setting) {
    case "typescript":
      return { kernel: await openReference(conditions, warn), warning: undefined };
    case undefined:
    case "":
    case "auto":
    case "native":
      break;
    default:
      throw new KernelError("KERNEL_CHOICE_INVALID", `there is no kernel ${JSON.stringify(setting)}`, {
        hint: "set FSB_KERNEL to native, typescript or auto",
      });
  }
  try {
    return { kernel: createNativeKernel(load(), conditions, warn), warning: undefined };
  } catch (cause) {
    if (setting === "native") {
      throw new KernelError("KERNEL_NATIVE_UNAVAILABLE", "the native kernel does not load", {
        cause,
        hint: "install Rust and run npm run build, or leave FSB_KERNEL unset for the slower one",
      });
    }
    const [reason] = (cause instanceof Error ? cause.message : String(cause)).split("\n");
    return {
      kernel: await openReference(conditions, warn),
      warning: `the native kernel does not load, the slower one is used: ${reason}`,
    };
  }
}

/** By the environment of this process. Errors: as `chooseKernel`. */
export async function openKernel(conditions: KernelConditions, warn: (message: string) => void): Promise<Kernel> {
  const { kernel, warning } = await chooseKernel(process.env.FSB_KERNEL, loadAddon, conditions, warn);
  if (warning !== undefined) warn(warning);
  return kernel;
}

/** Where the native one runs, there is no need of it and the packages that it takes. */
export async function openReference(conditions: KernelConditions, warn: (message: string) => void): Promise<Kernel> {
  return (await import("./typescript/kernel.ts")).createTypescriptKernel(conditions, warn);
}
