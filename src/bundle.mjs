// What starts: dist/bundle/, the program and its packages in a few files, which load in half of the time of the more than
// hundred of dist/ and packages: docs/decisions/bundle.md. Only what a command needs is loaded, as in the sources: dynamic imports stay.
// `node src/bundle.mjs` after tsc; src/launch.mjs takes it where it is up to date, else dist/ as tsc made it.
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * All files lie in one folder: src/base/project-root.ts and the engine's thread are found from any of them.
 *
 * @param {string} root the project's folder
 */
export async function buildBundle(root) {
  const outdir = join(root, "dist", "bundle");
  rmSync(outdir, { recursive: true, force: true });
  const { build } = await import("esbuild");
  await build({
    absWorkingDir: root,
    entryPoints: {
      main: "src/cli/main.ts",
      "engine-thread-main": "src/agent/engine/engine-thread-main.ts",
    },
    outdir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    // Finds its own native file beside itself.
    external: ["koffi"],
    // Packages that are CommonJS ask for Node's modules by it.
    banner: {
      js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);',
    },
    logLevel: "warning",
  });
}

const self = fileURLToPath(import.meta.url);
if (process.argv[1] === self) await buildBundle(join(dirname(self), ".."));
