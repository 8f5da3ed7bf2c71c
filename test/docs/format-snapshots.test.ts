/** The examples of docs/format/folders.md and snapshots.md are what the code writes and reads. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { goText } from "../../src/base/go-json.ts";
import { decodeFolder, encodeFolder } from "../../src/snapshot/folder-object.ts";
import { decodeSnapshotManifest, encodeSnapshotManifest } from "../../src/snapshot/snapshot-manifest.ts";
import { contentId, entryOf, exampleManifest, rootFolder, summaryOf } from "../snapshot/stored-examples.ts";

/** The JSON block that follows a heading. */
function exampleOf(page: string, heading: string): string {
  const text = readFileSync(new URL(`../../docs/format/${page}`, import.meta.url), "utf8");
  const section = text.split(`\n## ${heading}\n`)[1] ?? "";
  const block = /\n```json\n(.*)\n```\n/.exec(section)?.[1];
  assert(block !== undefined, `${page} has no example under ${heading}`);
  return block;
}

describe("docs/format/folders.md", () => {
  it("shows a folder's object as it is written, with its id", () => {
    const bytes = encodeFolder(rootFolder.entries, rootFolder.summary);
    assert.equal(bytes.toString(), `${exampleOf("folders.md", "Example")}\n`);
    assert.equal(contentId("k", bytes), "k3c0277ab05c1a06a8a846e0dc63b4086");
  });

  it("shows how names that read the same are told apart", () => {
    const names = [[0x61, 0xfe], [0x61, 0xef, 0xbf, 0xbd], [0x62], [0x61, 0x80]].map((name) => Uint8Array.from(name));
    const entries = names.map((nameBytes) => ({
      ...entryOf({ name: goText(nameBytes), kind: "file", objectId: "4e51e7a913fc80137da52880fecca175" }),
      nameBytes,
    }));
    const bytes = encodeFolder(entries, summaryOf({ files: 4 }));
    assert.equal(bytes.toString(), `${exampleOf("folders.md", "Example of names")}\n`);
    assert.deepEqual(
      [...decodeFolder(bytes).entries].map((entry) => Buffer.from(entry.nameBytes).toString("hex")),
      ["6180", "61efbfbd", "61fe", "62"],
    );
  });
});

describe("docs/format/snapshots.md", () => {
  it("shows a body as it is written and read", () => {
    const text = exampleOf("snapshots.md", "Example");
    assert.equal(encodeSnapshotManifest(exampleManifest), text);
    assert.deepEqual(decodeSnapshotManifest("", text), exampleManifest);
  });
});
