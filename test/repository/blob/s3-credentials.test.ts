import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { explain } from "../../../src/base/errors.ts";
import { askSdkForCredentials } from "../../../src/repository/blob/s3-client.ts";
import {
  type CredentialSettings,
  type Environment,
  type FoundCredentials,
  findCredentials,
  parseProfiles,
  planCredentials,
  RenewedCredentials,
  type SdkRequest,
} from "../../../src/repository/blob/s3-credentials.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";
import { ManualClock } from "../manual-clock.ts";

const keys = { AWS_ACCESS_KEY_ID: "env-id", AWS_SECRET_ACCESS_KEY: "env-secret" };
const webIdentity = { AWS_WEB_IDENTITY_TOKEN_FILE: "/var/run/token", AWS_ROLE_ARN: "arn:aws:iam::1:role/r" };
const cloud = { credentials: { text: "", name: "the Secret" } };
const someFile = `[default]\naws_access_key_id=id\naws_secret_access_key=secret\naws_session_token=token
[empty]\nregion=x\n[role]\nrole_arn=arn\nsource_profile=default\naws_access_key_id=id\naws_secret_access_key=secret
[process]\ncredential_process=/bin/true\n[half]\nrole_arn=arn\n`;

describe("the source of credentials", () => {
  const sourceOf = (settings: CredentialSettings, environment: Environment, text = someFile): string => {
    const plan = planCredentials(settings, environment, parseProfiles(text), "FILE");
    return plan.from === "nowhere" ? `nowhere: ${plan.because}` : `${plan.from}: ${plan.source}`;
  };
  const service = "metadata service: the container's or machine's metadata service";

  test("is a profile that is named, before anything else, and nothing else where it has none", () => {
    const everything = { ...keys, ...webIdentity };
    assert.equal(sourceOf({ profile: "default" }, everything), "keys: profile default of FILE");
    assert.equal(sourceOf({ profile: "role" }, everything), "profile: profile role of FILE");
    assert.equal(sourceOf({ profile: "process" }, everything), "profile: profile process of FILE");
    assert.equal(sourceOf({}, { ...everything, AWS_PROFILE: "process" }), "profile: profile process of FILE");
    assert.equal(sourceOf({ profile: "role" }, { AWS_PROFILE: "process" }), "profile: profile role of FILE");
    for (const profile of ["absent", "empty", "half"]) {
      const nowhere = `nowhere: there are no credentials in profile ${profile} of FILE`;
      assert.equal(sourceOf({ profile }, everything), nowhere);
    }
  });

  test("is else the environment's keys, web identity, the default profile, a metadata service", () => {
    assert.equal(sourceOf({}, { ...keys, ...webIdentity }), "keys: AWS_ACCESS_KEY_ID");
    assert.equal(sourceOf({}, webIdentity), `web identity: web identity for role ${webIdentity.AWS_ROLE_ARN}`);
    assert.equal(sourceOf({}, { AWS_ROLE_ARN: "arn" }), "keys: profile default of FILE");
    assert.equal(sourceOf({}, {}, "[default]\nrole_arn=arn\nsource_profile=x"), "profile: profile default of FILE");
    assert.equal(sourceOf({}, { AWS_ACCESS_KEY_ID: "alone" }, ""), service);
    assert.equal(sourceOf({}, {}, ""), service);
  });

  test("is a file that was given before web identity, but after the environment's keys without it", () => {
    assert.equal(sourceOf(cloud, webIdentity), "keys: profile default of FILE");
    assert.equal(sourceOf(cloud, { ...keys, ...webIdentity }), "keys: profile default of FILE");
    assert.equal(sourceOf({}, { ...webIdentity, AWS_SHARED_CREDENTIALS_FILE: "/f" }), "keys: profile default of FILE");
    assert.equal(sourceOf(cloud, keys), "keys: AWS_ACCESS_KEY_ID");
    assert.match(sourceOf(cloud, webIdentity, ""), /^web identity/);
  });
});

describe("a credentials file", () => {
  test("is read as others write it", () => {
    const profiles = parseProfiles(
      "stray = 1\n# a remark\n; another\n[default]\r\nAWS_Access_Key_Id =  id \naws_secret_access_key=a=b#c ; remark\n" +
        's3 =\n  endpoint_url = x\n[ profile "two words" ]\nregion = r\n[default]\nmore=1\n',
    );
    assert.deepEqual(
      [...profiles].map(([name, section]) => [name, Object.fromEntries(section)]),
      [
        ["default", { aws_access_key_id: "id", aws_secret_access_key: "a=b#c", s3: "", more: "1" }],
        ["two words", { region: "r" }],
      ],
    );
  });

  test("gives keys by its text, and by its path, read anew each time", async (t) => {
    const path = join(temporaryFolder(t), "cloud");
    writeFileSync(path, someFile);
    const expected = { accessKeyId: "id", secretAccessKey: "secret", sessionToken: "token" };
    const byText = await findCredentials({ credentials: { text: someFile, name: "the Secret" } }, {}, never);
    assert.deepEqual(byText, { credentials: expected, source: "profile default of the Secret" });
    for (const [settings, environment] of [
      [{ credentials: { path } }, {}],
      [{}, { AWS_SHARED_CREDENTIALS_FILE: path }],
    ] as const) {
      const found = await findCredentials(settings, environment, never);
      assert.deepEqual(found, { credentials: expected, source: `profile default of ${path}` });
    }
    writeFileSync(path, "[default]\naws_access_key_id=new\naws_secret_access_key=secret\n");
    const { credentials } = await findCredentials({ credentials: { path } }, {}, never);
    assert.deepEqual(credentials, { accessKeyId: "new", secretAccessKey: "secret" });
  });

  test("that is not there is as one without profiles, for a DaemonSet names one that need not be", async (t) => {
    const path = join(temporaryFolder(t), "cloud");
    const asked: SdkRequest[] = [];
    await findCredentials({}, { AWS_SHARED_CREDENTIALS_FILE: path, ...webIdentity }, async (request) => {
      asked.push(request);
      return { accessKeyId: "id", secretAccessKey: "secret" };
    });
    const { AWS_WEB_IDENTITY_TOKEN_FILE: webIdentityTokenFile, AWS_ROLE_ARN: roleArn } = webIdentity;
    assert.deepEqual(asked, [
      { filepath: "/dev/null", configFilepath: "/dev/null", ignoreCache: true, webIdentityTokenFile, roleArn },
    ]);
  });

  test("of a Secret lies on a disk only while the SDK is asked for what is not in it", async () => {
    let path = "";
    await findCredentials(
      { credentials: { text: someFile, name: "the Secret" }, profile: "role" },
      {},
      async (asked) => {
        path = asked.filepath;
        assert.ok(existsSync(path));
        assert.equal(asked.configFilepath, path);
        return { accessKeyId: "id", secretAccessKey: "secret" };
      },
    );
    assert.equal(existsSync(path), false);
  });

  test("that cannot be read is BLOB_STORE_DENIED, and so is a profile that is not in it", async (t) => {
    const folder = temporaryFolder(t);
    await assert.rejects(findCredentials({ credentials: { path: folder } }, {}, never), { code: "BLOB_STORE_DENIED" });
    await assert.rejects(findCredentials({ ...cloud, profile: "x" }, {}, never), (error) => {
      assert.match(explain(error), /no credentials in profile x of the Secret \[BLOB_STORE_DENIED\]\nhint: /);
      return true;
    });
  });
});

describe("credentials that expire", () => {
  const minuteMs = 60_000;
  const clock = (): ManualClock => new ManualClock(Date.UTC(2026, 0, 15));
  const lasting = (time: ManualClock, ms: number, id = "id"): FoundCredentials => ({
    source: "a service",
    credentials: { accessKeyId: id, secretAccessKey: "s", expiration: new Date(time.nowMs() + ms) },
  });

  test("are renewed five minutes before, and asked for once by all who need them at the same time", async () => {
    const time = clock();
    let asked = 0;
    const renewed = new RenewedCredentials(async () => lasting(time, 60 * minuteMs, `id-${++asked}`), time);
    const all = await Promise.all(Array.from({ length: 20 }, () => renewed.current()));
    assert.deepEqual(new Set(all.map(({ accessKeyId }) => accessKeyId)), new Set(["id-1"]));
    time.advance(54 * minuteMs);
    assert.equal((await renewed.current()).accessKeyId, "id-1");
    time.advance(2 * minuteMs);
    assert.equal((await renewed.current()).accessKeyId, "id-2");
    assert.equal(asked, 2);
  });

  test("soon are used for half of their time", async () => {
    const time = clock();
    let asked = 0;
    const renewed = new RenewedCredentials(async () => lasting(time, 2 * minuteMs, `id-${++asked}`), time);
    for (let second = 0; second < 600; second++) {
      await renewed.current();
      time.advance(1000);
    }
    assert.equal(asked, 10);
  });

  test("are used while they hold although renewing fails, which is then tried every half minute", async () => {
    const time = clock();
    let asked = 0;
    const trouble = new Error("the service is down");
    const renewed = new RenewedCredentials(async () => {
      if (asked++ > 0) throw trouble;
      return lasting(time, 60 * minuteMs);
    }, time);
    await renewed.current();
    time.advance(56 * minuteMs);
    for (let second = 0; second < 60; second++) {
      await renewed.current();
      time.advance(1000);
    }
    assert.equal(asked, 3);
    time.advance(4 * minuteMs);
    await assert.rejects(renewed.current(), (error) => error === trouble);
  });

  test("never are asked for once", async () => {
    let asked = 0;
    const find = async (): Promise<FoundCredentials> => {
      asked++;
      return { source: "a file", credentials: { accessKeyId: "id", secretAccessKey: "s" } };
    };
    const time = clock();
    const renewed = new RenewedCredentials(find, time);
    for (let day = 0; day < 100; day++) {
      await renewed.current();
      time.advance(24 * 60 * minuteMs);
    }
    assert.equal(asked, 1);
    assert.equal(renewed.source, "a file");
  });

  test("or not, that a server rejected are replaced when there are others by now", async () => {
    let id = "old";
    const find = async (): Promise<FoundCredentials> => ({
      source: "a file",
      credentials: { accessKeyId: id, secretAccessKey: "s" },
    });
    const renewed = new RenewedCredentials(find, clock());
    const old = await renewed.current();
    assert.equal(await renewed.areReplaced(old), false);
    id = "new";
    assert.equal(await renewed.areReplaced(old), true);
    assert.equal((await renewed.current()).accessKeyId, "new");
  });
});

describe("the SDK", () => {
  const asSdk = (request: SdkRequest) => askSdkForCredentials(request, "us-east-1");

  test("exchanges a token for a role's credentials, which expire", async (t) => {
    const tokenFile = join(temporaryFolder(t), "token");
    writeFileSync(tokenFile, "a-web-identity-token");
    const expiration = new Date(Date.UTC(2035, 0, 1)).toISOString();
    const service = await startService(t, () => {
      return `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
        <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>sts-id</AccessKeyId>
        <SecretAccessKey>sts-secret</SecretAccessKey><SessionToken>sts-token</SessionToken>
        <Expiration>${expiration}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
        </AssumeRoleWithWebIdentityResponse>`;
    });
    setEnvironment(t, { AWS_ENDPOINT_URL_STS: service.url });
    const environment = { AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile, AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/r" };
    const { credentials } = await findCredentials(cloud, environment, asSdk);
    assert.equal(credentials.accessKeyId, "sts-id");
    assert.equal(credentials.sessionToken, "sts-token");
    assert.equal(credentials.expiration?.toISOString(), expiration);
    assert.match(service.bodies[0] ?? "", /Action=AssumeRoleWithWebIdentity.*WebIdentityToken=a-web-identity-token/s);
  });

  test("tells a token service that refuses from one that is not to be had", async (t) => {
    const tokenFile = join(temporaryFolder(t), "token");
    writeFileSync(tokenFile, "a-web-identity-token");
    const refusal =
      "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>expired</Message></Error></ErrorResponse>";
    const service = await startService(t, () => refusal, 400);
    const environment = { AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile, AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/r" };
    for (const [url, code] of [
      [service.url, "BLOB_STORE_DENIED"],
      ["http://127.0.0.1:9", "BLOB_STORE_UNAVAILABLE"],
    ] as const) {
      setEnvironment(t, { AWS_ENDPOINT_URL_STS: url });
      await assert.rejects(findCredentials(cloud, environment, asSdk), (error) => {
        assert.match(explain(error), new RegExp(`could not fetch credentials from web identity.*\\[${code}\\]`));
        assert.doesNotMatch(explain(error), /a-web-identity-token/);
        return true;
      });
    }
  });

  test("assumes the role of a profile with the keys of another", async (t) => {
    const service = await startService(t, () => {
      return `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
        <AccessKeyId>role-id</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>
        <SessionToken>role-token</SessionToken><Expiration>2035-01-01T00:00:00Z</Expiration>
        </Credentials></AssumeRoleResult></AssumeRoleResponse>`;
    });
    setEnvironment(t, { AWS_ENDPOINT_URL_STS: service.url });
    const text = `[source]\naws_access_key_id=source-id\naws_secret_access_key=source-secret
[default]\nrole_arn=arn:aws:iam::123456789012:role/r\nsource_profile=source\n`;
    const found = await findCredentials({ credentials: { text, name: "the Secret" } }, {}, asSdk);
    assert.equal(found.credentials.accessKeyId, "role-id");
    assert.equal(found.source, "profile default of the Secret");
    assert.match(service.authorizations[0] ?? "", /Credential=source-id\//);
  });

  test("gets those of a container from its service", async (t) => {
    const service = await startService(t, () => containerCredentials("container-id"));
    setEnvironment(t, {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${service.url}/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: "a-pod-identity-token",
    });
    const { credentials } = await findCredentials(cloud, {}, asSdk);
    assert.equal(credentials.accessKeyId, "container-id");
    assert.equal(service.authorizations[0], "a-pod-identity-token");
  });

  test("runs the process of a profile, and does not quote it when it fails", async () => {
    const json = '{"Version":1,"AccessKeyId":"process-id","SecretAccessKey":"process-secret"}';
    const text = `[default]\ncredential_process=echo '${json}'\n[bad]\ncredential_process=sh -c 'exit 3' a-secret-word\n`;
    const settings = { credentials: { text, name: "the Secret" } };
    assert.equal((await findCredentials(settings, {}, asSdk)).credentials.accessKeyId, "process-id");
    await assert.rejects(findCredentials({ ...settings, profile: "bad" }, {}, asSdk), (error) => {
      assert.match(explain(error), /no credentials from profile bad of the Secret \[BLOB_STORE_DENIED\]/);
      assert.doesNotMatch(explain(error), /a-secret-word/);
      return true;
    });
  });

  test("does not let the machine's own credentials stand in for a profile that is named", async (t) => {
    const service = await startService(t, () => containerCredentials("node-id"));
    setEnvironment(t, { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${service.url}/credentials` });
    const text = "[named]\ncredential_process=false\n";
    const settings = { credentials: { text, name: "the Secret" }, profile: "named" };
    await assert.rejects(findCredentials(settings, {}, asSdk), {
      code: "BLOB_STORE_DENIED",
      hint: /do not stand in for one that is named/,
    });
    assert.equal(service.bodies.length, 1);
  });
});

function containerCredentials(id: string): string {
  const secret = { SecretAccessKey: "container-secret", Token: "container-token" };
  return JSON.stringify({ AccessKeyId: id, ...secret, Expiration: "2035-01-01T00:00:00Z" });
}

async function never(): Promise<never> {
  throw new assert.AssertionError({ message: "the SDK is not asked" });
}

interface Service {
  readonly url: string;
  readonly bodies: string[];
  readonly authorizations: string[];
}

/** Answers every request alike; ends with the test. */
async function startService(t: TestContext, answer: () => string, status = 200): Promise<Service> {
  const bodies: string[] = [];
  const authorizations: string[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    bodies.push(Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString());
    authorizations.push(request.headers.authorization ?? "");
    response.writeHead(status).end(answer());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies, authorizations };
}

/** The SDK reads the process's own. No test of this file runs beside another. */
function setEnvironment(t: TestContext, values: Readonly<Record<string, string>>): void {
  const before = Object.keys(values).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, { AWS_EC2_METADATA_DISABLED: "true", ...values });
  t.after(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
}
