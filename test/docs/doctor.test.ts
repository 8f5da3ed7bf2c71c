/** docs/operations/doctor.md names each check that there is, and no other. */

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { Page, repositoryRoot } from "./page.ts";

it("docs/operations/doctor.md names each check, and no other", () => {
  const folder = join(repositoryRoot, "src", "doctor");
  const source = globSync("{judge,examine}-*.ts", { cwd: folder }).map((file) =>
    readFileSync(join(folder, file), "utf8"),
  );
  const named = source
    .join("\n")
    .matchAll(/\b(?:ok|warn|fail|failed|unknown)\(\s*"([a-z-]+)"|const check = "([a-z-]+)"/g);
  const checks = new Set([...named].map(([, direct, constant]) => direct ?? constant));
  const documented = new Page("docs/operations/doctor.md").table("| check |").map(([check]) => check);
  assert.deepEqual(documented.toSorted(), [...checks].sort());
});
