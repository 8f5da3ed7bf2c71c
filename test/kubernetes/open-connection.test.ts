import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { stringify } from "yaml";
import { explain, hasCode, hintOf } from "../../src/base/errors.ts";
import { findApiConfiguration, openApiConnection } from "../../src/kubernetes/open-connection.ts";
import { PodConnection } from "../../src/kubernetes/pod-connection.ts";
import { ManualClock } from "../repository/manual-clock.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const clock = new ManualClock();

function kubeconfig(user: object, cluster: object = {}, name = "test"): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server: "https://api.example:6443/k8s/a", ...cluster } }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
}

describe("the way to an API server", () => {
  it("is the named file, then those of KUBECONFIG, then the user's own, then the pod's account", () => {
    const pod = { KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "6443" };
    const found = (kubeconfig: string | undefined, env: NodeJS.ProcessEnv, files: readonly string[]) => {
      const options = kubeconfig === undefined ? { env } : { kubeconfig, env };
      const configuration = findApiConfiguration(options, (path) => files.includes(path));
      return configuration.from === "pod" ? configuration.server.href : configuration.files.join(" then ");
    };
    const own = "/somewhere/.kube/config";
    const env = { ...pod, KUBECONFIG: "/a:/b::/c", HOME: "/somewhere" };
    assert.equal(found("/x", env, ["/a", own]), "/x");
    assert.equal(found(undefined, env, ["/a", "/c", own]), "/a then /c");
    assert.equal(found(undefined, env, [own]), own);
    assert.equal(found(undefined, env, []), "https://10.0.0.1:6443/");
    assert.equal(found(undefined, { KUBERNETES_SERVICE_HOST: "fd00::1" }, []), "https://[fd00::1]/");
    assert.throws(
      () => found(undefined, {}, []),
      (error) => hasCode(error, "RESOURCE_STORE_INVALID") && hintOf(error) !== undefined,
    );
  });

  it("takes the first of several kubeconfigs for current, and another context when asked", async (t) => {
    const folder = temporaryFolder(t);
    const files = ["one", "two"].map((name) => join(folder, name));
    for (const file of files) {
      const name = file.slice(folder.length + 1);
      writeFileSync(file, kubeconfig({ token: `${name}-token` }, { server: `https://${name}.example` }, name));
    }
    const env = { KUBECONFIG: files.join(":") };
    const first = await openApiConnection({ env, clock });
    assert.equal(first.displayName, "https://one.example");
    const second = await openApiConnection({ env, clock, context: "two" });
    assert.equal((await second.access()).headers.authorization, "Bearer two-token");
    await assert.rejects(openApiConnection({ env, clock, context: "three" }), (error) =>
      hasCode(error, "RESOURCE_STORE_INVALID"),
    );
  });
});

describe("a kubeconfig", () => {
  it("gives address, authority and client certificate, by paths from where it lies", async (t) => {
    const folder = temporaryFolder(t);
    mkdirSync(join(folder, "keys"));
    for (const name of ["ca", "cert", "key"]) writeFileSync(join(folder, "keys", name), `the ${name}`);
    const user = { "client-certificate": "keys/cert", "client-key": "keys/key" };
    const cluster = { "certificate-authority": "keys/ca", "tls-server-name": "kubernetes" };
    writeFileSync(join(folder, "config"), kubeconfig(user, cluster));
    const connection = await openApiConnection({ kubeconfig: join(folder, "config"), env: {}, clock });
    const { server, tls, proxy } = await connection.access();
    assert.equal(server.href, "https://api.example:6443/k8s/a");
    assert.deepEqual([tls.ca, tls.cert, tls.key].map(String), ["the ca", "the cert", "the key"]);
    assert.equal(tls.servername, "kubernetes");
    assert.equal(tls.rejectUnauthorized, undefined);
    assert.equal(proxy, undefined);
  });

  it("is read again when its credentials are refused", async (t) => {
    const file = join(temporaryFolder(t), "config");
    writeFileSync(file, kubeconfig({ token: "old" }));
    const connection = await openApiConnection({ kubeconfig: file, env: {}, clock });
    writeFileSync(file, kubeconfig({ token: "new" }));
    assert.equal((await connection.access()).headers.authorization, "Bearer old");
    connection.renew();
    assert.equal((await connection.access()).headers.authorization, "Bearer new");
  });

  it("runs a plugin, and again when what it gave is refused", async (t) => {
    const folder = temporaryFolder(t);
    const plugin = join(folder, "plugin");
    const credential =
      '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"T"}}';
    writeFileSync(plugin, `#!/bin/sh\necho run >> "${folder}/runs"\necho '${credential}'\n`, { mode: 0o755 });
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: plugin, interactiveMode: "Never" };
    writeFileSync(join(folder, "config"), kubeconfig({ exec }));
    const connection = await openApiConnection({ kubeconfig: join(folder, "config"), env: {}, clock });
    for (let round = 0; round < 3; round++) {
      assert.equal((await connection.access()).headers.authorization, "Bearer T");
    }
    connection.renew();
    await connection.access();
    assert.equal(readFileSync(join(folder, "runs"), "utf8"), "run\nrun\n");
  });

  it("does not show in an error what it contains, nor what a plugin says", async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, "config");
    const plugin = join(folder, "plugin");
    writeFileSync(plugin, "#!/bin/sh\necho 'secret-token is no JSON'\n", { mode: 0o755 });
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command: plugin, interactiveMode: "Never" };
    for (const text of ["users: [{token: secret-token}\nx: {", "secret-token", "", kubeconfig({ exec })]) {
      writeFileSync(file, text);
      const asking = openApiConnection({ kubeconfig: file, env: {}, clock }).then((connection) => connection.access());
      await assert.rejects(asking, (error) => {
        assert.ok(hasCode(error, "RESOURCE_STORE_INVALID"), explain(error));
        assert.doesNotMatch(explain(error), /secret-token/);
        return true;
      });
    }
  });
});

describe("a pod's account", () => {
  it("is read again every minute, and when it is refused", async (t) => {
    const folder = temporaryFolder(t);
    const own = new ManualClock();
    writeFileSync(join(folder, "ca.crt"), "authority");
    writeFileSync(join(folder, "token"), "first\n");
    const connection = new PodConnection({ server: new URL("https://10.0.0.1:443"), folder, clock: own });
    const token = async () => (await connection.access()).headers.authorization;
    assert.equal(await token(), "Bearer first");
    writeFileSync(join(folder, "token"), "second");
    own.advance(59_000);
    assert.equal(await token(), "Bearer first");
    own.advance(1_000);
    assert.equal(await token(), "Bearer second");
    writeFileSync(join(folder, "token"), "third");
    connection.renew();
    assert.equal(await token(), "Bearer third");
    assert.equal((await connection.access()).tls.ca, "authority");
  });

  it("tells when there is no token", async (t) => {
    const connection = new PodConnection({ server: new URL("https://10.0.0.1"), folder: temporaryFolder(t), clock });
    await assert.rejects(connection.access(), (error) => {
      return hasCode(error, "RESOURCE_STORE_INVALID") && /automountServiceAccountToken/.test(hintOf(error) ?? "");
    });
  });
});
