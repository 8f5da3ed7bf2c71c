/**
 * A real S3 server, SeaweedFS, as a peer for the tests: on free ports of the loopback interface, one for a test file, with
 * its data in a temporary folder. It ends with the file.
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import type { S3Location } from "../../src/repository/blob/s3-location.ts";
import { installPythonPeer } from "./peers.ts";
import { lacking } from "./required.ts";

const region = "us-east-1";
const bucket = "backups";
const owner = { accessKeyId: "test-owner-id", secretAccessKey: "test-owner-secret" };
const reader = { accessKeyId: "test-reader-id", secretAccessKey: "test-reader-secret" };
/** From the start of the process to the first bucket; it usually takes three seconds. */
const startMsMax = 60_000;

let running: Promise<ObjectServer | string> | undefined;

// Of the file that imports this, not of the test that happens to need the server first.
after(async () => {
  const server = await running;
  if (server instanceof ObjectServer) await server.stop();
});

/** Undefined when the test was skipped because the server cannot be had here. */
export async function requireSeaweedfs(t: TestContext): Promise<ObjectServer | undefined> {
  running ??= start();
  const server = await running;
  return typeof server === "string" ? lacking(t, server) : server;
}

export class ObjectServer {
  readonly endpoint: string;
  readonly bucket = bucket;
  readonly region = region;
  readonly #process: ChildProcess;
  readonly #folder: string;
  #prefixes = 0;

  constructor(endpoint: string, process: ChildProcess, folder: string) {
    this.endpoint = endpoint;
    this.#process = process;
    this.#folder = folder;
  }

  /** May do everything. */
  get owner(): typeof owner {
    return owner;
  }

  /** A place in the bucket that nobody else uses. Credentials are given as a file's text. */
  newLocation(who: "owner" | "reader" = "owner"): S3Location {
    const { accessKeyId, secretAccessKey } = who === "owner" ? owner : reader;
    const text = `[default]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n`;
    return {
      kind: "s3",
      bucket,
      prefix: `test-${++this.#prefixes}/`,
      endpoint: this.endpoint,
      region,
      credentials: { text, name: `the ${who}'s file` },
    };
  }

  /** For what only a client of the API can do or see. */
  newClient(): S3Client {
    return newClient(this.endpoint);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, "exit");
      this.#process.kill("SIGKILL");
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function start(): Promise<ObjectServer | string> {
  const peer = await installPythonPeer("seaweedfs", "weed");
  if ("missing" in peer) return peer.missing;
  const folder = mkdtempSync(join(tmpdir(), "fsb-seaweedfs-"));
  const identities = [
    { name: "owner", credentials: [keysOf(owner)], actions: ["Admin", "Read", "Write", "List", "Tagging"] },
    { name: "reader", credentials: [keysOf(reader)], actions: ["Read", "List"] },
  ];
  writeFileSync(join(folder, "identities.json"), JSON.stringify({ identities }));
  const [master, masterGrpc, volume, volumeGrpc, filer, filerGrpc, s3, s3Grpc] = await freePorts(8);
  const ports = { master, volume, filer, s3 };
  const grpcPorts = { master: masterGrpc, volume: volumeGrpc, filer: filerGrpc, s3: s3Grpc };
  const args = [
    "server",
    `-dir=${folder}`,
    "-ip=127.0.0.1",
    ...Object.entries(ports).map(([part, port]) => `-${part}.port=${port}`),
    ...Object.entries(grpcPorts).map(([part, port]) => `-${part}.port.grpc=${port}`),
    "-filer",
    "-s3",
    `-s3.config=${join(folder, "identities.json")}`,
    `-s3.localSocket=${join(folder, "s3.sock")}`,
    `-filer.localSocket=${join(folder, "filer.sock")}`,
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-master.telemetry=false",
    "-volume.max=50",
    "-master.volumeSizeLimitMB=512",
  ];
  const log = join(folder, "weed.log");
  const output = openSync(log, "w");
  const child = spawn(peer.program, args, { stdio: ["ignore", output, output], cwd: folder });
  const server = new ObjectServer(`http://127.0.0.1:${s3}`, child, folder);
  try {
    await untilItServes(server, child, log);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

/** A bucket that can be made is the sign that all its parts have found each other. */
async function untilItServes(server: ObjectServer, child: ChildProcess, log: string): Promise<void> {
  const client = server.newClient();
  const giveUp = AbortSignal.timeout(startMsMax);
  try {
    while (true) {
      assert.equal(child.exitCode, null, `SeaweedFS ended:\n${readFileSync(log, "utf8").slice(-2000)}`);
      try {
        await client.send(new CreateBucketCommand({ Bucket: bucket }), { abortSignal: giveUp });
        return;
      } catch (error) {
        if (giveUp.aborted) throw new Error(`SeaweedFS does not serve:\n${readFileSync(log, "utf8").slice(-2000)}`);
        assert.ok(error instanceof Error);
        await sleep(100);
      }
    }
  } finally {
    client.destroy();
  }
}

function newClient(endpoint: string): S3Client {
  return new S3Client({ endpoint, region, forcePathStyle: true, credentials: owner, maxAttempts: 1 });
}

function keysOf({ accessKeyId, secretAccessKey }: typeof owner): {
  readonly accessKey: string;
  readonly secretKey: string;
} {
  return { accessKey: accessKeyId, secretKey: secretAccessKey };
}

/** Free when they were looked for, all at once so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const listeners = await Promise.all(
    Array.from({ length: count }, async () => {
      const listener = createServer().listen(0, "127.0.0.1");
      await once(listener, "listening");
      return listener;
    }),
  );
  const ports = listeners.map((listener) => (listener.address() as AddressInfo).port);
  await Promise.all(listeners.map((listener) => new Promise((resolve) => listener.close(resolve))));
  return ports;
}
