#!/usr/bin/env node
// Starts the program on a Node that can run it: 24 or later. Where the `node` on the path is older, the npm package
// `node`, which is among the dependencies, brings one. dist/ runs where it is up to date, else the sources as they are.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { mainFile } from "./built.mjs";

const self = fileURLToPath(import.meta.url);
const root = join(dirname(self), "..");

if (Number(process.versions.node.split(".")[0]) >= 24) {
  await runHere();
} else {
  const node = packagedNode();
  if (node === undefined) fail(`needs Node 24 or later, this is ${process.version}`);
  runOn(node);
}

async function runHere() {
  try {
    await import(mainFile(root));
  } catch (error) {
    const missing = error?.code === "ERR_MODULE_NOT_FOUND" && /^Cannot find package '.*?'/.exec(error.message)?.[0];
    if (!missing) throw error;
    fail(missing.replace("Cannot find package", "needs the package"));
  }
}

/**
 * The child has a channel to this process. Signals go through it, so that the child can tell one Ctrl-C, which the
 * terminal sends to both, from two; and it ends with this process, which closes the channel.
 *
 * @param {string} node
 */
function runOn(node) {
  const stdio = ["inherit", "inherit", "inherit", "ipc"];
  // By the name that it was called by, which may be that of a link and says which commands it has.
  const child = spawn(node, [process.argv[1] ?? self, ...process.argv.slice(2)], { stdio });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      if (child.connected) child.send({ signal }, () => undefined);
      else child.kill(signal);
    });
  }
  process.on("SIGUSR2", () => child.kill("SIGUSR2"));
  child.on("error", (error) => fail(`could not start ${node}: ${error.message}`));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    process.stderr.write(`fsb: ended by ${signal}\n`);
    process.exit(128 + constants.signals[signal]);
  });
}

function packagedNode() {
  try {
    const path = join(dirname(createRequire(import.meta.url).resolve("node/package.json")), "bin", "node");
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}

/** @param {string} what */
function fail(what) {
  process.stderr.write(`fsb: ${what}\nhint: run npm install in ${root}\n`);
  process.exit(1);
}
