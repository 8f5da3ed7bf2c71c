import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseKernel } from "../../src/kernel/choose-kernel.ts";
import type { NativeAddon } from "../../src/kernel/native/addon.ts";

const loads = (): NativeAddon => ({}) as NativeAddon;
const doesNot = (): NativeAddon => {
  throw new Error("no such file\nRequire stack: …");
};

test("the native kernel is taken where it loads, and the reference where it is asked for", () => {
  for (const setting of [undefined, "", "auto", "native"]) {
    assert.equal(chooseKernel(setting, loads).kernel.name, "native");
  }
  const { kernel, warning } = chooseKernel("typescript", doesNot);
  assert.equal(kernel.name, "typescript");
  assert.equal(warning, undefined);
});

test("where the native kernel does not load the reference serves, with a warning that says why", () => {
  for (const setting of [undefined, "", "auto"]) {
    const { kernel, warning } = chooseKernel(setting, doesNot);
    assert.equal(kernel.name, "typescript");
    assert.equal(warning, "the native kernel does not load, the slower one is used: no such file");
  }
});

test("a native kernel that is asked for and does not load is an error, and so is a kernel that there is not", () => {
  assert.throws(() => chooseKernel("native", doesNot), { code: "KERNEL_NATIVE_UNAVAILABLE" });
  assert.throws(() => chooseKernel("fast", loads), { code: "KERNEL_CHOICE_INVALID", message: /"fast"/ });
});
