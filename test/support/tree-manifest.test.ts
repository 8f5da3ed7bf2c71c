import assert from "node:assert/strict";
import { lutimesSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { requireGolden, type TreeName } from "./golden.ts";
import { requireRoot } from "./required.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import { asKopiaRestores, compareManifests, decodeSurrogateEscape, readManifest } from "./tree-manifest.ts";

test("a golden tree reads as its own manifest says", async (t) => {
  const golden = requireGolden(t);
  if (golden === undefined || !requireRoot(t)) return;
  for (const tree of ["small-1", "small-2", "large-1", "large-2"] satisfies TreeName[]) {
    const folder = await golden.makeTree(tree, temporaryFolder(t));
    assert.deepEqual(compareManifests(golden.manifest(tree), readManifest(folder)), []);
  }
});

test("every kind of difference is told by path and field", (t) => {
  const [one, two] = [temporaryFolder(t), temporaryFolder(t)];
  for (const [folder, content] of [
    [one, "a"],
    [two, "b"],
  ] as const) {
    mkdirSync(join(folder, "sub"));
    writeFileSync(join(folder, "sub", "file"), content, { mode: content === "a" ? 0o644 : 0o600 });
    writeFileSync(join(folder, `only-${content}`), "");
    symlinkSync(content, join(folder, "link"));
    lutimesSync(join(folder, "link"), 0, 1);
    utimesSync(join(folder, "sub", "file"), 0, 1);
    utimesSync(join(folder, "sub"), 0, content === "a" ? 2 : 3);
    utimesSync(folder, 0, 4);
  }
  const [expected, found] = [readManifest(one), readManifest(two)];
  const withoutDigests = (lines: string[]): string[] => lines.map((line) => line.replaceAll(/[0-9a-f]{64}/g, "…"));
  const differences = withoutDigests(compareManifests(expected, found));
  assert.deepEqual(differences, [
    '"link": target is b, expected a',
    '"only-a" is missing',
    '"sub": mtimeNs is 3000000000, expected 2000000000',
    '"sub/file": mode is 0o600, expected 0o644',
    '"sub/file": sha256 is …, expected …',
    '"only-b" is not expected',
  ]);
  const coarse = withoutDigests(compareManifests(expected, found, asKopiaRestores));
  assert.deepEqual(
    coarse,
    differences.filter((line) => !line.includes("mtimeNs")),
  );
});

test("names that are not UTF-8 are told as Python tells them", () => {
  for (const [bytes, text] of [
    [[0x61, 0xff, 0x62], "a\udcffb"],
    [[0xe2, 0x82, 0x41], "\udce2\udc82A"],
    [[0xed, 0xa0, 0x80], "\udced\udca0\udc80"],
    [[0xc3, 0xa9, 0xf0, 0x9f, 0x9a, 0x80, 0x80], "é🚀\udc80"],
    [[0xef, 0xbb, 0xbf, 0x78], "\ufeffx"],
  ] as const) {
    assert.equal(decodeSurrogateEscape(Buffer.from(bytes)), text);
  }
});
