/** `fsb doctor`. */

import { open, unlink } from "node:fs/promises";
import { type Command, Option } from "commander";
import { systemClock } from "../base/clock.ts";
import { examineCluster } from "../doctor/examine-cluster.ts";
import { examineRepository } from "../doctor/examine-repository.ts";
import type { Finding } from "../doctor/finding.ts";
import { Redaction } from "../doctor/redaction.ts";
import { gatherForBundle, writeBundle } from "../doctor/support-bundle.ts";
import { findApiConfiguration } from "../kubernetes/open-connection.ts";
import { CliError } from "./cli-error.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import { exitCodes } from "./exit-code.ts";
import {
  addRepositoryOptions,
  type CommonOptions,
  engineResources,
  type Invocation,
  outputOf,
  parseLocation,
  refuseVeleroFlags,
} from "./invocation.ts";
import { versionOfPackage } from "./package-version.ts";
import { readPassword } from "./password.ts";

interface DoctorOptions extends CommonOptions {
  readonly bundle?: string;
}

export function addDoctorCommand(program: Command, invocation: Invocation): void {
  addRepositoryOptions(
    program
      .command("doctor")
      .description("what is wrong with a cluster's backups, or with a repository, and what to do"),
  )
    .addOption(new Option("--bundle <file>", "also write all that was seen into a file, without secrets"))
    .action((options: DoctorOptions) => examine(invocation, options));
}

async function examine(invocation: Invocation, options: DoctorOptions): Promise<void> {
  const output = outputOf(invocation, options);
  const redaction = new Redaction();
  await using file = options.bundle === undefined ? undefined : await openBundle(options.bundle);
  await using cluster = isOfCluster(invocation, options)
    ? await openCluster(options, { env: invocation.terminal.env, log: output.log() })
    : undefined;
  const findings: Finding[] = [];
  for await (const finding of findingsOf(invocation, options, cluster, redaction)) {
    findings.push(finding);
    await output.result(finding, () => linesOf(finding));
  }
  if (file !== undefined) await file.write(await bundleOf(invocation, options, cluster, findings, redaction));
  const count = (status: Finding["status"]) => findings.filter((finding) => finding.status === status).length;
  output.note(`${count("ok")} ok, ${count("warn")} warn, ${count("FAIL")} FAIL`);
  if (count("FAIL") > 0) invocation.exitCode = exitCodes.failed;
}

/** Errors: CLI_USAGE. */
function isOfCluster({ terminal }: Invocation, options: DoctorOptions): boolean {
  const { repo, velero } = options;
  if (repo === undefined) return true;
  if (velero !== true) {
    refuseVeleroFlags(options);
    return false;
  }
  if (repo === terminal.env.FSB_REPO) return true;
  throw new CliError("CLI_USAGE", "--repo and --velero name two things to examine", { hint: "leave one of them out" });
}

async function* findingsOf(
  invocation: Invocation,
  options: DoctorOptions,
  cluster: Cluster | undefined,
  redaction: Redaction,
): AsyncGenerator<Finding> {
  const { terminal, signal } = invocation;
  const { env } = terminal;
  const { kernel } = await engineResources(invocation, options);
  const means = { kernel, clock: systemClock, signal };
  const { passwordFile, kubeconfig, bsl, namespace, endpoint } = options;
  if (cluster === undefined) {
    const location = parseLocation(options.repo);
    const password = await readPassword(terminal, { file: passwordFile, isNew: false }, signal);
    redaction.know(password);
    return yield* examineRepository(location, password, means);
  }
  const configuration = findApiConfiguration({ env, ...(kubeconfig === undefined ? {} : { kubeconfig }) });
  yield* examineCluster({
    ...means,
    connection: cluster.connection,
    store: cluster.store,
    veleroNamespace: options.veleroNamespace ?? "velero",
    isInPod: configuration.from === "pod",
    ...(bsl === undefined ? {} : { bsl }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(passwordFile === undefined
      ? {}
      : { readOwnPassword: () => readPassword(terminal, { file: passwordFile, isNew: false }, signal) }),
    onSecret: (text) => redaction.know(text),
  });
}

async function bundleOf(
  { signal }: Invocation,
  options: DoctorOptions,
  cluster: Cluster | undefined,
  findings: readonly Finding[],
  redaction: Redaction,
): Promise<string> {
  const about = {
    madeAt: new Date(systemClock.nowMs()).toISOString(),
    fsb: versionOfPackage(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    findings,
  };
  if (cluster === undefined) return writeBundle(about, redaction);
  const { headers, tls } = await cluster.connection.access();
  // Of a header such as "Bearer …" the last word is the secret.
  for (const header of Object.values(headers)) redaction.know(header.slice(header.lastIndexOf(" ") + 1));
  if (tls.key !== undefined) redaction.know(String(tls.key));
  const veleroNamespace = options.veleroNamespace ?? "velero";
  const part = await gatherForBundle({ connection: cluster.connection, store: cluster.store, veleroNamespace, signal });
  return writeBundle({ ...about, server: cluster.connection.displayName, veleroNamespace, ...part }, redaction);
}

interface BundleFile extends AsyncDisposable {
  write(text: string): Promise<void>;
}

/** Only its owner may read it. Gone again unless it was written. Errors: CLI_BUNDLE_FAILED. */
async function openBundle(path: string): Promise<BundleFile> {
  let isWritten = false;
  const trouble = (cause: unknown) =>
    new CliError("CLI_BUNDLE_FAILED", `could not write ${path}`, { cause, hint: "name a file that is not there yet" });
  const file = await open(path, "wx", 0o600).catch((cause: unknown) => {
    throw trouble(cause);
  });
  return {
    write: async (text) => {
      await file.writeFile(text).catch((cause: unknown) => {
        throw trouble(cause);
      });
      isWritten = true;
    },
    [Symbol.asyncDispose]: async () => {
      await file.close();
      if (!isWritten) await unlink(path);
    },
  };
}

function linesOf({ status, check, subject, because, fix }: Finding): readonly string[] {
  const what = subject === "" ? check : `${check} ${subject}`;
  return [`${status.padEnd(4)}  ${what}: ${because}`, ...(fix === "" ? [] : [`      fix: ${fix}`])];
}
