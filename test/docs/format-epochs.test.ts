/** docs/format/epochs.md says what the code does. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { toUtf8 } from "../../src/base/bytes.ts";
import { parseBlobId } from "../../src/repository/blob/blob-store.ts";
import { MemoryBlobStore } from "../../src/repository/blob/memory.ts";
import { epochStateOf } from "../../src/repository/index/epochs.ts";
import { activeLegacyBlobs } from "../../src/repository/index/legacy-index-blobs.ts";
import { exampleBlobs } from "./example-repository.ts";
import { Page } from "./page.ts";

const page = new Page("docs/format/epochs.md");
const { signal } = new AbortController();

describe("docs/format/epochs.md", () => {
  it("tells which blobs of a listing are active", () => {
    const listings = page.blocks("With epochs", "listing").map(parseListing);
    assert.equal(listings.length, 3);
    for (const listing of listings) {
      const { active } = epochStateOf(listing.map(({ id }) => ({ id, length: 1, modifiedMs: 0 })));
      assert.deepEqual(active.toSorted(), activeOf(listing));
    }
  });

  it("tells the current epochs and the watermark", () => {
    const states = page.blocks("With epochs", "listing").map((block) => {
      return epochStateOf(parseListing(block).map(({ id }) => ({ id, length: 1, modifiedMs: 0 })));
    });
    assert.deepEqual(
      states.map(({ writeEpoch, watermarkSeconds }) => [writeEpoch, watermarkSeconds]),
      [
        [1, 1_700_000_000],
        [3, 0],
        [4, 0],
      ],
    );
  });

  it("tells which blobs are active beside compaction logs", async () => {
    const store = new MemoryBlobStore();
    for (const log of JSON.parse(page.block("Without epochs", "json")) as readonly unknown[]) {
      const { id, sealed } = exampleBlobs().seal("m", "", toUtf8(JSON.stringify(log)));
      await store.put(id, [sealed], { signal });
    }
    const listing = parseListing(page.block("Without epochs", "legacy"));
    for (const { id } of listing) await store.put(id, [toUtf8("index")], { signal });
    const active = await activeLegacyBlobs(store, exampleBlobs(store), signal);
    assert.deepEqual(active.toSorted(), activeOf(listing));
  });
});

function parseListing(block: string) {
  return block.split("\n").map((line) => ({ id: parseBlobId(line.slice(2)), isActive: line.startsWith("+ ") }));
}

function activeOf(listing: ReturnType<typeof parseListing>): string[] {
  return listing
    .filter(({ isActive }) => isActive)
    .map(({ id }) => id)
    .sort();
}
