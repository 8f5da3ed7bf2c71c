import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseGlob } from "../../src/inspect/glob.ts";

describe("a pattern", () => {
  const cases: readonly (readonly [pattern: string, path: string, matches: boolean])[] = [
    ["*.txt", "a.txt", true],
    ["*.txt", "sub/deep/a.txt", true],
    ["*.txt", "a.txt.gz", false],
    ["?.txt", "ab.txt", false],
    ["[a-c]?", "b1", true],
    ["[a-c]?", "d1", false],
    ["[!a-c]*", "d1", true],
    ["[^a-c]*", "a1", false],
    ["[-a]", "-", true],
    ["[a", "[a", true],
    ["file-00[1-3]", "file-002", true],
    ["a.b", "aXb", false],
    ["a+(b)|{c}$", "a+(b)|{c}$", true],
    ["/etc/*", "etc/hosts", true],
    ["etc/*", "etc/ssl/certs", false],
    ["etc/**", "etc/ssl/certs", true],
    ["**/certs", "certs", true],
    ["**/certs", "etc/ssl/certs", true],
    ["etc/**/certs", "etc/certs", true],
    ["etc/**/certs", "etc/x/y/certs", true],
    ["etc/**/certs", "etcetera/certs", false],
    ["*", "a\nb", true],
    ["caf?", "café", true],
    ["?", "😀", true],
  ];
  for (const [pattern, path, matches] of cases) {
    it(`${pattern} ${matches ? "takes" : "leaves"} ${JSON.stringify(path)}`, () => {
      const name = path.slice(path.lastIndexOf("/") + 1);
      assert.equal(parseGlob(pattern, { ignoreCase: false }).matches(path, name), matches);
    });
  }

  it("minds capitals unless told otherwise", () => {
    assert.equal(parseGlob("A*", { ignoreCase: false }).matches("abc", "abc"), false);
    assert.equal(parseGlob("A*", { ignoreCase: true }).matches("abc", "abc"), true);
  });

  it("may be any text, and without special characters matches itself alone", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (pattern, name) => {
        const { matches, isOfNames } = parseGlob(pattern, { ignoreCase: false });
        const isMatch = matches(name, name);
        if (isOfNames && !/[*?[]/.test(pattern)) assert.equal(isMatch, name === pattern);
      }),
    );
  });
});
