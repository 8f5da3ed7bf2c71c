/** `s3://bucket/prefix?endpoint=…&region=…`, as `--repo` takes it. Source: docs/operations/command-line.md. */

import type { S3Location } from "../repository/blob/s3-location.ts";
import { CliError } from "./cli-error.ts";

const parameters = ["endpoint", "region", "profile", "credentialsFile", "caFile", "insecureSkipTLSVerify"] as const;
type Parameter = (typeof parameters)[number];

const form = `s3://BUCKET/PREFIX?endpoint=URL&region=REGION, with ${parameters.slice(2).join(", ")} besides`;

/** CLI_USAGE for anything that is not understood, rather than a repository looked for in the wrong place. */
export function parseS3Url(text: string): S3Location {
  const [, bucket = "", path = "", query = ""] = /^s3:\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/i.exec(text) ?? [];
  if (bucket === "") throw usage("the URL of the bucket names none");
  const given = new Map<Parameter, string>();
  for (const [key, value] of new URLSearchParams(query)) {
    const known = parameters.find((parameter) => parameter === key);
    if (known === undefined) throw usage(`the URL of the bucket has an unknown parameter ${JSON.stringify(key)}`);
    if (value === "" || given.has(known)) throw usage(`parameter ${known} of the bucket's URL needs one value`);
    given.set(known, value);
  }
  const [endpoint, region, profile] = [given.get("endpoint"), given.get("region"), given.get("profile")];
  const [credentialsFile, caFile] = [given.get("credentialsFile"), given.get("caFile")];
  return {
    kind: "s3",
    bucket,
    prefix: prefixOf(path),
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(profile !== undefined && { profile }),
    ...(credentialsFile !== undefined && { credentials: { path: credentialsFile } }),
    ...(caFile !== undefined && { authorities: { path: caFile } }),
    isCertificateUnchecked: parseSwitch(given.get("insecureSkipTLSVerify")),
  };
}

/** A folder: a repository's blobs lie below it, as those of Velero do, and not beside it under names that begin alike. */
function prefixOf(path: string): string {
  const folder = decode(path).replaceAll(/^\/+|\/+$/g, "");
  return folder === "" ? "" : `${folder}/`;
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw usage("the path in the bucket's URL is not encoded as URLs are"); // The cause would say no more.
  }
}

function parseSwitch(value: string | undefined): boolean {
  if (value === undefined || value === "false") return false;
  if (value === "true") return true;
  throw usage("parameter insecureSkipTLSVerify of the bucket's URL is true or false");
}

function usage(message: string): CliError {
  return new CliError("CLI_USAGE", message, { hint: `write ${form}` });
}
