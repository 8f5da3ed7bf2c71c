/** What an API server's refusals mean. Source: Kubernetes API conventions, "Response Status Kind". */

import { isJsonObject, textAt } from "./json.ts";
import type { ResourceType } from "./kubernetes-object.ts";
import { ResourceError } from "./resource-error.ts";

/** What was asked for, for messages and for the right that is needed. */
export interface ApiPurpose {
  /** As roles name it. */
  readonly verb: "get" | "list" | "watch" | "patch" | "create";
  readonly type: ResourceType;
  /** Undefined for the whole cluster. */
  readonly namespace: string | undefined;
  readonly name?: string;
}

export interface ApiAnswer {
  readonly statusCode: number;
  /** A Status where the server itself answered; whatever stood between answers anything. */
  readonly body: unknown;
  /** From the header of that name. */
  readonly retryAfterSeconds?: number;
}

/** For any answer that is none of success. `answer.body` may be a watch's ERROR object as well. */
export function refusal(purpose: ApiPurpose, answer: ApiAnswer): ResourceError {
  const { statusCode } = answer;
  const what = describePurpose(purpose);
  const said = saidBy(answer.body);
  const because = said === undefined ? `status ${statusCode}` : said;
  const resource = resourceOf(purpose.type);
  const detail = {
    status: statusCode,
    ...(answer.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: answer.retryAfterSeconds }),
  };
  switch (statusCode) {
    case 401:
      return new ResourceError("RESOURCE_STORE_UNAUTHENTICATED", `the API server did not accept who asks to ${what}`, {
        detail,
        hint: "the token or client certificate is expired or of another cluster: log in again, or restart the pod",
      });
    case 403:
      return new ResourceError("RESOURCE_STORE_DENIED", `the API server denied to ${what}: ${because}`, {
        detail,
        hint: `a role must allow the verb ${purpose.verb} on ${resource}${placeOf(purpose)}`,
      });
    case 404:
      if (isJsonObject(answer.body) && textAt(answer.body, "details", "name") !== undefined) {
        return new ResourceError("RESOURCE_NOT_FOUND", `could not ${what}: it does not exist`, { detail });
      }
      return new ResourceError("RESOURCE_KIND_UNKNOWN", `the API server does not know ${resource}`, {
        detail,
        hint: `install the CustomResourceDefinition ${resource}`,
      });
    case 409:
      return new ResourceError("RESOURCE_CONFLICT", `could not ${what}: it was changed meanwhile`, { detail });
    case 410:
      return new ResourceError("RESOURCE_VERSION_GONE", `could not ${what} from where it was left`, { detail });
    case 408:
    case 429:
      return new ResourceError("RESOURCE_STORE_UNAVAILABLE", `could not ${what}: ${because}`, { detail });
    default:
      if (statusCode >= 500) {
        return new ResourceError("RESOURCE_STORE_UNAVAILABLE", `could not ${what}: ${because}`, { detail });
      }
      return new ResourceError("RESOURCE_REJECTED", `the API server refused to ${what}: ${because}`, { detail });
  }
}

/** For trouble on the way. */
export function unreachable(purpose: ApiPurpose, server: string, cause: unknown): ResourceError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const isTls = /^(ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_(GET|VERIFY))/.test(code);
  return new ResourceError("RESOURCE_STORE_UNAVAILABLE", `could not ${describePurpose(purpose)} at ${server}`, {
    cause,
    ...(isTls ? { hint: "the server's certificate is not of the authority that the kubeconfig or the pod names" } : {}),
  });
}

export function describePurpose(purpose: ApiPurpose): string {
  const { verb, type, name } = purpose;
  return `${verb} ${name === undefined ? type.plural : `${type.kind} ${name}`}${placeOf(purpose)}`;
}

function placeOf(purpose: ApiPurpose): string {
  if (!purpose.type.namespaced) return "";
  return purpose.namespace === undefined ? " in all namespaces" : ` in namespace ${purpose.namespace}`;
}

/** As roles and CustomResourceDefinitions name it: "pods", "podvolumebackups.velero.io". */
function resourceOf(type: ResourceType): string {
  const slash = type.apiVersion.indexOf("/");
  return slash < 0 ? type.plural : `${type.plural}.${type.apiVersion.slice(0, slash)}`;
}

/** Bounded, for it comes from outside. */
function saidBy(body: unknown): string | undefined {
  const message = textAt(body, "message");
  return message === undefined || message === "" ? undefined : message.slice(0, 1000);
}
