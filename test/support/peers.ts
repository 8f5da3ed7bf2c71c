/**
 * Builds the peers of test/peers/: real programs, each a Go module with a `tool` line that pins its version, or a Python
 * package with a `requirements.txt` that does; and one written here, a Go module with its sources.
 *
 * A peer is built once, into test/peers/.build/, under a name with a digest of the files that pin it. `flock` keeps
 * parallel test files from building it twice and lets go when its holder dies; the finished file appears by a rename.
 */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "./program.ts";

const peersFolder = join(import.meta.dirname, "..", "peers");

export type BuiltPeer = { readonly program: string } | { readonly missing: string };

const built = new Map<string, Promise<BuiltPeer>>();

/**
 * `name` is the folder of the module, `goPackage` a program in it, "." its own. `variables` are string variables of the program to
 * set, such as its version, which a build from a module does not know. One attempt a process.
 */
export function buildPeer(
  name: string,
  goPackage: string,
  variables: Readonly<Record<string, string>> = {},
): Promise<BuiltPeer> {
  const linking = ["-s -w", ...Object.entries(variables).map(([to, value]) => `-X ${to}=${value}`)].join(" ");
  const env = { ...process.env, CGO_ENABLED: "0", GOWORK: "off", LINKING: linking };
  const script = `go build -mod=mod -buildvcs=false -ldflags "$LINKING" -o "$1.partial" "$2"`;
  const sources = readdirSync(join(peersFolder, name)).filter((file) => file.endsWith(".go"));
  const pinnedBy = ["go.mod", "go.sum", ...sources.sort()];
  const command = /\/cmd\/(.+)$/.exec(goPackage)?.[1];
  return buildOnce({ name, command, pinnedBy, script, argument: goPackage, env });
}

/** `name` is the folder with the requirements, `program` what the package installs: one file that needs no other. */
export function installPythonPeer(name: string, program: string): Promise<BuiltPeer> {
  const script = `
    python3 -m venv "$1.venv" &&
    "$1.venv/bin/pip" install --quiet --disable-pip-version-check --require-virtualenv -r requirements.txt &&
    mv "$1.venv/bin/$2" "$1.partial" && rm -rf "$1.venv"`;
  const pinnedBy = ["requirements.txt"];
  return buildOnce({ name, command: undefined, pinnedBy, script, argument: program, env: process.env });
}

interface Recipe {
  /** Of the folder in test/peers/, where the script runs. */
  readonly name: string;
  /** Which one it is of a folder with several. */
  readonly command: string | undefined;
  readonly pinnedBy: readonly string[];
  /** Makes the file `$1.partial`; `$2` is the argument. */
  readonly script: string;
  readonly argument: string;
  readonly env: NodeJS.ProcessEnv;
}

function buildOnce(recipe: Recipe): Promise<BuiltPeer> {
  const key = calledOf(recipe);
  const known = built.get(key);
  if (known !== undefined) return known;
  const building = build(recipe);
  built.set(key, building);
  return building;
}

function calledOf({ name, command }: Recipe): string {
  return command === undefined ? name : `${name}-${command}`;
}

async function build(recipe: Recipe): Promise<BuiltPeer> {
  const { name, pinnedBy, script, argument, env } = recipe;
  const folder = join(peersFolder, name);
  const digest = createHash("sha256");
  for (const file of pinnedBy) digest.update(readFileSync(join(folder, file)));
  const builds = join(peersFolder, ".build");
  const program = join(builds, `${calledOf(recipe)}-${digest.digest("hex").slice(0, 12)}`);
  if (existsSync(program)) return { program };

  mkdirSync(builds, { recursive: true });
  const unlessThere = `test -x "$1" && exit 0\n{ ${script}\n} && mv "$1.partial" "$1"`;
  try {
    const args = [`${program}.lock`, "sh", "-c", unlessThere, "sh", program, argument];
    const run = await runProgram("flock", args, { env, cwd: folder });
    if (run.exitCode === 0) return { program };
    const absent = /(go|python3): (command )?not found/.exec(run.stderr)?.[1];
    const missing = absent === undefined ? run.stderr.trim().slice(-800) : `${absent} is not installed`;
    return { missing: `could not build the peer ${name}: ${missing}` };
  } catch (error) {
    return { missing: `could not build the peer ${name}: ${error instanceof Error ? error.message : String(error)}` };
  }
}
