/** How src/launch.mjs starts the program, and what it does about signals where that takes a process of its own. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  accessSync,
  constants,
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import { exitCodes } from "../support/fsb.ts";
import { describeRun, type ProgramResult, runProgram } from "../support/program.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const source = join(import.meta.dirname, "..", "..", "src");
const launcher = join(source, "launch.mjs");

test("the launcher can be run by itself", () => {
  assert.notEqual(statSync(launcher).mode & 0o111, 0);
});

test("a clone whose packages are not installed is told so", async (t) => {
  const clone = temporaryFolder(t);
  cpSync(source, join(clone, "src"), { recursive: true });
  const run = await runProgram(process.execPath, [join(clone, "src", "launch.mjs"), "--version"], { env: process.env });
  assert.equal(run.exitCode, exitCodes.failed);
  assert.equal(run.stderr, `fsb: needs the package 'commander'\nhint: run npm install in ${clone}\n`);
});

test("the bundle is run where it is not older than the sources, else dist/, else the sources", async (t) => {
  const { mainFile } = (await import(pathToFileURL(join(source, "built.mjs")).href)) as {
    mainFile(root: string): string;
  };
  const root = temporaryFolder(t);
  const [bundle, dist, main] = ["dist/bundle/main.js", "dist/cli/main.js", "src/cli/main.ts"].map((path) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), "");
    return join(root, path);
  }) as [string, string, string];
  const given = (...seconds: readonly [number, number, number]): string => {
    for (const [i, path] of [bundle, dist, main].entries()) utimesSync(path, seconds[i] ?? 0, seconds[i] ?? 0);
    return mainFile(root);
  };
  assert.equal(given(2, 2, 1), bundle);
  assert.equal(given(1, 1, 1), bundle);
  assert.equal(given(1, 3, 2), dist);
  assert.equal(given(1, 2, 3), main);
  rmSync(join(root, "dist"), { recursive: true });
  assert.equal(mainFile(root), main);
  rmSync(join(root, "src", "cli"), { recursive: true });
  mkdirSync(dirname(bundle), { recursive: true });
  writeFileSync(bundle, "");
  assert.equal(mainFile(root), bundle, "as in a package, which has no sources");
});

test("an interrupt of the launcher alone ends the program cleanly", async (t) => {
  const run = await runAgent(t, (launcherPid) => process.kill(launcherPid, "SIGINT"));
  if (run !== undefined) assert.equal(run.exitCode, exitCodes.ok, describeRun(run));
});

test("an interrupt of the whole process group, as Ctrl-C is one, counts once", async (t) => {
  const run = await runAgent(t, (launcherPid) => process.kill(-launcherPid, "SIGINT"));
  if (run !== undefined) assert.equal(run.exitCode, exitCodes.ok, describeRun(run));
});

test("a program that is ended by a signal is told, and the exit code is that of a shell", async (t) => {
  const run = await runAgent(t, (_launcherPid, pid) => process.kill(pid, "SIGKILL"));
  if (run === undefined) return;
  assert.equal(run.exitCode, 137, describeRun(run));
  assert.match(run.stderr, /^fsb: ended by SIGKILL$/m);
});

test("the program ends when the launcher is gone", async (t) => {
  // It has the launcher's standard output, so that the run is over only when it has ended too.
  const run = await runAgent(t, (launcherPid) => process.kill(launcherPid, "SIGKILL"));
  if (run !== undefined) assert.equal(run.exitCode, 137, describeRun(run));
});

test("a second interrupt ends the program at once", async () => {
  const { SignalCount } = await import("../../src/cli/signal-count.ts");
  const ctrlC = new SignalCount();
  assert.deepEqual([ctrlC.add("direct"), ctrlC.add("passed on"), ctrlC.add("passed on")], [1, 1, 2]);
  const alone = new SignalCount();
  assert.deepEqual([alone.add("passed on"), alone.add("passed on")], [1, 2]);
});

/** Runs `fsb agent` through an older Node, and the action once it has started. */
async function runAgent(
  t: TestContext,
  act: (launcherPid: number, pid: number) => void,
): Promise<ProgramResult | undefined> {
  const older = olderNode();
  if (older === undefined) {
    t.skip("needs a Node older than 24 on the path");
    return undefined;
  }
  const folder = temporaryFolder(t);
  const [resources, pods] = [join(folder, "resources"), join(folder, "pods")];
  for (const path of [resources, pods]) mkdirSync(path);
  const args = ["agent", "--resources", resources, "--pods-root", pods, "--node", "n"];
  let launcherPid = 0;
  let said = "";
  return await runProgram(older, [launcher, ...args], {
    env: process.env,
    ownProcessGroup: true,
    onStart: (pid) => {
      launcherPid = pid;
    },
    onStdout: (bytes) => {
      const hadStarted = said.includes("Starting controllers");
      said += bytes.toString();
      if (!hadStarted && said.includes("Starting controllers")) act(launcherPid, childOf(launcherPid));
    },
  });
}

function childOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ")[0]);
}

function olderNode(): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder.startsWith("/"));
  return folders.map((folder) => join(folder, "node")).find((path) => isExecutable(path) && majorOf(path) < 24);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function majorOf(node: string): number {
  return Number(/^v(\d+)\./.exec(spawnSync(node, ["--version"], { encoding: "utf8" }).stdout)?.[1] ?? Infinity);
}
