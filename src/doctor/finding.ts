/**
 * What a check says. `ok` is only what was seen to be in order: what could not be looked at is a warning, with what to do so
 * that it can be.
 */

import { CodedError, chainOf, explainWithoutHint, hintOf, innermostCode, isAbort } from "../base/errors.ts";

/** A type and not an interface, so that it is a result as it is. */
export type Finding = {
  readonly status: "ok" | "warn" | "FAIL";
  readonly check: string;
  /** What was checked: a location, a repository, a node; empty where there is one only. */
  readonly subject: string;
  readonly because: string;
  /** What to do; empty for `ok`. */
  readonly fix: string;
};

/** Something that was looked at, or why it could not be. */
export type Seen<Value> = { readonly value: Value } | { readonly trouble: Trouble };

export interface Trouble {
  /** The code nearest to it. */
  readonly code: string;
  /** What a system call said: "ENOTFOUND". */
  readonly reason: string;
  readonly because: string;
  readonly hint: string;
}

export function ok(check: string, subject: string, because: string): Finding {
  return { status: "ok", check, subject, because, fix: "" };
}

export function warn(check: string, subject: string, because: string, fix: string): Finding {
  return { status: "warn", check, subject, because, fix };
}

export function fail(check: string, subject: string, because: string, fix: string): Finding {
  return { status: "FAIL", check, subject, because, fix };
}

/** Of what could not be looked at. */
export function unknown(check: string, subject: string, { because, hint }: Trouble): Finding {
  return warn(check, subject, `not known: ${because}`, hint === "" ? "see to it, and run this again" : hint);
}

/** Of what was looked at in vain, where that is the fault. */
export function failed(check: string, subject: string, { because, hint }: Trouble, fix: string): Finding {
  return fail(check, subject, because, hint === "" ? fix : hint);
}

/** Aborts and our own bugs travel as themselves. */
export async function look<Value>(at: () => Promise<Value>): Promise<Seen<Value>> {
  try {
    return { value: await at() };
  } catch (error) {
    return { trouble: troubleOf(error) };
  }
}

function troubleOf(error: unknown): Trouble {
  if (!(error instanceof CodedError) || isAbort(error)) throw error;
  return {
    code: innermostCode(error) ?? "",
    reason:
      chainOf(error)
        .map((link) => (link instanceof CodedError ? link.detail.reason : undefined))
        .find((reason) => typeof reason === "string") ?? "",
    because: explainWithoutHint(error),
    hint: hintOf(error) ?? "",
  };
}
