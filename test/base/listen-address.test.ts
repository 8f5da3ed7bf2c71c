import assert from "node:assert/strict";
import { test } from "node:test";
import { formatListenAddress, parseListenAddress } from "../../src/base/listen-address.ts";

test("addresses to listen at are written as in Go", () => {
  assert.deepEqual(parseListenAddress(":8085"), { port: 8085 });
  assert.deepEqual(parseListenAddress("127.0.0.1:0"), { host: "127.0.0.1", port: 0 });
  assert.deepEqual(parseListenAddress("[::]:8085"), { host: "::", port: 8085 });
  assert.deepEqual(parseListenAddress("localhost:80"), { host: "localhost", port: 80 });
  for (const text of [":8085", "127.0.0.1:0", "[::1]:1", "localhost:65535"]) {
    assert.equal(formatListenAddress(parseListenAddress(text) ?? { port: -1 }), text);
  }
});

test("what is no address is none", () => {
  for (const text of ["", "8085", ":", ":x", ":65536", "::1:80", "[::1]", "a b:80", "host:80/path", "[x]:1"]) {
    assert.equal(parseListenAddress(text), undefined, text);
  }
});
