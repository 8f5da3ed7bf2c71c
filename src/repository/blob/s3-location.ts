/**
 * Where a repository lies in a bucket, and what its parts have to look like.
 *
 * Source: docs/format/blobs.md, "In a bucket"; Velero pkg/repository/config/aws.go and
 * pkg/repository/udmrepo/kopialib/backend/s3.go.
 */

import { X509Certificate } from "node:crypto";
import { BlobError } from "./blob-store.ts";

/** A file of this machine, or what would be in one; `name` is what a person calls it: "Secret velero/cloud, key cloud". */
export type NamedText = { readonly path: string } | { readonly text: string; readonly name: string };

export interface S3Location {
  readonly kind: "s3";
  readonly bucket: string;
  /** In front of every blob's id, verbatim. Whoever means a folder ends it in "/", as Velero does. */
  readonly prefix: string;
  /** `http://host:port` or `https://host`; not given for AWS's own in the region. */
  readonly endpoint?: string;
  /** Not given: AWS is asked for that of the bucket, other servers too, and then it is us-east-1. */
  readonly region?: string;
  /** A PEM bundle, which stands in for the authorities that the system trusts. */
  readonly authorities?: NamedText;
  /** Takes any certificate; the authorities are not looked at then. */
  readonly isCertificateUnchecked?: boolean;
  /** A credentials file, used as the configuration file too. Not given: AWS_SHARED_CREDENTIALS_FILE, or those of the user. */
  readonly credentials?: NamedText;
  /** Of the credentials file; named, it has to be there. */
  readonly profile?: string;
}

export interface S3Endpoint {
  readonly url: string;
  /** AWS's own: the bucket goes into the name of the host. All others get it in the path. */
  readonly isAws: boolean;
  /** That the host's name tells. */
  readonly region: string | undefined;
}

/** `s3://bucket/prefix?endpoint=…&region=…`: what the command line takes and a person reads. Without secrets. */
export function describeS3Location({ bucket, prefix, endpoint, region }: S3Location): string {
  const query = Object.entries({ endpoint, region }).filter(([, value]) => value !== undefined && value !== "");
  return `s3://${bucket}/${prefix}${query.map(([key, value], at) => `${at === 0 ? "?" : "&"}${key}=${value}`).join("")}`;
}

/** BLOB_STORE_MISCONFIGURED for a bucket's name that could not be one, or would lead elsewhere in a URL. */
export function assertBucketName(bucket: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(bucket) && !bucket.includes("..")) return;
  throw misconfigured(`${JSON.stringify(bucket.slice(0, 80))} cannot be the name of a bucket`, "correct the bucket");
}

/** Undefined for none. BLOB_STORE_MISCONFIGURED unless it is a scheme and a host, and nothing else. */
export function parseS3Endpoint(text: string | undefined): S3Endpoint | undefined {
  if (text === undefined || text === "") return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.hostname === "") {
    throw misconfigured(
      `S3 endpoint ${JSON.stringify(withoutUser(text))} is no URL`,
      "write it as http://host:port or https://host",
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw misconfigured(
      `S3 endpoint ${url.host} has a user in its URL`,
      "leave it out; credentials come from a file, a profile or the environment",
    );
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    throw misconfigured(
      `path is not expected in S3 endpoint ${url.protocol}//${url.host}${url.pathname}`,
      "leave only scheme, host and port; the bucket and the prefix are given apart",
    );
  }
  const awsHost = /^(?:.+\.)?s3[.-](?:dualstack\.)?(?:([a-z0-9-]+)\.)?amazonaws\.com(?:\.cn)?$/.exec(url.hostname);
  return { url: url.origin, isAws: awsHost !== null, region: awsHost?.[1] };
}

/** The certificates of a PEM bundle. BLOB_STORE_MISCONFIGURED where there is none that can be read. */
export function parseAuthorities(pem: string, name: string): string[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const certificates = blocks.filter(isCertificate);
  if (certificates.length > 0) return certificates;
  throw misconfigured(`cannot parse provided CA: no certificate in ${name}`, "give a bundle of certificates as PEM");
}

function isCertificate(block: string): boolean {
  try {
    return new X509Certificate(block).raw.byteLength > 0;
  } catch {
    return false; // What cannot be read is passed over, as by Velero's agent.
  }
}

function withoutUser(text: string): string {
  return text.replace(/\/\/[^/]*@/, "//").slice(0, 200);
}

function misconfigured(message: string, hint: string): BlobError {
  return new BlobError("BLOB_STORE_MISCONFIGURED", message, { hint });
}
