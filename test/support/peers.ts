/**
 * Builds the peers of test/peers/: real programs, each a Go module with a `tool` line that pins its version.
 *
 * A peer is built once, into test/peers/.build/, under a name with a digest of its go.mod and go.sum. `flock` keeps
 * parallel test files from building it twice and lets go when its holder dies; the finished file appears by a rename.
 */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "./program.ts";

const peersFolder = join(import.meta.dirname, "..", "peers");

export type BuiltPeer = { readonly program: string } | { readonly missing: string };

const built = new Map<string, Promise<BuiltPeer>>();

/** `name` is the folder of the module, `goPackage` the program in it. One attempt a process. */
export function buildPeer(name: string, goPackage: string): Promise<BuiltPeer> {
  const known = built.get(name);
  if (known !== undefined) return known;
  const building = build(name, goPackage);
  built.set(name, building);
  return building;
}

async function build(name: string, goPackage: string): Promise<BuiltPeer> {
  const module = join(peersFolder, name);
  const digest = createHash("sha256");
  for (const file of ["go.mod", "go.sum"]) digest.update(readFileSync(join(module, file)));
  const builds = join(peersFolder, ".build");
  const program = join(builds, `${name}-${digest.digest("hex").slice(0, 12)}`);
  if (existsSync(program)) return { program };

  mkdirSync(builds, { recursive: true });
  const script = `
    test -x "$1" && exit 0
    go build -mod=mod -buildvcs=false -ldflags "-s -w" -o "$1.partial" "$2" && mv "$1.partial" "$1"`;
  const args = [`${program}.lock`, "sh", "-c", script, "sh", program, goPackage];
  const env = { ...process.env, CGO_ENABLED: "0", GOWORK: "off" };
  try {
    const run = await runProgram("flock", args, { env, cwd: module });
    if (run.exitCode === 0) return { program };
    const missing = /go: (command )?not found/.test(run.stderr) ? "Go is not installed" : run.stderr.trim().slice(-800);
    return { missing: `could not build the peer ${name}: ${missing}` };
  } catch (error) {
    return { missing: `could not build the peer ${name}: ${error instanceof Error ? error.message : String(error)}` };
  }
}
