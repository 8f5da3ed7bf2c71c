/**
 * What a BackupStorageLocation keeps in Secrets of Velero's namespace: the credentials of its store, and the certificates
 * by which its server is believed. Read when a job needs them, and never written anywhere.
 *
 * Source: Velero internal/credentials/file_store.go, pkg/repository/provider/unified_repo.go (1.14 to 1.18).
 */

import { fromUtf8Strict } from "../../base/bytes.ts";
import type { ResourceReader } from "../../kubernetes/resource-store.ts";
import { AgentError } from "../agent-error.ts";
import type { NamedText } from "../engine/volume-work.ts";
import { type BackupStorageLocation, type SecretKey, secrets, secretValue } from "./velero-resources.ts";

export interface LocationSecrets {
  readonly credentials?: NamedText;
  readonly authorities?: NamedText;
}

/** BACKUP_LOCATION_SECRET_NOT_FOUND for one that the location names and that is not there, or has no such key. */
export async function readLocationSecrets(
  store: ResourceReader,
  location: BackupStorageLocation,
  veleroNamespace: string,
  signal: AbortSignal,
): Promise<LocationSecrets> {
  const read = async (selected: SecretKey, words: string): Promise<NamedText> => {
    const { name, key } = selected;
    const secret = await store.get(secrets, { namespace: veleroNamespace, name }, { signal });
    if (secret === undefined) throw missing(location, `${words}: Secret ${JSON.stringify(name)} not found`, selected);
    const bytes = secretValue(secret, key);
    const text = bytes === undefined ? undefined : fromUtf8Strict(bytes);
    if (text !== undefined) return { text, name: `key ${key} of Secret ${veleroNamespace}/${name}` };
    throw missing(
      location,
      `${words}: ${JSON.stringify(name)} secret is missing data for key ${JSON.stringify(key)}`,
      selected,
    );
  };
  const { credential, objectStorage } = location;
  const credentials =
    credential && (await read(credential, "error get credential file in bsl: unable to get key for secret"));
  const authorities =
    objectStorage?.caCertRef !== undefined
      ? await read(objectStorage.caCertRef, "error getting CA certificate of bsl: unable to get key for secret")
      : inlineAuthorities(location);
  return { ...(credentials && { credentials }), ...(authorities && { authorities }) };
}

function inlineAuthorities({ name, objectStorage }: BackupStorageLocation): NamedText | undefined {
  const text = objectStorage?.caCert ?? "";
  return text === "" ? undefined : { text, name: `objectStorage.caCert of backup storage location ${name}` };
}

function missing(location: BackupStorageLocation, message: string, { name, key }: SecretKey): AgentError {
  return new AgentError("BACKUP_LOCATION_SECRET_NOT_FOUND", message, {
    detail: { location: location.name, secret: name, key },
    hint: `create Secret ${name} with key ${key}, or correct backup storage location ${location.name}`,
  });
}
