#!/usr/bin/env node
// Starts the program on a Node that can run it: 24 or later. Where the `node` on the path is older, the npm package
// `node`, which is among the dependencies, brings one. dist/ runs where it is up to date, else the sources as they are.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isBuilt } from "./built.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..");
const main = isBuilt(root) ? join(root, "dist", "cli", "main.js") : join(here, "cli", "main.ts");

if (Number(process.versions.node.split(".")[0]) >= 24) {
  await import(main);
} else {
  const node = packagedNode();
  if (node === undefined) {
    process.stderr.write(
      `fsb: needs Node 24 or later, this is ${process.version}\nhint: run npm install in the project's folder\n`,
    );
    process.exit(1);
  }
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: "inherit" });
  // The terminal sends Ctrl-C to both; what is sent to this process alone is passed on.
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  process.on("SIGINT", () => undefined);
  child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
}

function packagedNode() {
  try {
    const path = join(dirname(createRequire(import.meta.url).resolve("node/package.json")), "bin", "node");
    return existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}
