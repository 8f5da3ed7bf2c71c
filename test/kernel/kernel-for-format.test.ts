import assert from "node:assert/strict";
import { test } from "node:test";
import { type Kernel, KernelError, type KernelErrorCode, type KernelFormat } from "../../src/kernel/kernel.ts";
import { kernelForFormat } from "../../src/kernel/kernel-for-format.ts";
import { typescriptKernel } from "../../src/kernel/typescript/kernel.ts";
import { format } from "../contracts/kernel-formats.contract.ts";

const native: Kernel = { ...typescriptKernel, name: "native" };

async function chosen(kernel: Kernel, choices: Partial<KernelFormat>): Promise<{ name: string; warnings: string[] }> {
  const warnings: string[] = [];
  const suited = await kernelForFormat(kernel, { ...format, ...choices }, (message) => warnings.push(message));
  return { name: suited.kernel.name, warnings };
}

test("the native kernel works on repositories of the default format", async () => {
  assert.deepEqual(await chosen(native, {}), { name: "native", warnings: [] });
});

for (const [choices, named] of [
  [{ hash: "BLAKE3-256" }, "the hash BLAKE3-256"],
  [{ encryption: "CHACHA20-POLY1305-HMAC-SHA256" }, "the encryption CHACHA20-POLY1305-HMAC-SHA256"],
  [{ splitter: "FIXED-1M" }, "the splitter FIXED-1M"],
  [{ parityPercent: 2 }, "error correction"],
  [{ compressionId: 0x1100 }, "how to compress contents"],
] as const) {
  test(`${named} is left to the reference, with a warning that names it`, async () => {
    const warning = `the native kernel does not know ${named} yet, the slower one is used`;
    assert.deepEqual(await chosen(native, choices), { name: "typescript", warnings: [warning] });
    assert.deepEqual(await chosen(typescriptKernel, choices), { name: "typescript", warnings: [] });
  });
}

test("a compression that the native kernel does not know is left to the reference, and other trouble is not", async () => {
  const stored = Buffer.from("00001500cb48cdc9c90700", "hex");
  const expandAfter = async (code: KernelErrorCode, compressionIds: readonly number[] | "any"): Promise<string> => {
    const expand = (): never => {
      throw new KernelError(code, "as the test says");
    };
    const { kernel, prepareToExpand } = await kernelForFormat({ ...native, expand }, format, assert.fail);
    await prepareToExpand(compressionIds);
    return Buffer.from(kernel.expand(stored, 10)).toString();
  };
  assert.equal(await expandAfter("KERNEL_COMPRESSION_UNSUPPORTED", [0, 0x1200]), "hello");
  assert.equal(await expandAfter("KERNEL_COMPRESSION_UNSUPPORTED", [0x1400]), "hello");
  assert.equal(await expandAfter("KERNEL_COMPRESSION_UNSUPPORTED", "any"), "hello");
  await assert.rejects(expandAfter("KERNEL_COMPRESSION_UNSUPPORTED", [0, 0x1101]), {
    code: "KERNEL_COMPRESSION_UNSUPPORTED",
  });
  await assert.rejects(expandAfter("KERNEL_CONTENT_MISMATCH", [0x1200]), { code: "KERNEL_CONTENT_MISMATCH" });
});
