import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readFailures } from "../support/failures-page.ts";

const scenarios = join(import.meta.dirname, "..", "interop");

test("every failure on the page is brought about by a test", () => {
  const files = readdirSync(scenarios).filter((name) => /^velero-.*-faults\.ts$/.test(name));
  const text = files.map((name) => readFileSync(join(scenarios, name), "utf8")).join("");
  const failures = readFailures();
  assert.ok(failures.length > 10, `${failures.length} failures`);
  for (const { what } of failures) {
    const stem = what.replace(/ \(1\.1[58]\).*$/, ""); // One scenario for several versions of the server.
    assert.ok(text.includes(stem), what);
  }
});
