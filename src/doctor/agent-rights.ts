/** What the agent asks of an API server: the rights that daemonset/base gives it, one a line. A test holds the two equal. */

export interface Right {
  readonly verb: string;
  /** Empty for the core group. */
  readonly group: string;
  readonly resource: string;
  /** In Velero's namespace, or in the whole cluster. */
  readonly isOfVelero: boolean;
}

export const agentRights: readonly Right[] = [
  ...rightsTo(["get", "list", "watch"], "", ["pods"], false),
  ...rightsTo(["get"], "", ["persistentvolumeclaims", "persistentvolumes", "nodes"], false),
  ...rightsTo(["get"], "storage.k8s.io", ["csidrivers"], false),
  ...rightsTo(["get", "list", "watch", "patch"], "velero.io", ["podvolumebackups", "podvolumerestores"], true),
  ...rightsTo(["get", "list", "watch"], "velero.io", ["backuprepositories"], true),
  ...rightsTo(["get"], "velero.io", ["backups", "backupstoragelocations"], true),
  ...rightsTo(["get"], "", ["secrets", "configmaps"], true),
  ...rightsTo(["create", "patch"], "", ["events"], true),
];

/** "patch podvolumebackups.velero.io". */
export function describeRight({ verb, group, resource }: Right): string {
  return `${verb} ${resource}${group === "" ? "" : `.${group}`}`;
}

function rightsTo(
  verbs: readonly string[],
  group: string,
  resources: readonly string[],
  isOfVelero: boolean,
): readonly Right[] {
  return resources.flatMap((resource) => verbs.map((verb) => ({ verb, group, resource, isOfVelero })));
}
