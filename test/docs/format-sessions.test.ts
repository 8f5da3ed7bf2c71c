/** docs/format/sessions.md says what the code does. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromUtf8 } from "../../src/base/bytes.ts";
import { MemoryBlobStore } from "../../src/repository/blob/memory.ts";
import { newSessionId, type SessionId, sealSessionMarker } from "../../src/repository/content/session.ts";
import { exampleBlobs } from "./example-repository.ts";
import { bytesOfHex, Page } from "./page.ts";

const page = new Page("docs/format/sessions.md");
const { signal } = new AbortController();

describe("docs/format/sessions.md", () => {
  it("shows ids as they are made", () => {
    for (const [started = "", random = "", id] of page.table("| started |")) {
      const made = newSessionId(Date.parse(started), (count) => bytesOfHex(random).subarray(0, count));
      assert.equal(made, id);
    }
  });

  it("shows a marker's body and name", async () => {
    const text = page.block("Marker", "json");
    const { id, startTime, username, hostname } = JSON.parse(text) as Readonly<Record<string, string>>;
    const store = new MemoryBlobStore();
    const marker = sealSessionMarker(
      id as SessionId,
      Date.parse(startTime ?? ""),
      { userName: username ?? "", hostName: hostname ?? "" },
      exampleBlobs(),
    );
    assert.ok(page.section("Marker").includes(`\`${marker.id}\``), marker.id);
    await store.put(marker.id, [marker.sealed], { signal });
    assert.equal(fromUtf8(await exampleBlobs(store).read(marker.id, signal)), text);
  });
});
