/** This program as it is installed: built, and without the launcher, which on a Node older than 24 starts a second one. */

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const root = join(import.meta.dirname, "..");
const built = join(root, "dist", "cli", "main.js");
/** Of the same in few files, where there is one: what the launcher takes then. */
const bundle = join(root, "dist", "bundle", "main.js");

/** The file to give to Node 24, or why there is none that is as the sources are now. */
export async function findBuiltProgram(kernel: "native" | "typescript"): Promise<{ main: string } | string> {
  const { isBuilt } = (await import(pathToFileURL(join(root, "src", "built.mjs")).href)) as {
    isBuilt(root: string): boolean;
  };
  const { isNativeBuilt } = (await import(pathToFileURL(join(root, "src", "native.mjs")).href)) as {
    isNativeBuilt(root: string): boolean;
  };
  if (!isBuilt(root)) return "needs dist/ as the sources are now: npm run build";
  if (kernel === "native" && !isNativeBuilt(root)) return "needs the native kernel as its sources are: npm run build";
  if (!existsSync(bundle)) return { main: built };
  const isOld = statSync(bundle).mtimeMs < statSync(built).mtimeMs;
  return isOld ? "needs dist/bundle/ as dist/ is now: npm run build" : { main: bundle };
}
