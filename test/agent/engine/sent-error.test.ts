import assert from "node:assert/strict";
import { open } from "node:fs/promises";
import { describe, it } from "node:test";
import fc from "fast-check";
import { fromSentError, toSentError } from "../../../src/agent/engine/sent-error.ts";
import {
  CodedError,
  chainOf,
  errnoOf,
  explain,
  explainInOneLine,
  explainWithoutHint,
  hasCode,
  hintOf,
  isAbort,
} from "../../../src/base/errors.ts";

const codes = ["A_CODE", "B_CODE", "C_CODE"];
const detail = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.boolean()), { noNullPrototype: true });
const coded = fc.record({
  kind: fc.constant("coded" as const),
  code: fc.constantFrom(...codes),
  message: fc.string(),
  hint: fc.option(fc.string(), { nil: undefined }),
  detail,
});
const plain = fc.record({ kind: fc.constant("plain" as const), message: fc.string() });
const abort = fc.record({ kind: fc.constant("abort" as const), message: fc.string() });
const system = fc.record({ kind: fc.constant("system" as const), message: fc.string() });
const chains = fc.tuple(
  fc.array(fc.oneof(coded, plain, system, abort), { maxLength: 20 }),
  fc.option(fc.oneof(fc.string(), fc.integer()), { nil: undefined }),
);

type Recipe = typeof chains extends fc.Arbitrary<infer Value> ? Value : never;

class LayerError extends CodedError {}

function make([links, innermost]: Recipe): unknown {
  return links.reduceRight<unknown>((cause, link) => {
    const withCause = cause === undefined ? {} : { cause };
    if (link.kind === "coded") {
      const { code, message, hint } = link;
      return new LayerError(code, message, {
        ...withCause,
        detail: link.detail,
        ...(hint === undefined ? {} : { hint }),
      });
    }
    const error = new Error(link.message, withCause);
    if (link.kind === "abort") error.name = "AbortError";
    if (link.kind === "system") Object.assign(error, { code: "ENOENT", errno: -2, syscall: "open", path: "p" });
    return error;
  }, innermost);
}

function sent(error: unknown): unknown {
  return fromSentError(structuredClone(toSentError(error)));
}

describe("an error that was sent", () => {
  it("says, and is, what the one was that it was made from", () => {
    fc.assert(
      fc.property(chains, (recipe) => {
        const error = make(recipe);
        const copy = sent(error);
        for (const words of [explain, explainInOneLine, explainWithoutHint, hintOf, errnoOf, isAbort]) {
          assert.deepEqual(words(copy), words(error));
        }
        for (const code of codes) assert.equal(hasCode(copy, code), hasCode(error, code));
        const [chain, copies] = [chainOf(error), chainOf(copy)];
        assert.equal(copies.length, chain.length);
        for (const [index, link] of chain.entries()) {
          const twin = copies[index];
          if (!(link instanceof Error)) continue;
          assert.ok(twin instanceof Error);
          assert.equal(twin.name, link.name);
          if (link instanceof CodedError) assert.deepEqual((twin as CodedError).detail, link.detail);
        }
      }),
    );
  });

  it("is an abort when a signal gave it, and knows the system call that failed", async () => {
    assert.ok(isAbort(sent(AbortSignal.abort().reason)));
    const failed = await open("/proc/self/nothing/there").catch((error: unknown) => error);
    assert.equal(errnoOf(sent(failed)), "ENOENT");
    assert.equal((sent(failed) as NodeJS.ErrnoException).path, "/proc/self/nothing/there");
  });

  it("ends where its causes are a cycle", () => {
    const error = new Error("a");
    error.cause = new Error("b", { cause: error });
    assert.equal(explain(sent(error)), explain(error));
  });
});
