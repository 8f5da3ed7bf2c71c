/** Index blobs land in an epoch that nobody compacts yet, whatever happens to the epochs and the clock meanwhile. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { BlobStore } from "../../../src/repository/blob/blob-store.ts";
import { parseBlobId } from "../../../src/repository/blob/blob-store.ts";
import { MemoryBlobStore } from "../../../src/repository/blob/memory.ts";
import { keyOf } from "../../../src/repository/content/content-id.ts";
import {
  InterruptedBlobStore,
  idOfText,
  listIds,
  openAgain,
  openMemoryRepository,
  readText,
  storeTexts,
} from "../memory-repository.ts";
import { signal } from "../stored-format.ts";

const lifeMs = 20 * 60_000;

async function advanceTo(store: BlobStore, epoch: number): Promise<void> {
  await store.put(parseBlobId(`xe${epoch}`), [new Uint8Array(1)], { signal });
}

async function openInterrupted() {
  const store = new InterruptedBlobStore(new MemoryBlobStore());
  return { store, opened: await openMemoryRepository({ store }) };
}

test("an index blob is written into the current epoch, under its hash, its session and its count", async () => {
  const { store, opened } = await openInterrupted();
  await advanceTo(store, 3);
  await opened.repository.refresh(signal);
  const [id] = await storeTexts(opened, ["text"]);
  const [blob] = await listIds(store, "xn");
  assert.match(blob as string, /^xn3_[0-9a-f]{32}-s[0-9a-f]{19}-c1$/);
  assert.equal(await readText(await openAgain(opened), id as never), "text");
});

test("an epoch that advances once while the blob is written is still good", async () => {
  const { store, opened } = await openInterrupted();
  store.after = async (operation, id) => {
    if (operation === "put" && id.startsWith("xn0_")) await advanceTo(store, 1);
  };
  const [id] = await storeTexts(opened, ["text"]);
  assert.equal((await listIds(store, "xn0_")).length, 1);
  assert.equal(await readText(await openAgain(opened), id as never), "text");
});

test("when the epoch advances twice the blob is written again into the new one, and then the old one goes", async () => {
  const { store, opened } = await openInterrupted();
  const history: string[] = [];
  store.after = async (operation, id) => {
    if (operation !== "list" && id.startsWith("xn")) history.push(`${operation} ${id.slice(0, 4)}`);
    if (operation === "put" && id.startsWith("xn0_")) await advanceTo(store, 2);
  };
  const [id] = await storeTexts(opened, ["text"]);
  assert.deepEqual(history, ["put xn0_", "put xn2_", "delete xn0_"]);
  assert.equal((await listIds(store, "xn")).length, 1);
  assert.equal(await readText(await openAgain(opened), id as never), "text");
});

test("epochs that run away are an error, and nothing of the write is left visible", async () => {
  const { store, opened } = await openInterrupted();
  let epoch = 0;
  store.after = async (operation, id) => {
    if (operation !== "put" || !id.startsWith("xn")) return;
    epoch += 2;
    await advanceTo(store, epoch);
  };
  await assert.rejects(storeTexts(opened, ["text"]), { code: "INDEX_WRITE_EXPIRED" });
  assert.equal(epoch, 10);
  assert.deepEqual(await listIds(store, "xn"), []);
  assert.deepEqual(await listIds(store, "s"), [], "the session has ended");
});

test("a listing that is too old to begin with is renewed before the write", async () => {
  const { store, opened } = await openInterrupted();
  await advanceTo(store, 4);
  opened.clock.advance(lifeMs * 0.25 + 1);
  await storeTexts(opened, ["text"]);
  assert.equal((await listIds(store, "xn4_")).length, 1);
});

test("a listing that is young enough is good for writing", async () => {
  const { store, opened } = await openInterrupted();
  opened.clock.advance(lifeMs * 0.25 - 1);
  const steps: string[] = [];
  store.before = (operation, id) => void steps.push(`${operation} ${id.slice(0, 3)}`);
  await storeTexts(opened, ["text"]);
  assert.equal(steps.indexOf("list x"), steps.indexOf("put xn0") + 1, steps.join(", "));
});

test("a write that outlives its listing is done again, in place", async () => {
  const { store, opened } = await openInterrupted();
  let puts = 0;
  store.before = (operation, id) => {
    if (operation === "put" && id.startsWith("xn") && ++puts === 1) opened.clock.advance(lifeMs);
  };
  const [id] = await storeTexts(opened, ["text"]);
  assert.equal(puts, 2);
  assert.equal((await listIds(store, "xn")).length, 1);
  assert.equal(await readText(await openAgain(opened), id as never), "text");
});

test("what a blob said that was taken back is not relied on in the same process", async () => {
  const { store, opened } = await openInterrupted();
  const { repository, clock, format } = opened;
  const key = keyOf(idOfText(format, "taken back"));
  store.after = async (operation, id) => {
    if (operation !== "put" || !id.startsWith("xn")) return;
    clock.advance(lifeMs);
    // Another job of this process looks at the index just now.
    await repository.refresh(signal);
    assert.equal(repository.index.find(key), undefined);
  };
  await assert.rejects(storeTexts(opened, ["taken back"]), { code: "INDEX_WRITE_EXPIRED" });
  store.after = () => undefined;
  await repository.refresh(signal);
  assert.equal(repository.index.find(key), undefined);

  // So a later job stores the content anew instead of pointing into a pack that no index names.
  const [id] = await storeTexts(opened, ["taken back"]);
  assert.equal(await readText(await openAgain(opened), id as never), "taken back");
});

test("a blob whose writer died on the way is read like any other", async () => {
  const { store, opened } = await openInterrupted();
  store.after = (operation, id) => {
    if (operation === "put" && id.startsWith("xn")) throw new Error("the answer was lost");
  };
  await assert.rejects(storeTexts(opened, ["text"]), /the answer was lost/);
  await opened.repository.refresh(signal);
  assert.notEqual(opened.repository.index.find(keyOf(idOfText(opened.format, "text"))), undefined);
});
