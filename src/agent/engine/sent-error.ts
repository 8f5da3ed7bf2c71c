/**
 * Errors between threads. What JavaScript clones of an error is its name and message; what people and programs go by
 * here is the chain of causes with codes, details and hints.
 *
 * Guarantees: an error that was sent explains itself in the same words as the one it was made from, has the same codes,
 * details and hints, is an abort when that was one, and failed in the same system call. Of its class only the name is
 * left, and its stack stays where it was made.
 */

import { CodedError, chainOf } from "../../base/errors.ts";

/** Plain data: the error first, then what caused it, as far as `chainOf` goes. */
export type SentError = readonly SentLink[];

type SentLink =
  | {
      readonly kind: "coded";
      readonly name: string;
      readonly code: string;
      readonly message: string;
      readonly detail: CodedError["detail"];
      readonly hint: string | undefined;
    }
  | {
      readonly kind: "error";
      readonly name: string;
      readonly message: string;
      /** Node's own: "ENOENT", "open", "/path". */
      readonly fields: Readonly<Record<string, string | number>>;
    }
  /** Something else was thrown. */
  | { readonly kind: "text"; readonly text: string };

const nodeFields = ["code", "errno", "syscall", "path", "dest"] as const;

export function toSentError(error: unknown): SentError {
  return chainOf(error).map((link): SentLink => {
    if (link instanceof CodedError) {
      const { name, code, message, detail, hint } = link;
      return { kind: "coded", name, code, message, detail: { ...detail }, hint };
    }
    if (!(link instanceof Error)) return { kind: "text", text: String(link) };
    const known = link as Error & Readonly<Record<string, unknown>>;
    const fields: Record<string, string | number> = {};
    for (const field of nodeFields) {
      const value = known[field];
      if (typeof value === "string" || typeof value === "number") fields[field] = value;
    }
    return { kind: "error", name: link.name, message: link.message, fields };
  });
}

export function fromSentError(sent: SentError): unknown {
  return sent.reduceRight<unknown>((cause, link) => errorOf(link, cause), undefined);
}

function errorOf(link: SentLink, cause: unknown): unknown {
  if (link.kind === "text") return link.text;
  if (link.kind === "error") {
    const error = new Error(link.message, cause === undefined ? undefined : { cause });
    return Object.assign(error, { name: link.name }, link.fields);
  }
  const { name, code, message, detail, hint } = link;
  const error = new CodedError(code, message, { cause, detail, ...(hint === undefined ? {} : { hint }) });
  return Object.assign(error, { name });
}
