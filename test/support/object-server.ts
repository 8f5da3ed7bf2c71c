/**
 * A real S3 server, SeaweedFS, on free ports of the loopback interface, with a bucket and its data in a temporary folder. It
 * can be stopped and started again, with other keys as well. Tests get theirs from seaweedfs.ts.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { S3Location } from "../../src/repository/blob/s3-location.ts";
import { BackgroundProgram } from "./background-program.ts";
import { installPythonPeer } from "./peers.ts";

const region = "us-east-1";
const bucket = "backups";
const firstOwner: Keys = { accessKeyId: "test-owner-id", secretAccessKey: "test-owner-secret" };
const reader: Keys = { accessKeyId: "test-reader-id", secretAccessKey: "test-reader-secret" };
/** From the start of the process to the first object; it usually takes three seconds. */
const startMsMax = 60_000;

export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export class ObjectServer implements AsyncDisposable {
  readonly endpoint: string;
  readonly bucket = bucket;
  readonly region = region;
  readonly #program: BackgroundProgram;
  readonly #folder: string;
  #owner = firstOwner;
  #prefixes = 0;

  constructor(program: string, folder: string, ports: readonly number[]) {
    const [master, masterGrpc, volume, volumeGrpc, filer, filerGrpc, s3, s3Grpc] = ports;
    const http = { master, volume, filer, s3 };
    const grpc = { master: masterGrpc, volume: volumeGrpc, filer: filerGrpc, s3: s3Grpc };
    this.endpoint = `http://127.0.0.1:${s3}`;
    this.#folder = folder;
    this.#program = new BackgroundProgram({
      name: "SeaweedFS",
      command: program,
      args: [
        `-logdir=${folder}`,
        "server",
        `-dir=${folder}`,
        "-ip=127.0.0.1",
        ...Object.entries(http).map(([part, port]) => `-${part}.port=${port}`),
        ...Object.entries(grpc).map(([part, port]) => `-${part}.port.grpc=${port}`),
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
      ],
      env: process.env,
      logFile: join(folder, "weed.log"),
    });
  }

  /** May do everything. */
  get owner(): Keys {
    return this.#owner;
  }

  /** A place in the bucket that nobody else uses. Credentials are given as a file's text. */
  newLocation(who: "owner" | "reader" = "owner"): S3Location {
    const text = credentialsFile(who === "owner" ? this.#owner : reader);
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
    return newClient(this.endpoint, this.#owner);
  }

  /** With what was stored before. Takes other keys for the owner's, if they are given; returns when it serves. */
  async start(owner: Keys = this.#owner): Promise<void> {
    this.#owner = owner;
    const identities = [
      { name: "owner", credentials: [keysOf(owner)], actions: ["Admin", "Read", "Write", "List", "Tagging"] },
      { name: "reader", credentials: [keysOf(reader)], actions: ["Read", "List"] },
    ];
    writeFileSync(join(this.#folder, "identities.json"), JSON.stringify({ identities }));
    this.#program.start();
    await this.#untilItServes();
  }

  /** At once, as a machine that fails. */
  async stop(): Promise<void> {
    await this.#program.end("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** An object that can be put is the sign that all its parts have found each other. */
  async #untilItServes(): Promise<void> {
    const client = this.newClient();
    const giveUp = AbortSignal.timeout(startMsMax);
    const options = { abortSignal: giveUp };
    try {
      while (true) {
        assert.ok(this.#program.isRunning, `SeaweedFS ended:\n${this.#program.log().slice(-2000)}`);
        try {
          await client.send(new CreateBucketCommand({ Bucket: bucket }), options).catch((error: unknown) => {
            if (!(error instanceof Error) || !/^BucketAlready/.test(error.name)) throw error;
          });
          await client.send(new PutObjectCommand({ Bucket: bucket, Key: "serves", Body: "yes" }), options);
          return;
        } catch (error) {
          if (giveUp.aborted) throw new Error(`SeaweedFS does not serve:\n${this.#program.log().slice(-2000)}`);
          assert.ok(error instanceof Error);
          await sleep(100);
        }
      }
    } finally {
      client.destroy();
    }
  }
}

/** As a location's Secret has it. */
export function credentialsFile({ accessKeyId, secretAccessKey }: Keys): string {
  return `[default]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n`;
}

/** The reason when the server cannot be had here. */
export async function startObjectServer(): Promise<ObjectServer | string> {
  const peer = await installPythonPeer("seaweedfs", "weed");
  if ("missing" in peer) return peer.missing;
  const folder = mkdtempSync(join(tmpdir(), "fsb-seaweedfs-"));
  const server = new ObjectServer(peer.program, folder, await freePorts(8));
  try {
    await server.start();
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

function newClient(endpoint: string, credentials: Keys): S3Client {
  return new S3Client({ endpoint, region, forcePathStyle: true, credentials, maxAttempts: 1 });
}

function keysOf({ accessKeyId, secretAccessKey }: Keys): { readonly accessKey: string; readonly secretKey: string } {
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
