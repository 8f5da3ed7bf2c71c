/** `fsb doctor` on a real API server and a real bucket: all in order, and then one thing broken at a time. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, describe, it, type TestContext } from "node:test";
import type { JsonObject } from "../../src/kubernetes/json.ts";
import { requireCertificate } from "../support/certificate.ts";
import { assertFailed, exitCodes, fsb, tryFsb } from "../support/fsb.ts";
import {
  allReady,
  appsApi,
  coreApi,
  InstalledVelero,
  installedPassword,
  shippedObject,
} from "../support/installed-velero.ts";
import { KubernetesCluster, startCluster } from "../support/kubernetes-cluster.ts";
import { credentialsFile } from "../support/object-server.ts";
import { describeRun } from "../support/program.ts";
import { lacking } from "../support/required.ts";
import { requireSeaweedfs } from "../support/seaweedfs.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const cluster = await startCluster();
if (cluster instanceof KubernetesCluster) after(() => cluster[Symbol.asyncDispose]());
let installing: Promise<InstalledVelero> | undefined;

interface Line {
  readonly status: string;
  readonly check: string;
  readonly subject: string;
  readonly because: string;
  readonly fix: string;
}

async function requireInstalled(t: TestContext): Promise<InstalledVelero | undefined> {
  if (!(cluster instanceof KubernetesCluster)) return lacking(t, cluster.missing);
  const server = await requireSeaweedfs(t);
  if (server === undefined) return undefined;
  installing ??= (async () => {
    const made = new InstalledVelero(cluster, server);
    await made.install();
    return made;
  })();
  return await installing;
}

/** What it says, and that it says no secret. */
async function doctor(velero: InstalledVelero, ...args: readonly string[]) {
  const kubeconfig = args.includes("--kubeconfig") ? [] : ["--kubeconfig", velero.cluster.kubeconfig("admin")];
  const run = await tryFsb(["doctor", "--json", ...kubeconfig, ...args], { password: undefined });
  const told = `${run.stdout}${run.stderr}`;
  for (const hidden of [installedPassword, velero.server.owner.secretAccessKey, velero.cluster.token("admin")]) {
    assert.ok(!told.includes(hidden), "a secret is told");
  }
  const text = run.stdout.toString("utf8").trim();
  const lines = text === "" ? [] : text.split("\n").map((line) => JSON.parse(line) as Line);
  return { run, lines, wrong: lines.filter(({ status }) => status !== "ok") };
}

function named({ status, check, subject }: Line): string {
  return `${status} ${check}${subject === "" ? "" : ` ${subject}`}`;
}

describe("fsb doctor, where all is in order", () => {
  it("says so of everything, and leaves nothing behind", async (t) => {
    const velero = await requireInstalled(t);
    if (velero === undefined) return;
    const before = await velero.keys();
    const { run, lines, wrong } = await doctor(velero);
    assert.deepEqual(await velero.keys(), before);
    assert.equal(run.exitCode, exitCodes.ok, describeRun(run));
    assert.deepEqual(wrong, []);
    assert.deepEqual(
      lines.map(({ check }) => check),
      [
        ...["api-server", "api-clock", "own-rights", "velero-server", "velero-version", "velero-definitions"],
        ...["daemon-set", "daemon-set-labels", "pods-folder", "mount-propagation", "agent-pods", "agent-rights"],
        ...["password", "location", "credentials", "store", "store-headers", "store-clock"],
        ...["repository", "maintenance", "repository-open", "index-blobs"],
      ],
    );
  });
});

interface Breakage {
  readonly what: string;
  readonly args?: (velero: InstalledVelero) => readonly string[];
  breakIt?(velero: InstalledVelero): Promise<void>;
  mendIt?(velero: InstalledVelero): Promise<void>;
  /** What is not in order then; the first names it. */
  readonly wrong: readonly string[];
  readonly because: RegExp;
  readonly fix: RegExp;
}

const reader = { accessKeyId: "test-reader-id", secretAccessKey: "test-reader-secret" };

const breakages: readonly Breakage[] = [
  {
    what: "an API server that is not there",
    args: ({ cluster: there }) => ["--kubeconfig", join(there.folder, "lost.kubeconfig")],
    breakIt: async ({ cluster: there }) => {
      const text = readFileSync(there.kubeconfig("admin"), "utf8");
      writeFileSync(join(there.folder, "lost.kubeconfig"), text.replaceAll(there.server, "https://127.0.0.1:1"));
    },
    wrong: ["FAIL api-server https://127.0.0.1:1"],
    because: /could not get .+ECONNREFUSED/,
    fix: /kubectl get --raw \/version/,
  },
  {
    what: "a server that is not available",
    breakIt: (velero) => velero.putServer("v1.18.1", [], 0),
    mendIt: (velero) => velero.putServer("v1.18.1"),
    wrong: ["FAIL velero-server"],
    because: /no replica of Deployment velero is available/,
    fix: /describe deployment velero/,
  },
  {
    what: "a server of a version that loses snapshots",
    breakIt: (velero) => velero.putServer("v1.15.2"),
    mendIt: (velero) => velero.putServer("v1.18.1"),
    wrong: ["warn velero-version"],
    because: /Velero 1.15.2: it can lose the snapshot of a volume/,
    fix: /upgrade Velero to 1.16.1/,
  },
  {
    what: "a server that asks for restic",
    breakIt: (velero) => velero.putServer("v1.16.2", ["--uploader-type=restic"]),
    mendIt: (velero) => velero.putServer("v1.18.1"),
    wrong: ["FAIL velero-uploader"],
    because: /uploader "restic"/,
    fix: /--uploader-type=kopia/,
  },
  {
    what: "no DaemonSet of the name that counts",
    breakIt: ({ cluster: there }) => there.remove(`${appsApi}/daemonsets/node-agent`),
    mendIt: (velero) => velero.putDaemonSet(shippedObject("daemon-set.yaml")),
    wrong: ["FAIL daemon-set"],
    because: /namespace velero has no DaemonSet node-agent/,
    fix: /docs\/operations\/install.md/,
  },
  {
    what: "agents that are not ready",
    breakIt: (velero) =>
      velero.setDaemonSetStatus({ desiredNumberScheduled: 3, currentNumberScheduled: 3, numberReady: 1 }),
    mendIt: (velero) => velero.setDaemonSetStatus(allReady),
    wrong: ["FAIL daemon-set"],
    because: /1 of 3 pods of DaemonSet node-agent are ready/,
    fix: /get pods -l name=node-agent/,
  },
  {
    what: "a mount without propagation",
    breakIt: (velero) =>
      velero.putDaemonSet(changedText("daemon-set.yaml", /,"mountPropagation":"HostToContainer"/g, "")),
    mendIt: (velero) => velero.putDaemonSet(shippedObject("daemon-set.yaml")),
    wrong: ["FAIL mount-propagation"],
    because: /mountPropagation of \/host_pods is None/,
    fix: /HostToContainer/,
  },
  {
    what: "another folder than the kubelet's",
    breakIt: (velero) =>
      velero.putDaemonSet(changedText("daemon-set.yaml", /\/var\/lib\/kubelet\/pods/g, "/srv/volumes")),
    mendIt: (velero) => velero.putDaemonSet(shippedObject("daemon-set.yaml")),
    wrong: ["warn pods-folder"],
    because: /\/srv\/volumes of the nodes is mounted at \/host_pods/,
    fix: /--root-dir/,
  },
  {
    what: "an agent that crashes again and again",
    breakIt: (velero) => velero.putAgentPod({ ready: false, restarts: 7 }),
    mendIt: (velero) => velero.putAgentPod({ ready: true }),
    wrong: ["FAIL agent-pods node-agent-abcde"],
    because: /on node-a: container node-agent is waiting: CrashLoopBackOff/,
    fix: /logs node-agent-abcde/,
  },
  {
    what: "a role that lacks a right",
    breakIt: (velero) => velero.putRole(changedText("role.yaml", /,"patch"/g, ""), false),
    mendIt: (velero) => velero.putRole(shippedObject("role.yaml"), true),
    wrong: ["FAIL agent-rights system:serviceaccount:velero:fsb-node-agent"],
    because: /it may not patch podvolumebackups.velero.io, patch podvolumerestores.velero.io, patch events/,
    fix: /apply the roles/,
  },
  {
    what: "a Secret that is gone",
    breakIt: ({ cluster: there }) => there.remove(`${coreApi}/secrets/cloud-credentials`),
    mendIt: (velero) => velero.putSecrets(),
    wrong: ["FAIL credentials default", "warn store default", "warn repository-open shop at default"],
    because: /Secret "cloud-credentials" not found/,
    fix: /create Secret cloud-credentials with key cloud/,
  },
  {
    what: "keys that the store does not know",
    breakIt: (velero) => velero.putSecrets(credentialsFile({ accessKeyId: "other", secretAccessKey: "keys" })),
    mendIt: (velero) => velero.putSecrets(),
    wrong: ["FAIL store default", "warn repository-open shop at default"],
    because: /reach: could not list blobs .+ denied access/,
    fix: /renew them there/,
  },
  {
    what: "keys that may only read",
    breakIt: (velero) => velero.putSecrets(credentialsFile(reader)),
    mendIt: (velero) => velero.putSecrets(),
    wrong: ["FAIL store default"],
    because: /put: could not write blob .+ denied access/,
    fix: /get, put and delete its objects/,
  },
  {
    what: "a bucket that is gone",
    breakIt: (velero) => velero.putLocation({ bucket: "nowhere" }),
    mendIt: (velero) => velero.putLocation(),
    wrong: ["FAIL store default", "warn repository-open shop at default"],
    because: /there is no bucket nowhere/,
    fix: /make bucket nowhere/,
  },
  {
    what: "a location that is ReadOnly, whose store's clock is not known then",
    breakIt: (velero) => velero.putLocation({ accessMode: "ReadOnly" }),
    mendIt: (velero) => velero.putLocation(),
    wrong: ["warn store-clock default", "warn store default"],
    because: /not known: nothing was put there/,
    fix: /see check store/,
  },
  {
    what: "a store whose name only the cluster knows",
    breakIt: (velero) => velero.putLocation({ config: { s3Url: "http://seaweedfs.storage.svc.cluster.invalid:8333" } }),
    mendIt: (velero) => velero.putLocation(),
    wrong: ["warn store default", "warn repository-open shop at default"],
    because: /not known: the name of its server is not known here/,
    fix: /port-forward .+ --endpoint/,
  },
  {
    what: "a location that the server finds unavailable",
    breakIt: (velero) => velero.putLocation({ status: { phase: "Unavailable", message: "the bucket is on fire" } }),
    mendIt: (velero) => velero.putLocation(),
    wrong: ["FAIL location default"],
    because: /Unavailable: the bucket is on fire/,
    fix: /no backup begins before/,
  },
  {
    what: "a repository that is not ready",
    breakIt: (velero) => velero.putRepository(new Date(), { phase: "NotReady", message: "no such bucket" }),
    mendIt: (velero) => velero.putRepository(new Date()),
    wrong: ["FAIL repository shop at default"],
    because: /NotReady: no such bucket/,
    fix: /looks again/,
  },
  {
    what: "maintenance that has not run for long",
    breakIt: (velero) => velero.putRepository(new Date(Date.now() - 9.5 * 86_400_000)),
    mendIt: (velero) => velero.putRepository(new Date()),
    wrong: ["FAIL maintenance shop at default"],
    because: /it last ran 9 days ago/,
    fix: /default@default/,
  },
  {
    what: "a password that was changed in the cluster alone, to the one that Velero begins with",
    breakIt: (velero) => velero.putSecrets(credentialsFile(velero.server.owner), "static-passw0rd"),
    mendIt: (velero) => velero.putSecrets(),
    wrong: ["FAIL repository-open shop at default", "warn password"],
    because: /REPOSITORY_PASSWORD_WRONG/,
    fix: /give the password it was made with/,
  },
];

function changedText(file: string, pattern: RegExp, by: string): JsonObject {
  const text = JSON.stringify(shippedObject(file));
  assert.match(text, pattern);
  return JSON.parse(text.replaceAll(pattern, by)) as JsonObject;
}

describe("fsb doctor, where one thing is broken", () => {
  for (const { what, args = () => [], breakIt, mendIt, wrong: expected, because, fix } of breakages) {
    it(`names ${what}`, async (t) => {
      const velero = await requireInstalled(t);
      if (velero === undefined) return;
      await breakIt?.(velero);
      try {
        const { run, wrong } = await doctor(velero, ...args(velero));
        assert.deepEqual(wrong.map(named).sort(), expected.toSorted());
        const first = wrong.find((line) => named(line) === expected[0]);
        assert.match(first?.because ?? "", because);
        assert.match(first?.fix ?? "", fix);
        const hasFailed = expected.some((line) => line.startsWith("FAIL"));
        assert.equal(run.exitCode, hasFailed ? exitCodes.failed : exitCodes.ok, describeRun(run));
      } finally {
        await mendIt?.(velero);
      }
    });
  }

  it("finds nothing green that the person may not look at", async (t) => {
    const velero = await requireInstalled(t);
    if (velero === undefined) return;
    const { run, lines } = await doctor(velero, "--kubeconfig", velero.cluster.kubeconfig("agent"));
    assert.equal(run.exitCode, exitCodes.ok, describeRun(run));
    assert.deepEqual(
      lines.map(({ status, check }) => `${status} ${check}`),
      [
        ...["ok api-server", "ok api-clock", "warn own-rights", "warn velero-server", "ok velero-definitions"],
        ...["warn daemon-set", "warn agent-pods", "warn password", "warn location", "warn repository"],
      ],
    );
  });
});

describe("fsb doctor --bundle", () => {
  it("writes what was seen, the agents' logs and recent events among it, and none of the scene's secrets", async (t) => {
    const velero = await requireInstalled(t);
    if (velero === undefined) return;
    const { owner } = velero.server;
    const told = [installedPassword, owner.secretAccessKey, owner.accessKeyId, velero.cluster.token("admin")];
    const secrets = [...told, "static-token-of-a-log", "a-value-of-the-environment", "applied-long-ago"];
    const kubelet = await startKubelet(
      t,
      `level=info msg=started\n${secrets.slice(0, 4).join(" ")}\ntoken: Bearer ${secrets[4]}\n`,
    );
    if (kubelet === undefined) return;
    await velero.putNode("node-a", kubelet.port);
    const daemonSet = changedText("daemon-set.yaml", /"value":"\/scratch"/g, `"value":"${secrets[5]}"`);
    const metadata = {
      ...(daemonSet.metadata as JsonObject),
      annotations: { "example.com/applied": secrets[6] as string },
    };
    await velero.putDaemonSet({ ...daemonSet, metadata });
    await velero.putEvent(`could not put with ${owner.secretAccessKey} at http://me:${installedPassword}@host`);
    await velero.putBackup();
    const neighbour = "--argument-of-a-neighbour";
    await velero.putNeighbour(neighbour);
    const file = join(temporaryFolder(t), "bundle.json");
    try {
      const { run } = await doctor(velero, "--bundle", file);
      assert.equal(run.exitCode, exitCodes.ok, describeRun(run));
    } finally {
      await velero.putDaemonSet(shippedObject("daemon-set.yaml"));
      await velero.cluster.remove(`${appsApi}/deployments/neighbour`);
    }
    const text = readFileSync(file, "utf8");
    for (const secret of secrets) {
      assert.ok(!text.includes(secret), `${secret} is in the bundle`);
      assert.ok(!text.includes(Buffer.from(secret).toString("base64")), `${secret} in base64 is in the bundle`);
    }
    assert.ok(!text.includes(neighbour), "a Deployment that is not Velero's is in the bundle");
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const bundle = JSON.parse(text) as Record<string, JsonObject>;
    const kinds = Object.entries(bundle.objects ?? {}).map(
      ([kind, all]) => `${kind} ${(all as readonly unknown[]).length}`,
    );
    assert.deepEqual(kinds.sort(), [
      ...[
        "Backup 1",
        "BackupRepository 1",
        "BackupStorageLocation 1",
        "DaemonSet 1",
        "Deployment 1",
        "Event 1",
        "Pod 1",
      ],
      ...["PodVolumeBackup 2", "PodVolumeRestore 0"],
    ]);
    assert.match(String(bundle.logs?.["node-agent-abcde/node-agent"]), /level=info msg=started\n.*\[removed\]/);
    assert.match(text, /could not put with \[removed\] at http:\/\/\[removed\]@host/);
    assert.deepEqual(bundle.notKnown, []);
    const again = await doctor(velero, "--bundle", file);
    assertFailed(again.run, exitCodes.failed, /CLI_BUNDLE_FAILED/);
    assert.equal(readFileSync(file, "utf8"), text);
  });

  it("says what it could not have", async (t) => {
    const velero = await requireInstalled(t);
    if (velero === undefined) return;
    const file = join(temporaryFolder(t), "bundle.json");
    await doctor(velero, "--kubeconfig", velero.cluster.kubeconfig("agent"), "--bundle", file);
    const { notKnown } = JSON.parse(readFileSync(file, "utf8")) as { readonly notKnown: readonly string[] };
    assert.match(notKnown.join("\n"), /^podvolumebackups: the API server denied to list podvolumebackups/m);
  });
});

describe("fsb doctor, of a location that names no credentials", () => {
  it("has those of the server", async (t) => {
    const velero = await requireInstalled(t);
    if (velero === undefined) return;
    await velero.putLocation({ credential: false });
    try {
      const { lines, wrong } = await doctor(velero);
      assert.deepEqual(wrong, []);
      const credentials = lines.find(({ check }) => check === "credentials");
      assert.equal(credentials?.because, "they are in key cloud of Secret cloud-credentials");
    } finally {
      await velero.putLocation();
    }
  });

  it("does not know of them where the person may not look at the server", async (t) => {
    const velero = await requireInstalled(t);
    if (velero === undefined) return;
    const rule = { apiGroups: ["velero.io"], resources: ["backupstoragelocations"], verbs: ["list"] };
    await velero.cluster.allow("lists-locations", [rule]);
    await velero.putLocation({ credential: false });
    try {
      const lines = await until(
        async () => {
          const seen = (await doctor(velero, "--kubeconfig", velero.cluster.kubeconfig("agent"))).lines;
          return seen.some(({ check }) => check === "credentials") ? seen : undefined;
        },
        () => "the right to list locations does not count",
      );
      const about = lines.filter(({ check }) => ["credentials", "store"].includes(check));
      assert.deepEqual(about.map(named), ["warn credentials default", "warn store default"]);
      assert.match(about[0]?.because ?? "", /^not known: the API server denied to get Deployment velero/);
    } finally {
      await velero.putLocation();
    }
  });
});

/** What an API server asks for a container's log. */
async function startKubelet(t: TestContext, log: string): Promise<{ readonly port: number } | undefined> {
  const certificate = await requireCertificate(t, temporaryFolder(t));
  if (certificate === undefined) return undefined;
  const server = createServer(certificate, (request, response) => {
    response.statusCode = request.url?.startsWith("/containerLogs/velero/node-agent-abcde/") ? 200 : 404;
    response.end(log);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return { port: (server.address() as AddressInfo).port };
}

describe("fsb doctor --repo", () => {
  it("checks store and repository without a cluster, and leaves nothing behind", async (t) => {
    const velero = await requireInstalled(t);
    if (velero === undefined) return;
    const { url, env } = velero.repository;
    const before = await velero.keys();
    const text = await fsb(["doctor", "--repo", url], { password: installedPassword, env });
    assert.deepEqual(await velero.keys(), before);
    assert.ok(!before.some((key) => key.includes("fsb-doctor")), before.join("\n"));
    assert.match(
      text,
      /^ok {4}store .+: reach, put, replace, get, range, look-up, list, delete work at s3:\/\/backups\//m,
    );
    assert.match(text, /^warn {2}maintenance .+: none is known to have run\n {6}fix: see that a Velero server/m);
  });

  it("checks a folder as well, and puts nothing where no repository is", async (t) => {
    const folder = temporaryFolder(t);
    const repo = ["--repo", join(folder, "repository")];
    await fsb(["repo", "create", ...repo]);
    const before = filesIn(folder);
    const text = await fsb(["doctor", ...repo]);
    assert.deepEqual(filesIn(folder), before);
    assert.match(text, /^warn {2}password: it is the one that Velero begins with/m);
    assert.match(text, /^ok {4}index-blobs .+: \d+ index blobs are read to open it, and from 1000 on it hurts$/m);

    const ofCluster = await tryFsb(["doctor", ...repo, "--kubeconfig", join(folder, "none")]);
    assertFailed(ofCluster, exitCodes.failed, /--kubeconfig is for repositories of a Velero server \[CLI_USAGE\]/);

    const empty = temporaryFolder(t);
    const lost = await tryFsb(["doctor", "--repo", empty]);
    assert.equal(lost.exitCode, exitCodes.failed, describeRun(lost));
    assert.match(String(lost.stdout), /^FAIL {2}repository-open .+\[REPOSITORY_NOT_FOUND\]/m);
    assert.deepEqual(readdirSync(empty), []);
  });
});

/** Not folders: one that a file was in may stay. */
function filesIn(folder: string): readonly string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
