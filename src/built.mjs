// Whether dist/ is what the sources say now: then it is run, for it starts sooner and takes less memory.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const built = ["dist/bundle/main.js", "dist/cli/main.js"];

/**
 * True when dist/ was built after the last change of any source, or there are no sources, as in a package.
 *
 * @param {string} root the project's folder
 */
export function isBuilt(root) {
  return upToDate(root).includes(join(root, "dist", "cli", "main.js"));
}

/**
 * The program's first file: of the bundle, else of dist/, else of the sources.
 *
 * @param {string} root
 */
export function mainFile(root) {
  return upToDate(root)[0] ?? join(root, "src", "cli", "main.ts");
}

/** @param {string} root */
function upToDate(root) {
  const newest = newestSourceMs(join(root, "src"), /\.ts$/);
  return built.map((path) => join(root, path)).filter((path) => (modifiedMs(path) ?? -1) >= newest);
}

/**
 * When the newest file was changed whose name matches; 0 where there is none.
 *
 * @param {string} folder
 * @param {RegExp} names
 * @param {string} leftOut folders of this name
 */
export function newestSourceMs(folder, names, leftOut = "") {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (entry.name !== leftOut) newest = Math.max(newest, newestSourceMs(path, names, leftOut));
    } else if (names.test(entry.name)) newest = Math.max(newest, modifiedMs(path) ?? 0);
  }
  return newest;
}

/**
 * Undefined where there is nothing.
 *
 * @param {string} path
 */
export function modifiedMs(path) {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return undefined;
  }
}
