import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoreRequest } from "../../../src/agent/engine/volume-work.ts";
import { StoreTrouble } from "../../../src/agent/jobs/store-trouble.ts";

const request = (operation: StoreRequest["operation"], result: string) => ({
  operation,
  result,
  durationMs: 1,
  bytes: 0,
});

test("stores are in trouble while their requests fail, one after the other", () => {
  const trouble = new StoreTrouble();
  assert.equal(trouble.description, undefined);
  trouble.note([request("get", "ok"), request("put", "BLOB_STORE_UNAVAILABLE")]);
  assert.equal(trouble.description, "the last request to object stores failed, put with BLOB_STORE_UNAVAILABLE");
  trouble.note([request("list", "BLOB_STORE_DENIED"), request("get", "aborted")]);
  assert.equal(trouble.description, "the last 2 requests to object stores failed, list with BLOB_STORE_DENIED");
  trouble.note([request("get", "BLOB_NOT_FOUND")]);
  assert.equal(trouble.description, undefined, "that there is no such blob is an answer");
});
