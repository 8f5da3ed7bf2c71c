/**
 * Takes secrets out of text that others wrote: messages, logs, addresses. What is known to be one, wherever it stands, and what
 * looks like one. Fields of objects are chosen instead (`support-bundle.ts`): a list of what may be told is shorter.
 */

const removed = "[removed]";
/** Shorter ones would be found in every other word. */
const secretLengthMin = 4;

/** What a value is called that is a secret; whatever stands before it. */
const name =
  "(?:password|passwd|passphrase|client[_-]?secret|secret[_-]?(?:access[_-]?)?key|access[_-]?key(?:[_-]?id)?|api[_-]?key|token)\\b";

const looksSecret: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, removed],
  // User and password in a URL.
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@/gi, `$1${removed}@`],
  // Ids of AWS's keys; tokens of Kubernetes and of web identity.
  [/\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b/g, removed],
  [/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g, removed],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{4,}/gi, `$1 ${removed}`],
  [/\b(X-Amz-(?:Signature|Credential|Security-Token))=[^\s&"']+/gi, `$1=${removed}`],
  // A value that is called so, as in key=value, key: value and JSON, also where that is within a text of JSON: a quotation
  // ends at a quote with as many backslashes as the first has, or with its line where there is none.
  [
    new RegExp(
      `(${name}(?:\\\\*["'])?\\s*[=:]\\s*)(?:(\\\\*)(["'])[^]*?(?<!\\\\)\\2\\3|\\\\*["'][^\\r\\n]*|[^\\s,;}]+)`,
      "gi",
    ),
    `$1${removed}`,
  ],
  [new RegExp(`(--[\\w-]{0,40}${name}\\s+)(?:"[^"]*"|'[^']*'|[^\\s-]\\S*)`, "gi"), `$1${removed}`],
];

export class Redaction {
  /** The longest first, so that none is left in part for holding another. */
  #known: readonly string[] = [];

  /** In its base64, too, as Secrets have it, and as JSON and addresses write it. */
  know(secret: string): void {
    const text = secret.trim().toWellFormed();
    if (text.length < secretLengthMin) return;
    const base64 = Buffer.from(text).toString("base64");
    const written = [text, base64, JSON.stringify(text).slice(1, -1), encodeURIComponent(text)];
    this.#known = [...new Set([...this.#known, ...written])].sort((a, b) => b.length - a.length);
  }

  text(from: string): string {
    const without = this.#known.reduce((text, secret) => text.replaceAll(secret, removed), from);
    return looksSecret.reduce((text, [pattern, by]) => text.replaceAll(pattern, by), without);
  }

  /** Every text within, and every name of a field. */
  value(from: unknown): unknown {
    if (typeof from === "string") return this.text(from);
    if (Array.isArray(from)) return from.map((item) => this.value(item));
    if (typeof from !== "object" || from === null) return from;
    return Object.fromEntries(Object.entries(from).map(([key, value]) => [this.text(key), this.value(value)]));
  }
}
