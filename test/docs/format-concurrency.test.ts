/** docs/format/concurrency.md names the code that keeps each rule: it is there. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Page } from "./page.ts";

const page = new Page("docs/format/concurrency.md");

describe("docs/format/concurrency.md", () => {
  it("names code that exists for every rule", () => {
    for (const [rule, , keptBy = ""] of page.table("| rule | why | kept by |")) {
      const [file = "", ...names] = keptBy.split(/,? (?=[#a-zA-Z])/);
      assert.ok(names.length > 0, `${rule} names what keeps it`);
      const code = new Page(file).text;
      for (const name of names) assert.ok(code.includes(name), `${file} has ${name}`);
    }
  });
});
