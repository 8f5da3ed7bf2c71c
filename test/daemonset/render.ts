/** The objects of daemonset/ as its users get them: from kubectl's kustomize and from helm. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { TestContext } from "node:test";
import { parseAllDocuments, stringify } from "yaml";
import { type JsonObject, textAt } from "../../src/kubernetes/json.ts";
import { buildKubectl } from "../support/kubernetes-cluster.ts";
import { buildPeer } from "../support/peers.ts";
import { describeRun, runProgram } from "../support/program.ts";
import { lacking } from "../support/required.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

export const daemonsetFolder = join(import.meta.dirname, "..", "..", "daemonset");

export interface Renderers {
  readonly kubectl: string;
  readonly helm: string;
}

/** Undefined when the test was skipped because one of them cannot be built. */
export async function buildRenderers(t: TestContext): Promise<Renderers | undefined> {
  const kubectl = await buildKubectl();
  const helm = await buildPeer("helm", "helm.sh/helm/v4/cmd/helm");
  if (!("program" in kubectl)) return lacking(t, kubectl.missing);
  if (!("program" in helm)) return lacking(t, helm.missing);
  return { kubectl: kubectl.program, helm: helm.program };
}

/** Objects by kind and name. */
export type Rendered = ReadonlyMap<string, JsonObject>;

export interface Kustomization {
  /** Folders in daemonset/. */
  readonly resources?: readonly string[];
  readonly components?: readonly string[];
  readonly namespace?: string;
  /** An object beside them. */
  readonly own?: JsonObject;
}

/** What a user's overlay gives. */
export async function renderWithKustomize(
  t: TestContext,
  { kubectl }: Renderers,
  { resources = ["base"], components = [], namespace, own }: Kustomization,
): Promise<Rendered> {
  const folder = temporaryFolder(t);
  const at = (name: string) => relative(folder, join(daemonsetFolder, name));
  if (own !== undefined) writeFileSync(join(folder, "own.yaml"), stringify(own));
  const kustomization = {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    resources: [...resources.map(at), ...(own === undefined ? [] : ["own.yaml"])],
    components: components.map(at),
    ...(namespace !== undefined && { namespace }),
  };
  writeFileSync(join(folder, "kustomization.yaml"), stringify(kustomization));
  return parseRendered(await text(kubectl, ["kustomize", folder], folder));
}

export async function renderWithHelm(
  t: TestContext,
  { helm }: Renderers,
  values: JsonObject = {},
  namespace = "velero",
): Promise<Rendered> {
  const run = await tryHelm(t, helm, values, namespace);
  assert.equal(run.exitCode, 0, describeRun(run));
  return parseRendered(run.stdout.toString());
}

export async function tryHelm(t: TestContext, helm: string, values: JsonObject, namespace = "velero") {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "values.yaml"), JSON.stringify(values));
  const args = ["template", "any", daemonsetFolder, "--namespace", namespace, "--values", join(folder, "values.yaml")];
  return await runProgram(helm, args, { env: homeIn(folder) });
}

export function objectNamed(objects: Rendered, key: string): JsonObject {
  const object = objects.get(key);
  assert.ok(object, `${key} among ${[...objects.keys()]}`);
  return object;
}

async function text(program: string, args: readonly string[], folder: string): Promise<string> {
  const run = await runProgram(program, args, { env: homeIn(folder) });
  assert.equal(run.exitCode, 0, describeRun(run));
  return run.stdout.toString();
}

/** Where these programs keep what they remember: for this test alone. */
function homeIn(folder: string): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: folder };
}

function parseRendered(stream: string): Rendered {
  const objects = parseAllDocuments(stream).map((document) => document.toJS() as JsonObject | null);
  const keyed = objects.flatMap((object) =>
    object === null ? [] : [[`${textAt(object, "kind")} ${textAt(object, "metadata", "name")}`, object] as const],
  );
  const rendered = new Map(keyed);
  assert.equal(rendered.size, keyed.length, "no object comes twice");
  return rendered;
}

/** By path what is different afterwards, with its new value; undefined where there is none any more. */
export function changes(before: Rendered, after: Rendered): Record<string, unknown> {
  return differences(Object.fromEntries(before), Object.fromEntries(after));
}

function differences(before: unknown, after: unknown, path = ""): Record<string, unknown> {
  if (!isCollection(before) || !isCollection(after)) {
    return Object.is(before, after) ? {} : { [path]: after };
  }
  const all: Record<string, unknown> = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const at = path === "" ? key : `${path}.${key}`;
    Object.assign(all, differences(before[key], after[key], at));
  }
  return all;
}

function isCollection(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
