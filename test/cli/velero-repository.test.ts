/** `--velero`: repositories found by way of a real API server, in a bucket of a real S3 server. */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it, type TestContext } from "node:test";
import type { JsonObject } from "../../src/kubernetes/json.ts";
import { assertFailed, exitCodes, fsb, fsbJsonLines, tryFsb } from "../support/fsb.ts";
import { repositoryPassword } from "../support/kopia.ts";
import { KubernetesCluster, startCluster } from "../support/kubernetes-cluster.ts";
import type { ObjectServer } from "../support/object-server.ts";
import { describeRun, type ProgramResult } from "../support/program.ts";
import { lacking } from "../support/required.ts";
import { requireSeaweedfs } from "../support/seaweedfs.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { veleroCrds } from "../support/velero-crds.ts";
import { serverDeployment, veleroSecret } from "../support/velero-objects.ts";

const velero = "/apis/velero.io/v1/namespaces/velero";
const secrets = "/api/v1/namespaces/velero/secrets";
/** What none of the commands may tell. */
const clusterPassword = `${repositoryPassword} of the cluster`;

const cluster = await startCluster();
if (cluster instanceof KubernetesCluster) after(() => cluster[Symbol.asyncDispose]());

describe("a repository by --velero", () => {
  it("is found by location and namespace, with the credentials and the password of the cluster", async (t) => {
    const there = await prepare(t);
    if (there === undefined) return;
    const volume = temporaryFolder(t);
    writeFileSync(join(volume, "a.txt"), "hello");
    const made = JSON.parse(await there.run(["backup", volume, "--json", ...there.where])) as { snapshotId: string };
    const listed = await fsbJsonLines(["snapshot", "list", ...there.where], there.options);
    assert.deepEqual(
      listed.map(({ snapshotId }) => snapshotId),
      [made.snapshotId],
    );
    assert.equal(await there.run(["snapshot", "cat", "latest:a.txt", ...there.where]), "hello");
    assert.match(await there.run(["repo", "status", ...there.where]), /snapshots: +1\n/);
    await there.run(["restore", "latest", join(temporaryFolder(t), "target"), ...there.where]);
  });

  it("is of the default location, in the namespace that VELERO_NAMESPACE names, by KUBECONFIG", async (t) => {
    const there = await prepare(t);
    if (there === undefined) return;
    const env = { KUBECONFIG: there.cluster.kubeconfig("admin"), VELERO_NAMESPACE: "velero" };
    const run = await there.try(["snapshot", "list", "--velero", "--namespace", "shop", "--context", "test"], env);
    assert.equal(run.exitCode, exitCodes.ok, describeRun(run));
    const lost = await there.try(["snapshot", "list", "--velero", "--namespace", "shop", "--context", "prod"], env);
    assertFailed(lost, exitCodes.failed, /has no context prod/);
  });

  it("has the server's credentials where the location names none, and else the caller's own", async (t) => {
    const there = await prepare(t);
    if (there === undefined) return;
    await there.putLocation("bare", { config: there.config });
    const where = [
      "--velero",
      "--bsl",
      "bare",
      "--namespace",
      "shop",
      "--kubeconfig",
      there.cluster.kubeconfig("admin"),
    ];
    const { accessKeyId, secretAccessKey } = there.server.owner;
    const own = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    const withOwn = await there.try(["snapshot", "list", ...where], own);
    assert.equal(withOwn.exitCode, exitCodes.ok, describeRun(withOwn));
    assert.match(withOwn.stderr, /no credentials for backup storage location bare: your own are used/);

    await there.cluster.put("/apis/apps/v1/namespaces/velero/deployments", serverDeployment("v1.18.1"));
    t.after(() => there.cluster.remove("/apis/apps/v1/namespaces/velero/deployments/velero"));
    const withServers = await there.try(["snapshot", "list", ...where], { AWS_EC2_METADATA_DISABLED: "true" });
    assert.equal(withServers.exitCode, exitCodes.ok, describeRun(withServers));
    assert.equal(withServers.stderr, "");

    await there.putLocation("bare", { config: { ...there.config, credentialsFile: "/credentials/other" } });
    assertFailed(
      await there.try(["snapshot", "list", ...where]),
      exitCodes.failed,
      /"cloud-credentials" secret is missing data for key "other" \[BACKUP_LOCATION_SECRET_NOT_FOUND\]/,
    );
  });

  it("takes another endpoint and another password, and says when the location's is only known in the cluster", async (t) => {
    const there = await prepare(t);
    if (there === undefined) return;
    const inside = { ...there.config, s3Url: "http://seaweedfs.storage.svc.cluster.invalid:8333" };
    const credential = { name: "cloud-credentials", key: "cloud" };
    await there.putLocation("inside", { config: inside, credential });
    const where = [
      "--velero",
      "--bsl",
      "inside",
      "--namespace",
      "shop",
      "--kubeconfig",
      there.cluster.kubeconfig("admin"),
    ];
    assertFailed(
      await there.try(["snapshot", "list", ...where]),
      exitCodes.failed,
      /CLI_ENDPOINT_UNRESOLVED.+hint: if it is a Service of the cluster: kubectl port-forward -n storage service\/seaweedfs 9000:8333, and give --endpoint http:\/\/127.0.0.1:9000/s,
    );
    await there.run(["snapshot", "list", ...where, "--endpoint", there.server.endpoint]);
    await there.putLocation("inside", { config: { ...inside, publicUrl: "https://s3.example.com/x" }, credential });
    assertFailed(
      await there.try(["snapshot", "list", ...where]),
      exitCodes.failed,
      /hint: give --endpoint https:\/\/s3.example.com, which the location calls its public URL/,
    );
    const file = join(temporaryFolder(t), "password");
    writeFileSync(file, "another");
    assertFailed(
      await there.try(["snapshot", "list", ...there.where, "--password-file", file]),
      exitCodes.wrongPassword,
      /REPOSITORY_PASSWORD_WRONG/,
    );
  });

  it("is missed with what there is instead", async (t) => {
    const there = await prepare(t);
    if (there === undefined) return;
    const kubeconfig = ["--kubeconfig", there.cluster.kubeconfig("admin")];
    const list = (...args: readonly string[]) => there.try(["snapshot", "list", "--velero", ...kubeconfig, ...args]);
    assertFailed(
      await list("--bsl", "offsite", "--namespace", "shop"),
      exitCodes.failed,
      /namespace velero has no backup storage location offsite \[BACKUP_LOCATION_NOT_FOUND\]\nhint: name one of those there are: .*--bsl default/,
    );
    assertFailed(
      await list("-n", "elsewhere", "--namespace", "shop"),
      exitCodes.failed,
      /no backup storage location of namespace elsewhere is the default one .+ name Velero's namespace with -n/s,
    );
    assertFailed(await list("--namespace", "empty"), exitCodes.noRepository, /REPOSITORY_NOT_FOUND/);
    await there.cluster.put(`${velero}/backuprepositories`, {
      apiVersion: "velero.io/v1",
      kind: "BackupRepository",
      metadata: { namespace: "velero", name: "shop-default-kopia" },
      spec: { backupStorageLocation: "default", maintenanceFrequency: "1h0m0s", volumeNamespace: "shop" },
    });
    assertFailed(await list(), exitCodes.failed, /hint: name one of those that default has: --namespace shop\n/);
    await there.cluster.remove(`${secrets}/velero-repo-credentials`);
    assertFailed(
      await list("--namespace", "shop"),
      exitCodes.failed,
      /REPOSITORY_PASSWORD_NOT_FOUND.+hint: create Secret velero-repo-credentials/s,
    );
  });

  it("is denied with the right that is missing", async (t) => {
    const there = await prepare(t);
    if (there === undefined) return;
    const where = [
      "--velero",
      "--bsl",
      "default",
      "--namespace",
      "shop",
      "--kubeconfig",
      there.cluster.kubeconfig("agent"),
    ];
    assertFailed(
      await there.try(["snapshot", "list", ...where]),
      exitCodes.failed,
      /hint: a role must allow the verb get on backupstoragelocations.velero.io in namespace velero/,
    );
    const rule = { apiGroups: ["velero.io"], resources: ["backupstoragelocations"], verbs: ["get"] };
    await there.cluster.allow("reads-locations", [rule]);
    const run = await until(
      () => there.try(["snapshot", "list", ...where]),
      ({ stderr }) => !stderr.includes("backupstoragelocations"),
    );
    assertFailed(run, exitCodes.failed, /hint: a role must allow the verb get on secrets in namespace velero/);
  });
});

describe("the flags of --velero", () => {
  it("count only with it, and not with --repo", async () => {
    const list = ["snapshot", "list"];
    assertFailed(
      await tryFsb([...list, "--bsl", "default"]),
      exitCodes.failed,
      /--bsl is for repositories of a Velero/,
    );
    assertFailed(
      await tryFsb([...list, "--velero", "--repo", "here"], { env: { FSB_REPO: "there" } }),
      exitCodes.failed,
      /--repo and --velero name two repositories/,
    );
  });
});

interface Prepared {
  readonly cluster: KubernetesCluster;
  readonly server: ObjectServer;
  /** Of locations in the server's bucket. */
  readonly config: JsonObject;
  /** The flags of location default, namespace shop. */
  readonly where: readonly string[];
  readonly options: { readonly password: undefined };
  putLocation(name: string, spec: JsonObject): Promise<void>;
  run(args: readonly string[]): Promise<string>;
  try(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<ProgramResult>;
}

/** A Velero with location "default", whose repository of namespace shop is there and empty. */
async function prepare(t: TestContext): Promise<Prepared | undefined> {
  if (!(cluster instanceof KubernetesCluster)) return lacking(t, cluster.missing);
  const server = await requireSeaweedfs(t);
  if (server === undefined) return undefined;
  for (const name of ["velero", "shop"]) {
    await cluster.put("/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  await cluster.define(veleroCrds);
  const { prefix } = server.newLocation();
  const { accessKeyId, secretAccessKey } = server.owner;
  const cloud = `[default]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\n`;
  await cluster.put(secrets, veleroSecret("cloud-credentials", { cloud }));
  await cluster.put(secrets, veleroSecret("velero-repo-credentials", { "repository-password": clusterPassword }));
  const config = { region: server.region, s3Url: server.endpoint, s3ForcePathStyle: "true" };
  const putLocation = (name: string, spec: JsonObject): Promise<void> =>
    cluster.put(`${velero}/backupstoragelocations`, {
      apiVersion: "velero.io/v1",
      kind: "BackupStorageLocation",
      metadata: { namespace: "velero", name },
      spec: { provider: "aws", objectStorage: { bucket: server.bucket, prefix }, ...spec },
    });
  await putLocation("default", { default: true, config, credential: { name: "cloud-credentials", key: "cloud" } });
  const url = `s3://${server.bucket}/${prefix}kopia/shop?endpoint=${server.endpoint}&region=${server.region}`;
  const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  await fsb(["repo", "create", "--repo", url], { password: clusterPassword, env });
  const attempt = async (args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<ProgramResult> => {
    const run = await tryFsb(args, { password: undefined, env: more });
    for (const hidden of [clusterPassword, secretAccessKey, cluster.token("admin"), cluster.token("agent")]) {
      assert.ok(!`${run.stdout}${run.stderr}`.includes(hidden), "a secret is told");
    }
    return run;
  };
  return {
    cluster,
    server,
    config,
    where: ["--velero", "--bsl", "default", "--namespace", "shop", "--kubeconfig", cluster.kubeconfig("admin")],
    options: { password: undefined },
    putLocation,
    run: async (args) => {
      const run = await attempt(args);
      assert.equal(run.exitCode, exitCodes.ok, describeRun(run));
      return run.stdout.toString("utf8");
    },
    try: attempt,
  };
}

/** Rights reach the API server's authorizer a moment after they are written. */
async function until<Result>(look: () => Promise<Result>, holds: (seen: Result) => boolean): Promise<Result> {
  const giveUp = performance.now() + 60_000;
  while (true) {
    const seen = await look();
    if (holds(seen) || performance.now() > giveUp) return seen;
  }
}
