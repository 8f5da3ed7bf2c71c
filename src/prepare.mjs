// Makes a fresh clone ready: installs the packages that package-lock.json names. Runs on any Node from 20 on, before
// every npm script; when nothing is to be done it costs a file read.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..");
const stamp = join(root, "node_modules", ".prepared");
const wanted = createHash("sha256").update(readFileSync(join(root, "package-lock.json"))).digest("hex");

if (read(stamp) !== wanted) {
  process.stderr.write("fsb: installing packages (npm ci) ...\n");
  const npm = process.env.npm_execpath;
  const [command, first] = npm === undefined ? ["npm", []] : [process.execPath, [npm]];
  const done = spawnSync(command, [...first, "ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (done.status !== 0) {
    process.stderr.write("fsb: npm ci failed; see above\n");
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
