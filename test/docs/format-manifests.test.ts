/** docs/format/manifests.md says what the code does. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { decodeManifests, encodeManifests } from "../../src/repository/manifest/manifest-codec.ts";
import { Page } from "./page.ts";

const page = new Page("docs/format/manifests.md");

describe("docs/format/manifests.md", () => {
  it("shows a content as it is read and written", () => {
    const text = `${page.block("Layout", "json")}\n`;
    const entries = [...decodeManifests(gzipSync(text))];
    assert.deepEqual(
      entries.map(({ deleted, labels }) => [deleted, labels]),
      [
        [false, { hostname: "default", type: "snapshot" }],
        [true, {}],
      ],
    );
    assert.equal(gunzipSync(encodeManifests(entries)).toString(), text);
  });

  it("is right about what is corrupt", () => {
    for (const text of [
      '{"entries":[{"id":"1"}]}',
      '{"entries":[{"modified":"2026-11-24T08:30:00Z"}]}',
      '{"entries":[',
    ]) {
      assert.throws(() => [...decodeManifests(gzipSync(text))], { code: "MANIFEST_CORRUPT" }, text);
    }
    assert.throws(() => [...decodeManifests(Buffer.from("no gzip"))], { code: "MANIFEST_CORRUPT" });
  });
});
