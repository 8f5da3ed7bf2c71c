/**
 * Patterns for names and paths, as shells have them:
 *
 *   *  any characters but a slash    **  any at all    ?  one but a slash    [a-z]  [!a-z]  one of, one of all others
 *
 * One without a slash is about names, one with a slash about whole paths.
 */

export interface Glob {
  /** Whether what is above an entry has no part in whether it matches. */
  readonly isOfNames: boolean;
  matches(path: string, name: string): boolean;
}

/** Any text is a pattern; a bracket that is not closed stands for itself. */
export function parseGlob(text: string, options: { readonly ignoreCase: boolean }): Glob {
  const isOfNames = !text.includes("/");
  const pattern = new RegExp(`^${sourceOf(text.replace(/^\/+/, ""))}$`, options.ignoreCase ? "isu" : "su");
  return { isOfNames, matches: (path, name) => pattern.test(isOfNames ? name : path) };
}

const parts = /(?<any>\*\*\/?)|(?<some>\*)|(?<one>\?)|\[(?<not>[!^])?(?<set>[^\]/]+)\]|(?<literal>.)/gsu;

function sourceOf(text: string): string {
  let source = "";
  for (const { groups = {} } of text.matchAll(parts)) {
    const { any, some, one, not, set, literal = "" } = groups;
    if (any !== undefined) source += any.endsWith("/") ? "(?:.*/)?" : ".*";
    else if (some !== undefined) source += "[^/]*";
    else if (one !== undefined) source += "[^/]";
    else if (set !== undefined) source += classOf(set, not !== undefined);
    else source += escaped(literal);
  }
  return source;
}

function classOf(set: string, isNegated: boolean): string {
  const members = [...set.matchAll(/(?<from>.)-(?<to>.)|(?<single>.)/gsu)].flatMap(({ groups = {} }) => {
    const { from = "", to = "", single } = groups;
    if (single !== undefined) return [single === "-" ? "\\-" : escaped(single)];
    return from <= to ? [`${escaped(from)}-${escaped(to)}`] : [];
  });
  if (members.length === 0) return isNegated ? "[^/]" : "(?!)";
  return isNegated ? `[^/${members.join("")}]` : `[${members.join("")}]`;
}

function escaped(character: string): string {
  return /[\^$\\.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character;
}
