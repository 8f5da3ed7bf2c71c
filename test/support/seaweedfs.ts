/** The real S3 server of object-server.ts as a peer for the tests: one for a test file. It ends with the file. */

import { after, type TestContext } from "node:test";
import { ObjectServer, startObjectServer } from "./object-server.ts";
import { lacking } from "./required.ts";

let running: Promise<ObjectServer | string> | undefined;

// Of the file that imports this, not of the test that happens to need the server first.
after(async () => {
  const server = await running;
  if (server instanceof ObjectServer) await server[Symbol.asyncDispose]();
});

/** Undefined when the test was skipped because the server cannot be had here. */
export async function requireSeaweedfs(t: TestContext): Promise<ObjectServer | undefined> {
  running ??= startObjectServer();
  const server = await running;
  return typeof server === "string" ? lacking(t, server) : server;
}
