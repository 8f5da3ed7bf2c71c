// Makes a fresh clone ready: installs the packages that package-lock.json names, and builds dist/ and the native kernel
// where a source is newer.
// Runs on any Node from 20 on, before every npm script; when nothing is to be done it takes some milliseconds.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isBuilt } from "./built.mjs";
import { buildBundle } from "./bundle.mjs";
import { buildNative, isNativeBuilt } from "./native.mjs";

const root = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..");
const stamp = join(root, "node_modules", ".prepared");
const wanted = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");

if (read(stamp) !== wanted) {
  process.stderr.write("fsb: installing packages ...\n");
  const npm = process.env.npm_execpath;
  const [command, first] = npm === undefined ? ["npm", []] : [process.execPath, [npm]];
  // Not `npm ci`: it fails where a mirror of the registry lacks packages for platforms that are not this one.
  const install = ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  const done = spawnSync(command, [...first, ...install], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (done.status !== 0) {
    process.stderr.write("fsb: npm install failed; see above\n");
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}

if (!isBuilt(root)) {
  process.stderr.write("fsb: building dist ...\n");
  const node = join(root, "node_modules", ".bin", "node");
  const build = [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", join(root, "tsconfig.build.json")];
  const done = spawnSync(node, build, { cwd: root, stdio: ["ignore", 2, 2] });
  // The sources run as they are, so work can go on; `npm run verify` does not pass over it.
  if (done.status !== 0) process.stderr.write("fsb: the build failed, see above; the sources are used as they are\n");
  else await bundle();
}

if (!isNativeBuilt(root)) {
  process.stderr.write("fsb: building the native kernel ...\n");
  const result = buildNative(root);
  // The slower kernel does the same; `npm run verify` does not pass over a build that failed.
  if (result === "no cargo") process.stderr.write("fsb: there is no cargo here; the slower kernel is used\n");
  if (result === "failed") process.stderr.write("fsb: that failed, see above; the slower kernel is used\n");
}

/** Without it the program only takes longer to start. */
async function bundle() {
  try {
    await buildBundle(root);
  } catch (error) {
    process.stderr.write(`fsb: no bundle, for ${error instanceof Error ? error.message : error}\n`);
  }
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
