import { availableParallelism } from "node:os";
import { test } from "node:test";
import { createNativeKernel } from "../../../src/kernel/native/kernel.ts";
import { describeKernelContract } from "../../contracts/kernel.contract.ts";
import { lacking } from "../../support/required.ts";
import { nativeAddon } from "./native-addon.ts";

if (nativeAddon instanceof Error) {
  const { message } = nativeAddon;
  test("the native kernel keeps the contract of kernels", (t) => lacking(t, message));
} else {
  describeKernelContract(createNativeKernel(nativeAddon, { parallelism: Math.max(2, availableParallelism()) }));
}
