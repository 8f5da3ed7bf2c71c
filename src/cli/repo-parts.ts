/** `fsb repo epochs|sessions|formats`. */

import type { Command } from "commander";
import { systemClock } from "../base/clock.ts";
import { type EpochState, epochsOf, indexBlobs, type NextEpoch, nextEpoch } from "../inspect/index-blobs.ts";
import { knownFormats } from "../inspect/known-formats.ts";
import { sessionLifeMs, sessionMarkers } from "../inspect/session-markers.ts";
import { addRepositoryOptions, type CommonOptions, type Invocation, openForReading, outputOf } from "./invocation.ts";
import { addListOptions, asBytes, asTime, type Column, type ListOptions, type Row, writeList } from "./listing.ts";
import { formatBytes } from "./terminal.ts";

type Options = CommonOptions & ListOptions;

export function addRepoPartCommands(repo: Command, invocation: Invocation): void {
  const add = (name: string, description: string, action: (options: Options) => Promise<void>): void => {
    addListOptions(addRepositoryOptions(repo.command(name).description(description))).action(action);
  };
  add("epochs", "the index by epoch, and what the next epoch waits for", (options) => epochs(invocation, options));
  add("sessions", "who is writing, or was cut off", (options) => sessions(invocation, options));
  add("formats", "what this program can read, and which of it the repository uses", (options) =>
    formats(invocation, options),
  );
}

const epochColumns: readonly Column[] = [
  { field: "epoch" },
  { field: "blobs" },
  { field: "bytes", title: "SIZE", ...asBytes },
  { field: "first", ...asTime },
  { field: "last", ...asTime },
  { field: "next", title: "NEXT EPOCH", text: nextText },
];

async function epochs(invocation: Invocation, options: Options): Promise<void> {
  await using repository = await openForReading(invocation, options, { onDamagedIndex: () => undefined });
  const output = outputOf(invocation, options);
  const { epochs: parameters } = repository.format;
  if (!parameters.enabled) output.note("this repository has no epochs: `fsb index list` shows its index blobs");
  const all = await indexBlobs(repository, invocation.signal);
  const found = parameters.enabled ? epochsOf(all, repository.index.writeEpoch) : [];
  const row = (state: EpochState): Row => {
    const { epoch, blobs, bytes, isCurrent, firstMs, lastMs } = state;
    const next = isCurrent && parameters.advance !== undefined ? { next: nextEpoch(state, parameters.advance) } : {};
    return { epoch, blobs, bytes, first: timeOf(firstMs), last: timeOf(lastMs), isCurrent, ...next };
  };
  await writeList(output, epochColumns, found.map(row), options);
}

function nextText({ isDue, blobsMissing, bytesMissing, spanMissingMs }: NextEpoch): string {
  if (isDue) return "due: maintenance begins it";
  const missing =
    Math.min(blobsMissing, bytesMissing) === 0 ? [] : [`at ${blobsMissing} blobs or ${formatBytes(bytesMissing)} more`];
  const span = spanMissingMs === 0 ? [] : [`when they span ${(spanMissingMs / 3_600_000).toFixed(1)} h more`];
  return [...missing, ...span].join(", ");
}

const sessionColumns: readonly Column[] = [
  { field: "session" },
  { field: "owner" },
  { field: "startTime", title: "STARTED", ...asTime },
  { field: "ageSeconds", title: "AGE", text: (seconds: number) => `${(seconds / 3600).toFixed(1)} h` },
  { field: "expired", text: (expired: boolean) => (expired ? "expired" : "") },
  { field: "problem" },
  { field: "blobId", title: "BLOB", isWide: true },
];

async function sessions(invocation: Invocation, options: Options): Promise<void> {
  await using repository = await openForReading(invocation, options);
  async function* rows(): AsyncIterable<Row> {
    for await (const { id, session, modifiedMs, owner, startTime, problem } of sessionMarkers(
      repository,
      invocation.signal,
    )) {
      const ageMs = systemClock.nowMs() - modifiedMs;
      const expired = ageMs >= sessionLifeMs;
      yield { blobId: id, session, owner, startTime, ageSeconds: Math.round(ageMs / 1000), expired, problem };
    }
  }
  await writeList(outputOf(invocation, options), sessionColumns, rows(), options);
}

const formatColumns: readonly Column[] = [
  { field: "kind" },
  { field: "name" },
  { field: "used", text: (used: boolean) => (used ? "used here" : "") },
  { field: "written", text: (written: boolean) => (written ? "" : "read only") },
];

async function formats(invocation: Invocation, options: Options): Promise<void> {
  await using repository = await openForReading(invocation, options);
  const rows = knownFormats(repository).map(({ kind, name, isUsed, isWritten }) => {
    return { kind, name, used: isUsed, written: isWritten };
  });
  await writeList(outputOf(invocation, options), formatColumns, rows, options);
}

function timeOf(ms: number | undefined): string {
  return ms === undefined ? "" : new Date(ms).toISOString();
}
