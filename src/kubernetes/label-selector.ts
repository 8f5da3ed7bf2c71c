/** Selectors of labels, as objects hold them. Source: Kubernetes API reference, LabelSelector v1 meta. */

import { fieldAt, isJsonObject, itemsAt, textAt, textsAt } from "./json.ts";

export interface LabelRequirement {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values: readonly string[];
}

/** All of them must hold; without any, everything is selected. */
export type LabelSelector = readonly LabelRequirement[];

/** Undefined where it is none that an API server would take. */
export function parseLabelSelector(value: unknown): LabelSelector | undefined {
  if (!isJsonObject(value)) return undefined;
  const labels = [...textsAt(value, "matchLabels")];
  const named: LabelRequirement[] = labels.map(([key, wanted]) => ({ key, operator: "In", values: [wanted] }));
  const expressions = itemsAt(value, "matchExpressions").map(parseRequirement);
  const given = fieldAt(value, "matchLabels") ?? {};
  const isWhole =
    isJsonObject(given) &&
    labels.length === Object.keys(given).length &&
    Array.isArray(fieldAt(value, "matchExpressions") ?? []);
  const known = expressions.filter((requirement) => requirement !== undefined);
  return isWhole && known.length === expressions.length ? [...named, ...known] : undefined;
}

export function matchesLabels(selector: LabelSelector, labels: ReadonlyMap<string, string>): boolean {
  return selector.every((requirement) => holds(requirement, labels.get(requirement.key)));
}

function holds({ operator, values }: LabelRequirement, value: string | undefined): boolean {
  switch (operator) {
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
  }
}

function parseRequirement(value: unknown): LabelRequirement | undefined {
  const key = textAt(value, "key") ?? "";
  const operator = textAt(value, "operator");
  const listed = itemsAt(value, "values");
  const values = listed.filter((item) => typeof item === "string");
  if (key === "" || values.length !== listed.length) return undefined;
  switch (operator) {
    case "Exists":
    case "DoesNotExist":
      return values.length === 0 ? { key, operator, values } : undefined;
    case "In":
    case "NotIn":
      return values.length > 0 ? { key, operator, values } : undefined;
    default:
      return undefined;
  }
}
