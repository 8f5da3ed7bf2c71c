/** The pages lead somewhere: their links, the pages that code refers to, and the lists of pages. */

import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, it } from "node:test";
import { Page, repositoryRoot } from "./page.ts";

const pages = globSync(["docs/**/*.md", "*.md"], { cwd: repositoryRoot })
  .sort()
  .map((path) => new Page(path));

describe("pages", () => {
  it("link to files and headings that are there", () => {
    const broken = pages.flatMap((page) => {
      const links = [...withoutCode(page.text).matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] as string);
      return links
        .filter((link) => !/^https?:/.test(link) && !leadsSomewhere(page, link))
        .map((link) => `${page.path}: ${link}`);
    });
    assert.deepEqual(broken, []);
  });

  it("are there when code refers to them", () => {
    const files = globSync(["src/**/*.{ts,mjs}", "test/**/*.ts", "bench/**/*.ts"], { cwd: repositoryRoot });
    const missing = files.flatMap((file) => {
      const text = readFileSync(join(repositoryRoot, file), "utf8");
      const named = [...text.matchAll(/\bdocs\/[a-z0-9/-]+\.md\b/g)].map((match) => match[0]);
      return named.filter((path) => !existsSync(join(repositoryRoot, path))).map((path) => `${file}: ${path}`);
    });
    assert.deepEqual(missing, []);
  });

  it("name code that is there", () => {
    const missing = pages.flatMap((page) => {
      const named = [...page.text.matchAll(/`((?:src|test|bench)\/[a-z0-9./-]*)`/g)].map((match) => match[1] as string);
      return named.filter((path) => !existsSync(join(repositoryRoot, path))).map((path) => `${page.path}: ${path}`);
    });
    assert.deepEqual(missing, []);
  });

  for (const folder of ["docs/format", "docs/decisions"]) {
    it(`of ${folder} are all in its list`, () => {
      const list = new Page(`${folder}/README.md`);
      const listed = [...list.text.matchAll(/^- \[.+?\]\(([a-z0-9-]+\.md)\)/gm)].map((match) => match[1]);
      const present = globSync("*.md", { cwd: join(repositoryRoot, folder) }).filter((name) => name !== "README.md");
      assert.deepEqual(listed.toSorted(), present.sort());
    });
  }
});

function leadsSomewhere(page: Page, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? page.path : relative(repositoryRoot, join(repositoryRoot, dirname(page.path), path));
  if (!existsSync(join(repositoryRoot, target))) return false;
  return anchor === undefined || [...headingsOf(target)].map(anchorOf).includes(anchor);
}

function headingsOf(path: string): readonly string[] {
  const { text } = new Page(path);
  return [...withoutCode(text).matchAll(/^#+ (.+)$/gm)].map((match) => match[1] as string);
}

/** As forges make them: lower case, dashes for spaces, and most other signs left out. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```.*?^```$/gms, "");
}
