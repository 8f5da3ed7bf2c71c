/**
 * What is tested of backups holds with either kernel: tests run with the one that the process chose, and here once more
 * with the other.
 */

import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { basename, join } from "node:path";
import { type TestContext, test } from "node:test";
import { openKernel, ownConditions } from "../../src/kernel/choose-kernel.ts";
import { nativeAddon } from "../kernel/native/native-addon.ts";
import { lacking } from "../support/required.ts";

const here = import.meta.dirname;
const own = basename(import.meta.filename);
const files = [
  ...globSync("*.test.ts", { cwd: here }).filter((file) => file !== own && file !== "equal-walks.test.ts"),
  ...["crash", "link-race"].map((name) => join("..", "simulation", `${name}.test.ts`)),
];

for (const file of files) {
  test(`${basename(file)} holds with the other kernel`, async (t) => {
    const other = (await openKernel(ownConditions, () => undefined)).name === "native" ? "typescript" : "native";
    if (other === "native" && nativeAddon instanceof Error) return lacking(t, nativeAddon.message);
    runTests(t, file, other);
  });
}

function runTests(t: TestContext, file: string, kernel: string): void {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const done = spawnSync(process.execPath, ["--test", "--test-reporter=dot", join(here, file)], {
    env: { ...env, FSB_KERNEL: kernel },
    encoding: "utf8",
  });
  t.assert.equal(done.status, 0, `with FSB_KERNEL=${kernel}:\n${done.stdout}${done.stderr}`);
}
