/** docs/errors.md has a heading for each code, with what to do; the unions of codes in src/ are found by their text. */

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { Page, repositoryRoot } from "./page.ts";

const page = new Page("docs/errors.md");
const unions = globSync("src/**/*.ts", { cwd: repositoryRoot }).flatMap((file) => {
  const text = readFileSync(join(repositoryRoot, file), "utf8");
  return [...text.matchAll(/export type (\w+ErrorCode) =([^;]+);/g)].map(([, name = "", members = ""]) => ({
    name,
    codes: [...members.matchAll(/"([A-Z0-9_]+)"/g)].map((match) => match[1] as string),
  }));
});

describe("docs/errors.md", () => {
  it("finds the unions of codes", () => {
    assert.ok(unions.length >= 15);
    for (const { name, codes } of unions) assert.ok(codes.length > 0, name);
  });

  it("has a heading for each code, and for no other", () => {
    const codes = unions.flatMap((union) => union.codes);
    assert.equal(new Set(codes).size, codes.length, "each code is of one layer");
    assert.deepEqual(page.headings(3).toSorted(), codes.toSorted());
  });

  it("groups the codes of a layer", () => {
    const groups = page.headings(2).map((heading) => {
      return [...page.section(heading).matchAll(/^### (.+)$/gm)].map((match) => match[1]).toSorted();
    });
    for (const { name, codes } of unions) {
      assert.ok(
        groups.some((group) => group.join() === codes.toSorted().join()),
        `the codes of ${name} are one group`,
      );
    }
  });

  it("says of each what it means and what to do", () => {
    for (const code of page.headings(3)) {
      const [meaning = "", remedy = ""] = page.section(code).split("\n*Remedy:*");
      assert.ok(meaning.trim().endsWith("."), `${code} has a meaning`);
      assert.match(remedy.trim(), /\.$/, `${code} has a remedy`);
    }
  });

  it("is right that every error of this kind carries a code of its union", () => {
    const known = new Set(unions.flatMap((union) => union.codes));
    const used = globSync("src/**/*.ts", { cwd: repositoryRoot }).flatMap((file) => {
      const text = readFileSync(join(repositoryRoot, file), "utf8");
      return [...text.matchAll(/hasCode\(\w+(?:\.\w+)?, "([A-Z0-9_]+)"\)/g)].map((match) => `${file} ${match[1]}`);
    });
    assert.ok(used.length > 5);
    assert.deepEqual(
      used.filter((use) => !known.has(use.split(" ")[1] as string)),
      [],
    );
  });
});
