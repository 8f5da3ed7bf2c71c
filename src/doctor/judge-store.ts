/** Findings about a BackupStorageLocation and the store that it names. Pure: of what was seen. */

import type { BackupStorageLocation } from "../agent/velero/velero-resources.ts";
import { isNameUnknown } from "../base/errors.ts";
import { textAt } from "../kubernetes/json.ts";
import type { KubernetesObject } from "../kubernetes/kubernetes-object.ts";
import { type Finding, fail, failed, ok, type Seen, type Trouble, unknown, warn } from "./finding.ts";
import { describeSkew, skewFailMs, skewWarnMs } from "./judge-cluster.ts";

/** As the Velero server sees it. */
export function judgeLocation({ content, metadata }: KubernetesObject): Finding {
  const phase = textAt(content, "status", "phase") ?? "";
  const message = textAt(content, "status", "message") ?? "";
  if (phase === "Available") return ok("location", metadata.name, "the Velero server finds it available");
  if (phase === "") {
    const fix = "see that the Velero server runs, and that its validationFrequency is not 0";
    return warn("location", metadata.name, "not known: no Velero server has looked at it yet", fix);
  }
  const because = `the Velero server finds it ${phase}${message === "" ? "" : `: ${message}`}`;
  return fail("location", metadata.name, because, "see to what the server says; no backup begins before");
}

/** `from` names where they are. */
export type CredentialsSeen =
  | { readonly is: "found"; readonly from: string }
  /** None in the cluster: a role of the pods, then, which nobody else has. */
  | { readonly is: "none" }
  | { readonly is: "missing"; readonly trouble: Trouble };

export function judgeCredentials({ name }: BackupStorageLocation, seen: CredentialsSeen): Finding {
  switch (seen.is) {
    case "found":
      return ok("credentials", name, `they are in ${seen.from}`);
    case "none":
      return warn(
        "credentials",
        name,
        "not known: the cluster has none in a Secret, so they are a role of the pods",
        "try the store from where that role is: fsb doctor --repo s3://… in a pod of the agent",
      );
    case "missing":
      if (seen.trouble.code === "RESOURCE_STORE_DENIED") return unknown("credentials", name, seen.trouble);
      return failed("credentials", name, seen.trouble, "create the Secret, or correct spec.credential of the location");
  }
}

export const probeSteps = ["reach", "put", "replace", "get", "range", "look-up", "list", "delete"] as const;
export type ProbeStep = (typeof probeSteps)[number];

/** What was done with an object of its own name. */
export interface ProbeReport {
  readonly store: string;
  /** The last that was begun went wrong, unless there is no `wrong`. */
  readonly done: readonly ProbeStep[];
  readonly wrong: { readonly step: ProbeStep; readonly trouble: Trouble } | undefined;
  /** Of a put on condition that nothing is there. */
  readonly conditional: Seen<"taken"> | undefined;
  /** The names of objects that could not be removed again. */
  readonly left: readonly string[];
  /** By how much the store's clock is ahead of ours, at least. */
  readonly aheadMs: number | undefined;
  /** Why nothing was put; empty where it was. */
  readonly notPut: string;
}

export function judgeProbe(subject: string, seen: Seen<ProbeReport>): readonly Finding[] {
  if ("trouble" in seen) return [storeTrouble(subject, "open", seen.trouble)];
  const { store, done, wrong, conditional, left, notPut } = seen.value;
  const findings: Finding[] = [];
  if (wrong !== undefined) findings.push(storeTrouble(subject, wrong.step, wrong.trouble));
  else if (notPut !== "") {
    const because = `${store} can be listed; nothing was put, for ${notPut}`;
    findings.push(warn("store", subject, because, "to restore, none need be; to back up, see to that"));
  } else findings.push(ok("store", subject, `${done.join(", ")} work at ${store}`));
  if (left.length > 0) {
    findings.push(
      fail(
        "store-delete",
        subject,
        `${left.length === 1 ? "object" : "objects"} ${left.join(", ")} could not be removed again`,
        "let the credentials delete objects, and remove what is left by hand",
      ),
    );
  }
  if (conditional !== undefined) findings.push(judgeConditional(subject, conditional));
  return findings;
}

function judgeConditional(subject: string, seen: Seen<"taken">): Finding {
  if ("value" in seen)
    return ok("store-headers", subject, "the server takes the headers of a put: its digest, and If-None-Match");
  return warn(
    "store-headers",
    subject,
    `a put on condition that nothing is there fails: ${seen.trouble.because}`,
    "upgrade the server; until then let the Velero server alone make repositories",
  );
}

/** Whoever is elsewhere than the agents may not know the names that they know. */
function storeTrouble(subject: string, step: string, trouble: Trouble): Finding {
  if (isNameUnknown(trouble.reason)) {
    const fix = "kubectl port-forward to the store's Service, and give --endpoint; or run this in a pod of the cluster";
    return warn("store", subject, `not known: the name of its server is not known here (${trouble.because})`, fix);
  }
  return failed("store", subject, { ...trouble, because: `${step}: ${trouble.because}` }, "see to what the store says");
}

/** Where nothing went wrong. The store's clock beside that of the cluster, or where there is none beside ours. */
export function judgeStoreClock(
  subject: string,
  storeAheadMs: number | undefined,
  clusterAheadMs: number | undefined,
): Finding {
  if (storeAheadMs === undefined) {
    return warn("store-clock", subject, "not known: nothing was put there", "see check store of it");
  }
  const aheadMs = storeAheadMs - (clusterAheadMs ?? 0);
  const whose = clusterAheadMs === undefined ? "this machine's" : "the API server's";
  if (Math.abs(aheadMs) <= skewWarnMs) return ok("store-clock", subject, `its clock and ${whose} agree`);
  const because = `its clock is ${describeSkew(aheadMs)} ${whose}`;
  const fix =
    "set the clock that is wrong: kopia refuses maintenance beyond 5 minutes, and S3 refuses requests beyond 15";
  return Math.abs(aheadMs) > skewFailMs
    ? fail("store-clock", subject, because, fix)
    : warn("store-clock", subject, because, fix);
}
