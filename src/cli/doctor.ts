/** `fsb doctor`. */

import type { Command } from "commander";
import { systemClock } from "../base/clock.ts";
import { examineCluster } from "../doctor/examine-cluster.ts";
import { examineRepository } from "../doctor/examine-repository.ts";
import type { Finding } from "../doctor/finding.ts";
import { findApiConfiguration } from "../kubernetes/open-connection.ts";
import { CliError } from "./cli-error.ts";
import { openCluster } from "./cluster.ts";
import { exitCodes } from "./exit-code.ts";
import {
  addRepositoryOptions,
  type CommonOptions,
  engineResources,
  type Invocation,
  outputOf,
  parseLocation,
} from "./invocation.ts";
import { readPassword } from "./password.ts";
import type { Output } from "./terminal.ts";

export function addDoctorCommand(program: Command, invocation: Invocation): void {
  addRepositoryOptions(
    program
      .command("doctor")
      .description("what is wrong with a cluster's backups, or with a repository, and what to do"),
  ).action((options: CommonOptions) => examine(invocation, options));
}

async function examine(invocation: Invocation, options: CommonOptions): Promise<void> {
  const output = outputOf(invocation, options);
  const findings: Finding[] = [];
  for await (const finding of findingsOf(invocation, options, output)) {
    findings.push(finding);
    await output.result(finding, () => linesOf(finding));
  }
  const count = (status: Finding["status"]) => findings.filter((finding) => finding.status === status).length;
  output.note(`${count("ok")} ok, ${count("warn")} warn, ${count("FAIL")} FAIL`);
  if (count("FAIL") > 0) invocation.exitCode = exitCodes.failed;
}

async function* findingsOf(invocation: Invocation, options: CommonOptions, output: Output): AsyncGenerator<Finding> {
  const { terminal, signal } = invocation;
  const { kernel } = await engineResources(invocation, options);
  const means = { kernel, clock: systemClock, signal };
  const { passwordFile, kubeconfig, bsl, namespace, endpoint } = options;
  if (options.repo !== undefined && options.velero !== true) {
    const location = parseLocation(options.repo);
    const password = await readPassword(terminal, { file: passwordFile, isNew: false }, signal);
    return yield* examineRepository(location, password, means);
  }
  if (options.repo !== undefined && options.repo !== terminal.env.FSB_REPO) {
    throw new CliError("CLI_USAGE", "--repo and --velero name two things to examine", {
      hint: "leave one of them out",
    });
  }
  const { env } = terminal;
  const configuration = findApiConfiguration({ env, ...(kubeconfig === undefined ? {} : { kubeconfig }) });
  await using cluster = await openCluster(options, { env, log: output.log() });
  yield* examineCluster({
    ...means,
    connection: cluster.connection,
    store: cluster.store,
    veleroNamespace: options.veleroNamespace ?? "velero",
    isAgent: configuration.from === "pod",
    ...(bsl === undefined ? {} : { bsl }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(passwordFile === undefined
      ? {}
      : { readOwnPassword: () => readPassword(terminal, { file: passwordFile, isNew: false }, signal) }),
    onSecret: () => undefined,
  });
}

function linesOf({ status, check, subject, because, fix }: Finding): readonly string[] {
  const what = subject === "" ? check : `${check} ${subject}`;
  return [`${status.padEnd(4)}  ${what}: ${because}`, ...(fix === "" ? [] : [`      fix: ${fix}`])];
}
