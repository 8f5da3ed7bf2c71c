import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../../src/base/bytes.ts";
import type { BlobId } from "../../../src/repository/blob/blob-store.ts";
import { parseBlobId } from "../../../src/repository/blob/blob-store.ts";
import { MemoryBlobStore } from "../../../src/repository/blob/memory.ts";
import {
  activeLegacyBlobs,
  type CompactionLog,
  withoutSuperseded,
} from "../../../src/repository/index/legacy-index-blobs.ts";
import {
  InterruptedBlobStore,
  type MemoryRepository,
  openAgain,
  openMemoryRepository,
  putIndexBlob,
  readText,
  recordOf,
  storeTexts,
  tableOf,
} from "../memory-repository.ts";
import { legacyFields, signal } from "../stored-format.ts";

const table: readonly (readonly [
  sentence: string,
  present: readonly string[],
  logs: readonly (readonly [inputs: readonly string[], outputs: readonly string[]])[],
  active: readonly string[],
])[] = [
  ["without logs every blob counts", ["n1", "n2"], [], ["n1", "n2"]],
  [
    "inputs of a compaction do not count once its outputs are there",
    ["n1", "n2", "n3"],
    [[["n1", "n2"], ["n3"]]],
    ["n3"],
  ],
  [
    "inputs count while an output is missing",
    ["n1", "n2", "n3"],
    [
      [
        ["n1", "n2"],
        ["n3", "n4"],
      ],
    ],
    ["n1", "n2", "n3"],
  ],
  ["a compaction to nothing takes its inputs away", ["n1", "n2"], [[["n1"], []]], ["n2"]],
  ["inputs that are gone already do not matter", ["n3"], [[["n1"], ["n3"]]], ["n3"]],
  [
    "outputs may be compacted again",
    ["n1", "n2", "n3"],
    [
      [["n1"], ["n2"]],
      [["n2"], ["n3"]],
    ],
    ["n3"],
  ],
];

for (const [sentence, present, logs, active] of table) {
  test(`index blobs of old: ${sentence}`, () => {
    const parsed = logs.map(([inputs, outputs]) => ({ inputs, outputs }) as unknown as CompactionLog);
    assert.deepEqual(withoutSuperseded(new Set(present as BlobId[]), parsed), active);
  });
}

const one = "00112233445566778899aabbccddeeff";
const two = "ff112233445566778899aabbccddeeff";

async function putLog({ blobs, store }: MemoryRepository, body: unknown): Promise<BlobId> {
  const { id, sealed } = blobs.seal("m", "", toUtf8(typeof body === "string" ? body : JSON.stringify(body)));
  await store.put(id, [sealed], { signal });
  return id;
}

test("a compaction's log is read with its sizes and times, and the poison of an upgrade is passed over", async () => {
  const opened = await openMemoryRepository({ inner: legacyFields });
  const input = await putIndexBlob(opened, "n", "s1", tableOf(recordOf(one)));
  const output = await putIndexBlob(opened, "n", "", tableOf(recordOf(one), recordOf(two)));
  const metadata = (id: BlobId) => ({ id, length: 10, timestamp: "2026-01-15T12:00:00Z" });
  await putLog(opened, { inputMetadata: [metadata(input)], outputMetadata: [metadata(output)] });
  await putLog(opened, { inputMetadata: null, outputMetadata: null });
  const poison = `n${"0".repeat(32)}-repository_unreadable_by_this_kopia_version_upgrade_required`;
  await opened.store.put(parseBlobId(poison), [toUtf8("a sentence")], { signal });
  assert.deepEqual(await activeLegacyBlobs(opened.store, opened.blobs, signal), [output]);
  await opened.repository.refresh(signal);
  assert.equal(opened.repository.index.recordCount, 2);
});

test("a log that vanishes between the listing and the reading is passed over, a damaged one is an error", async () => {
  const store = new InterruptedBlobStore(new MemoryBlobStore());
  const opened = await openMemoryRepository({ inner: legacyFields, store });
  const input = await putIndexBlob(opened, "n", "s1", tableOf(recordOf(one)));
  const log = await putLog(opened, { inputMetadata: [{ id: input }], outputMetadata: [] });
  store.before = async (operation, id) => {
    if (operation === "get" && id === log) await opened.store.delete(log, { signal });
  };
  assert.deepEqual(await activeLegacyBlobs(store, opened.blobs, signal), [input]);

  store.before = () => undefined;
  for (const [body, code] of [
    ["no JSON", "INDEX_INVALID"],
    [{ inputMetadata: [{ id: "no id!/" }] }, "INDEX_INVALID"],
    [{ inputMetadata: 5 }, "INDEX_INVALID"],
    [null, "INDEX_INVALID"],
  ] as const) {
    const id = await putLog(opened, body);
    await assert.rejects(activeLegacyBlobs(store, opened.blobs, signal), { code }, JSON.stringify(body));
    await store.delete(id, { signal });
  }
  await store.put(log, [new Uint8Array(50)], { signal });
  await assert.rejects(activeLegacyBlobs(store, opened.blobs, signal), {
    code: "INDEX_BLOB_DAMAGED",
    detail: { blob: log },
  });
});

test("a repository of version 1 is written and read: n blobs, index v1, format copy in each pack", async () => {
  const opened = await openMemoryRepository({ inner: legacyFields });
  const [id] = (await storeTexts(opened, ["of old"])) as [never];
  assert.equal(await readText(await openAgain(opened), id), "of old");
  assert.equal(opened.repository.index.writeEpoch, 0);
});
