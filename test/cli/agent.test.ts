/** The daemon as a process: what becomes of the thread that works when the process is to end. */

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleepFor } from "node:timers/promises";
import { parseDocument, stringify } from "yaml";
import { fieldAt, textAt } from "../../src/kubernetes/json.ts";
import { exitCodes } from "../support/fsb.ts";
import { describeRun, type ProgramResult, runProgram } from "../support/program.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const launcher = join(import.meta.dirname, "..", "..", "src", "launch.mjs");

test("SIGTERM while the thread starts stops its job, and the process ends in good order", async (t) => {
  const node = new Node(t);
  const run = await node.runAgent((said) => said.includes("Started the engine's thread"));
  node.assertStopped(run);
});

test("SIGTERM in the middle of a backup stops it, and the process ends in good order", async (t) => {
  const node = new Node(t);
  const run = await node.runAgent(() => Number(fieldAt(node.status(), "progress", "bytesDone") ?? 0) > 0);
  node.assertStopped(run);
});

/** With a backup that would take an hour. */
class Node {
  readonly #folder: string;
  readonly #backupFile: string;

  constructor(t: TestContext) {
    this.#folder = temporaryFolder(t);
    const volume = join(this.#folder, "pods", "uid-1", "volumes", "kubernetes.io~empty-dir", "data");
    for (const path of [join(this.#folder, "resources"), join(this.#folder, "store"), volume]) {
      mkdirSync(path, { recursive: true });
    }
    writeFileSync(join(volume, "huge"), "");
    truncateSync(join(volume, "huge"), 2 ** 40);
    const velero = { apiVersion: "velero.io/v1" };
    const config = { fspath: join(this.#folder, "store") };
    this.#put("location", {
      ...velero,
      kind: "BackupStorageLocation",
      metadata: { name: "default" },
      spec: { provider: "velero.io/fs", config },
    });
    this.#put("secret", {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "velero-repo-credentials" },
      stringData: { "repository-password": "hidden" },
    });
    const pod = { namespace: "shop", name: "db-0", uid: "uid-1" };
    this.#put("pod", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: pod,
      spec: { nodeName: "n", volumes: [{ name: "data", emptyDir: {} }] },
      status: { phase: "Running" },
    });
    this.#backupFile = this.#put("backup", {
      ...velero,
      kind: "PodVolumeBackup",
      metadata: { name: "long" },
      spec: { node: "n", pod, volume: "data", backupStorageLocation: "default", uploaderType: "kopia" },
    });
  }

  /** Until it has ended; it gets SIGTERM as soon as that holds. */
  async runAgent(isTime: (said: string) => boolean): Promise<ProgramResult> {
    const places = ["--resources", join(this.#folder, "resources"), "--pods-root", join(this.#folder, "pods")];
    let said = "";
    let pid = 0;
    let isOver = false;
    const ended = runProgram(process.execPath, [launcher, "agent", ...places, "--node", "n", "--log-level", "debug"], {
      env: process.env,
      onStart: (started) => {
        pid = started;
      },
      onStdout: (bytes) => {
        said += bytes.toString();
      },
    }).finally(() => {
      isOver = true;
    });
    while (!isOver && !isTime(said)) await sleepFor(20);
    if (!isOver) process.kill(pid, "SIGTERM");
    return await ended;
  }

  status(): unknown {
    return fieldAt(parseDocument(readFileSync(this.#backupFile, "utf8")).toJS(), "status");
  }

  assertStopped(run: ProgramResult): void {
    assert.equal(run.exitCode, exitCodes.ok, describeRun(run));
    assert.equal(textAt(this.status(), "phase"), "Failed");
    assert.match(textAt(this.status(), "message") ?? "", /\[AGENT_STOPPED\]/);
    const said = run.stdout.toString("utf8");
    assert.match(said, /Ended the engine's thread/);
    assert.doesNotMatch(said, /hidden/);
  }

  #put(name: string, object: object): string {
    const file = join(this.#folder, "resources", `${name}.yaml`);
    writeFileSync(file, stringify(object));
    return file;
  }
}
