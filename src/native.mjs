// The native kernel's file: whether it is what its sources say, and how it is made of them. Runs on any Node from 20 on.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { modifiedMs, newestSourceMs } from "./built.mjs";

/** @param {string} root the project's folder */
export function nativeFile(root) {
  return join(root, "dist", "native", `kernel.${process.platform}-${process.arch}.node`);
}

/** @param {string} root */
export function isNativeBuilt(root) {
  const builtMs = modifiedMs(nativeFile(root));
  return builtMs !== undefined && newestSourceMs(join(root, "native"), /\.(rs|toml|lock)$/, "target") <= builtMs;
}

/**
 * "built", "no cargo" where there is none or the sources are not here, or "failed"; cargo says why on stderr.
 *
 * @param {string} root
 */
export function buildNative(root) {
  const workspace = join(root, "native");
  if (modifiedMs(workspace) === undefined) return "no cargo";
  const cargo = spawnSync("cargo", ["build", "--release", "--locked", "--quiet", "--package", "fsb-addon"], {
    cwd: workspace,
    stdio: ["ignore", 2, 2],
  });
  if (cargo.error !== undefined) return "no cargo";
  if (cargo.status !== 0) return "failed";
  const library = process.platform === "darwin" ? "libfsb_addon.dylib" : "libfsb_addon.so";
  return place(root, join(workspace, "target", "release", library));
}

/**
 * Puts a library that cargo made where it is looked for.
 *
 * @param {string} root
 * @param {string} library
 */
function place(root, library) {
  const [target, fresh] = [nativeFile(root), `${nativeFile(root)}.new`];
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(library, fresh);
  renameSync(fresh, target); // Whoever runs on the old one keeps it.
  return "built";
}

/**
 * Format, lint and tests of the sources; the name of the first that fails, or "no cargo".
 *
 * @param {string} root
 */
function checkNative(root) {
  for (const [command, ...args] of [
    ["fmt", "--all", "--check"],
    ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"],
    ["test", "--workspace", "--locked", "--quiet"],
  ]) {
    const cargo = spawnSync("cargo", [command, ...args], {
      cwd: join(root, "native"),
      stdio: ["ignore", "inherit", 2],
    });
    if (cargo.error !== undefined) return "no cargo";
    if (cargo.status !== 0) return `cargo ${command} failed`;
  }
  return "passed";
}

// For `npm run build`, `npm run verify` and the image's build: without cargo there is a note, and what fails is a failure.
const self = fileURLToPath(import.meta.url);
if (process.argv[1] === self) {
  const root = join(dirname(self), "..");
  const [, , command, library] = process.argv;
  const act = { check: () => checkNative(root), place: () => place(root, library), build: () => buildNative(root) }[
    command
  ];
  const result = act === undefined ? "nothing done; say build, check, or place LIBRARY" : act();
  process.stderr.write(
    `fsb: native kernel: ${result === "no cargo" ? "no cargo here, the slower one is used" : result}\n`,
  );
  const isNeeded = process.env.FSB_REQUIRE_PEERS === "1";
  if (result !== "built" && result !== "passed" && (result !== "no cargo" || isNeeded)) process.exit(1);
}
