/** `fsb velero backups|volumes|locate`. */

import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { backups, podVolumeBackups } from "../agent/velero/velero-resources.ts";
import { type LocatedVolume, locatePodVolume } from "../doctor/locate-volume.ts";
import { backupFields, backupRows, volumeFields, volumeRow } from "../doctor/velero-volumes.ts";
import type { ApiResourceStore } from "../kubernetes/api-resource-store.ts";
import { CliError } from "./cli-error.ts";
import { openCluster } from "./cluster.ts";
import { type CommonOptions, clusterOptions, type Invocation, outputOf, outputOptions } from "./invocation.ts";
import { addListOptions, asBytes, asTime, type Column, type ListOptions, writeList } from "./listing.ts";
import { formatBytes, type Output } from "./terminal.ts";

type Options = CommonOptions & ListOptions & { readonly podsRoot?: string };

interface Call {
  readonly store: ApiResourceStore;
  readonly veleroNamespace: string;
  readonly output: Output;
  readonly signal: AbortSignal;
  readonly options: Options;
  readonly args: readonly string[];
}

export function addVeleroCommands(program: Command, invocation: Invocation): void {
  const velero = program.command("velero").description("what a cluster's Velero has backed up, and from where");
  const add = (words: string, description: string, act: (call: Call) => Promise<void>): Command => {
    const command = velero.command(words).description(description);
    for (const option of [...clusterOptions, ...outputOptions]) command.addOption(option);
    return command.action(async (...given: readonly unknown[]) => {
      // Commander gives the arguments, then the options, then the command.
      const options = given.at(-2) as Options;
      const output = outputOf(invocation, options);
      await using cluster = await openCluster(options, { env: invocation.terminal.env, log: output.log() });
      await act({
        store: cluster.store,
        veleroNamespace: options.veleroNamespace ?? "velero",
        output,
        signal: invocation.signal,
        options,
        args: given.slice(0, -2) as readonly string[],
      });
    });
  };
  addListOptions(add("backups", "backups, and how far their volumes are", listBackups));
  addListOptions(add("volumes", "which snapshot is of which backup, pod and volume", listVolumes));
  add("locate <pod> <volume>", "which folder of the host a pod's volume is, and its snapshots", locate)
    .addOption(new Option("--namespace <name>", "of the pod, where it is not given as NAMESPACE/POD"))
    .addOption(new Option("--pods-root <folder>", "look in this node's folder of pods, which is there"));
}

const backupColumns: readonly Column[] = [
  { field: "backup" },
  { field: "phase" },
  { field: "location" },
  { field: "startTime", title: "STARTED", ...asTime },
  { field: "endTime", title: "ENDED", isWide: true, ...asTime },
  { field: "volumes" },
  { field: "completed" },
  { field: "failed" },
  { field: "open" },
  { field: "bytesDone", title: "DONE", ...asBytes },
  { field: "totalBytes", title: "OF", ...asBytes },
  { field: "errors", isWide: true },
  { field: "warnings", isWide: true },
  { field: "namespaces", text: (names: readonly string[]) => names.join(",") },
];

async function listBackups({ store, veleroNamespace: namespace, output, signal, options }: Call): Promise<void> {
  const all = await store.list(backups, { namespace, only: backupFields }, { signal });
  const volumes = await store.list(podVolumeBackups, { namespace, only: volumeFields }, { signal });
  await writeList(output, backupColumns, backupRows(all, volumes), options);
}

const volumeColumns: readonly Column[] = [
  { field: "backup" },
  { field: "namespace" },
  { field: "pod" },
  { field: "volume" },
  { field: "claim", isWide: true },
  { field: "node" },
  { field: "phase" },
  { field: "location", isWide: true },
  { field: "snapshotId", title: "SNAPSHOT" },
  { field: "bytesDone", title: "DONE", ...asBytes },
  { field: "totalBytes", title: "OF", isWide: true, ...asBytes },
  { field: "startTime", title: "STARTED", isWide: true, ...asTime },
  { field: "endTime", title: "ENDED", isWide: true, ...asTime },
  { field: "name", isWide: true },
  { field: "message" },
];

async function listVolumes({ store, veleroNamespace: namespace, output, signal, options }: Call): Promise<void> {
  const objects = await store.list(podVolumeBackups, { namespace, only: volumeFields }, { signal });
  await writeList(output, volumeColumns, objects.map(volumeRow), options);
}

async function locate({ store, veleroNamespace, output, signal, options, args }: Call): Promise<void> {
  const [pod = "", volume = ""] = args;
  const { podsRoot } = options;
  const wanted = { pod: podNamed(pod, options.namespace), volume };
  const where = { veleroNamespace, ...(podsRoot === undefined ? {} : { podsRoot: resolve(podsRoot) }) };
  const located = await locatePodVolume(store, wanted, where, signal);
  await output.result({ ...located }, () => described(located));
}

/** Errors: CLI_USAGE. */
function podNamed(text: string, namespace: string | undefined): { readonly namespace: string; readonly name: string } {
  const [first = "", second, ...more] = text.split("/");
  const name = second ?? first;
  const given = second === undefined ? namespace : first;
  if (given !== undefined && given !== "" && name !== "" && more.length === 0) return { namespace: given, name };
  throw new CliError("CLI_USAGE", `${JSON.stringify(text)} does not say which pod of which namespace`, {
    hint: "write it as NAMESPACE/POD, or give --namespace",
  });
}

function described(located: LocatedVolume): readonly string[] {
  const { pod, volume, podUid, node, podPhase, type, folder, because, hint, snapshots } = located;
  const lines: readonly (readonly [string, string])[] = [
    ["pod", podUid === "" ? `${pod}, which is not there now` : `${pod} (${podPhase}, uid ${podUid})`],
    ["node", node],
    ["volume", type === "" ? volume : `${volume} (${type})`],
    ["folder", folder],
    [folder === "" ? "no folder" : "but", because],
    ["hint", hint],
    ["snapshots", String(snapshots.length)],
  ];
  return [
    ...lines.filter(([, text]) => text !== "").map(([name, text]) => `${`${name}:`.padEnd(12)}${text}`),
    ...snapshots.map(({ snapshotId, phase, startTime, bytesDone, backup, location, message }) => {
      const id = snapshotId === "" ? "no snapshot" : snapshotId;
      const why = message === "" ? "" : `: ${message}`;
      return `  ${id}  ${startTime}  ${formatBytes(bytesDone)}  ${phase} in backup ${backup} at ${location}${why}`;
    }),
  ];
}
