/** What this program can read, and which of it a repository uses. */

import { encryptionNames, hashNames, splitterNames } from "../repository/format/algorithms.ts";
import { compressionNameOf, compressionNames } from "../repository/format/compressions.ts";
import type { Repository } from "../repository/repository.ts";

export interface KnownFormat {
  readonly kind:
    | "format version"
    | "index version"
    | "hash"
    | "encryption"
    | "splitter"
    | "error correction"
    | "compression";
  readonly name: string;
  /** Also written where it is asked for. */
  readonly isWritten: boolean;
  readonly isUsed: boolean;
}

/** A compression is used where a content of the index is so compressed. */
export function knownFormats({ format, index }: Repository): readonly KnownFormat[] {
  const compressions = new Set(
    index.tables.flatMap(({ forms }) => forms.map(({ compressionId }) => compressionNameOf(compressionId))),
  );
  const of = (
    kind: KnownFormat["kind"],
    names: readonly string[],
    isUsed: (name: string) => boolean,
    isWritten = true,
  ): KnownFormat[] => names.map((name) => ({ kind, name, isWritten, isUsed: isUsed(name) }));
  const parity = format.parityPercent === undefined ? "none" : "REED-SOLOMON-CRC32";
  return [
    ...of("format version", ["1", "2", "3"], (name) => name === String(format.version)),
    ...of("index version", ["1", "2"], (name) => name === String(format.indexVersion)),
    ...of("hash", hashNames, (name) => name === format.hash),
    ...of("encryption", encryptionNames, (name) => name === format.encryption),
    ...of("splitter", splitterNames, (name) => name === format.splitter),
    ...of("error correction", ["none", "REED-SOLOMON-CRC32"], (name) => name === parity),
    ...of("compression", ["none", ...compressionNames], (name) => compressions.has(name)),
    ...of("compression", ["lz4"], (name) => compressions.has(name), false),
  ];
}
