// Whether dist/ is what the sources say now: then it is run, for it starts sooner and takes less memory.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/**
 * True when dist/ was built after the last change of any source, or there are no sources, as in a package.
 *
 * @param {string} root the project's folder
 */
export function isBuilt(root) {
  const builtMs = modifiedMs(join(root, "dist", "cli", "main.js"));
  return builtMs !== undefined && newestSourceMs(join(root, "src")) <= builtMs;
}

/** @param {string} folder */
function newestSourceMs(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) newest = Math.max(newest, newestSourceMs(path));
    else if (entry.name.endsWith(".ts")) newest = Math.max(newest, modifiedMs(path) ?? 0);
  }
  return newest;
}

/** @param {string} path */
function modifiedMs(path) {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return undefined;
  }
}
