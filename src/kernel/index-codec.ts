/** An index as it is stored: bytes ⇄ ContentTable. The version is each blob's own. */

import { strict as assert } from "node:assert";
import { type ContentTable, ContentTableBuilder } from "./content-table.ts";
import { encodeIndexV1, readIndexV1 } from "./index-v1.ts";
import { encodeIndexV2, readIndexV2 } from "./index-v2.ts";
import { KernelError } from "./kernel.ts";

/** `table` is not empty: an empty index cannot be stored. Trailing bytes are the caller's. */
export function encodeIndex(table: ContentTable, version: 1 | 2): Uint8Array {
  assert(table.count > 0, "an empty index cannot be stored");
  return version === 1 ? encodeIndexV1(table) : encodeIndexV2(table);
}

/**
 * All usable entries. Bytes behind the described data are ignored, and so is an entry whose format or pack number leads
 * nowhere. `sealOverheadBytes` tells the original length where version 1 leaves it out.
 * Errors: KERNEL_INDEX_INVALID. Allocates no more than a small multiple of the input.
 */
export function decodeIndex(bytes: Uint8Array, keyBytes: number, sealOverheadBytes: number): ContentTable {
  const version = bytes[0];
  const records =
    version === 1
      ? readIndexV1(bytes, sealOverheadBytes)
      : version === 2
        ? readIndexV2(bytes)
        : unknownVersion(version);
  if (records.count > 0 && records.keyBytes !== keyBytes) {
    throw new KernelError("KERNEL_INDEX_INVALID", `index has keys of ${records.keyBytes} bytes, not ${keyBytes}`);
  }
  const builder = new ContentTableBuilder(keyBytes, records.count);
  for (const record of records) builder.add(record);
  return builder.build();
}

function unknownVersion(version: number | undefined): never {
  throw new KernelError(
    "KERNEL_INDEX_INVALID",
    version === undefined ? "index is empty" : `index version ${version} is not known`,
  );
}
