import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseKernel } from "../../src/kernel/choose-kernel.ts";
import type { NativeAddon } from "../../src/kernel/native/addon.ts";

const loads = (): NativeAddon => {
  class Conditions {
    readonly adopt = (): number => 0;
  }
  return { Conditions } as unknown as NativeAddon;
};
const doesNot = (): NativeAddon => {
  throw new Error("no such file\nRequire stack: …");
};

test("the native kernel is taken where it loads, and the reference where it is asked for", async () => {
  for (const setting of [undefined, "", "auto", "native"]) {
    assert.equal((await chooseKernel(setting, loads)).kernel.name, "native");
  }
  const { kernel, warning } = await chooseKernel("typescript", doesNot);
  assert.equal(kernel.name, "typescript");
  assert.equal(warning, undefined);
});

test("where the native kernel does not load the reference serves, with a warning that says why", async () => {
  for (const setting of [undefined, "", "auto"]) {
    const { kernel, warning } = await chooseKernel(setting, doesNot);
    assert.equal(kernel.name, "typescript");
    assert.equal(warning, "the native kernel does not load, the slower one is used: no such file");
  }
});

test("a native kernel that is asked for and does not load is an error, and so is a kernel that there is not", async () => {
  await assert.rejects(chooseKernel("native", doesNot), { code: "KERNEL_NATIVE_UNAVAILABLE" });
  await assert.rejects(chooseKernel("fast", loads), { code: "KERNEL_CHOICE_INVALID", message: /"fast"/ });
});
