/** The one password of all repositories. Source: Velero pkg/repository/keys/keys.go. */

import { fromUtf8Strict } from "../../base/bytes.ts";
import type { ResourceReader } from "../../kubernetes/resource-store.ts";
import { AgentError } from "../agent-error.ts";
import { secrets, secretValue } from "./velero-resources.ts";

const secretName = "velero-repo-credentials";
const secretKey = "repository-password";

/** What Go calls white space; JavaScript's own trimming differs. */
const spaceAround =
  /^[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+|[\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/g;

export async function readRepositoryPassword(
  store: ResourceReader,
  veleroNamespace: string,
  signal: AbortSignal,
): Promise<string> {
  const secret = await store.get(secrets, { namespace: veleroNamespace, name: secretName }, { signal });
  if (secret === undefined) {
    throw missing(
      `error to get password: unable to get key for secret: Secret "${secretName}" not found`,
      veleroNamespace,
    );
  }
  const bytes = secretValue(secret, secretKey);
  const text = bytes === undefined ? undefined : fromUtf8Strict(bytes);
  if (text === undefined) {
    throw missing(`"${secretName}" secret is missing data for key "${secretKey}"`, veleroNamespace);
  }
  const password = text.replaceAll(spaceAround, "");
  // kopia takes none either: nobody could open by hand what is sealed with it.
  if (password === "") throw missing(`"${secretName}" secret has an empty "${secretKey}"`, veleroNamespace);
  return password;
}

function missing(message: string, namespace: string): AgentError {
  return new AgentError("REPOSITORY_PASSWORD_NOT_FOUND", message, {
    hint: `create Secret ${secretName} with key ${secretKey} in namespace ${namespace}`,
  });
}
