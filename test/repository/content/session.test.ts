import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../src/base/random.ts";
import { newSessionId, type SessionId, sealSessionMarker } from "../../../src/repository/content/session.ts";
import { openMemoryRepository } from "../memory-repository.ts";
import { signal } from "../stored-format.ts";

test("a session id ends in the months of thirty days since 2000, in hex", () => {
  const random = seededRandom("session");
  for (const [time, month] of [
    ["2000-01-01T00:00:00Z", "0"],
    ["2000-01-30T23:59:59Z", "0"],
    ["2000-01-31T00:00:00Z", "1"],
    ["2026-11-22T20:42:37Z", "147"],
  ] as const) {
    assert.match(newSessionId(Date.parse(time), random), new RegExp(`^s[0-9a-f]{16}${month}$`), time);
  }
});

test("a marker is a sealed blob under its hash and session that tells who writes since when", async () => {
  const { blobs, store } = await openMemoryRepository();
  const session = "s94a98847c40177ea147" as SessionId;
  const identity = { userName: "default", hostName: "node" };
  const { id, sealed } = sealSessionMarker(session, Date.UTC(2026, 0, 15, 12), identity, blobs);
  assert.match(id, /^s[0-9a-f]{32}-s94a98847c40177ea147$/);
  await store.put(id, [sealed], { signal });
  assert.equal(
    Buffer.from(await blobs.read(id, signal)).toString(),
    '{"id":"s94a98847c40177ea147","startTime":"2026-01-15T12:00:00.000Z","checkpointTime":"2026-01-15T12:00:00.000Z","username":"default","hostname":"node"}',
  );
});
