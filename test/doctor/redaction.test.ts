import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Redaction } from "../../src/doctor/redaction.ts";

describe("redaction", () => {
  it("takes out what is known to be secret, in base64 too, wherever it stands", () => {
    const redaction = new Redaction();
    redaction.know(" hunter22\n");
    redaction.know("hunter22-and-more");
    const base64 = Buffer.from("hunter22").toString("base64");
    assert.equal(redaction.text(`a hunter22 b hunter22-and-more c ${base64}`), "a [removed] b [removed] c [removed]");
  });

  it("takes out what is known as JSON and addresses write it, and half a character of it", () => {
    const redaction = new Redaction();
    redaction.know('hun"ter/22');
    redaction.know("odd\ud800end");
    assert.equal(redaction.text(String.raw`a hun\"ter/22 b hun%22ter%2F22 c`), "a [removed] b [removed] c");
  });

  it("knows nothing that would be found in every word", () => {
    const redaction = new Redaction();
    for (const text of ["", "a", "the"]) redaction.know(text);
    assert.equal(redaction.text("the cat"), "the cat");
  });

  it("takes out what looks like a secret", () => {
    const told: readonly (readonly [string, string])[] = [
      ["get http://me:pw@host:9000/x", "get http://[removed]@host:9000/x"],
      ["key AKIAIOSFODNN7EXAMPLE here", "key [removed] here"],
      ["authorization: Bearer abcd.efgh", "authorization: Bearer [removed]"],
      ["?X-Amz-Signature=00ff&x=1", "?X-Amz-Signature=[removed]&x=1"],
      ['{"password":"a b","x":1}', '{"password":[removed],"x":1}'],
      ["aws_secret_access_key = abc/def", "aws_secret_access_key = [removed]"],
      ["REPO_PASSWORD=abc rest", "REPO_PASSWORD=[removed] rest"],
      [String.raw`msg="{\"password\":\"a b\",\"x\":1}"`, String.raw`msg="{\"password\":[removed],\"x\":1}"`],
      [String.raw`{"password": "a\"bc", "x": 1}`, '{"password": [removed], "x": 1}'],
      [String.raw`"{\"m\":\"{\\\"token\\\":\\\"a b\\\"}\"}"`, String.raw`"{\"m\":\"{\\\"token\\\":[removed]}\"}"`],
      ['password="a b, and cut off\nnext', "password=[removed]\nnext"],
      ["password='a b' next", "password=[removed] next"],
      ["--repo-password hunter --verbose", "--repo-password [removed] --verbose"],
      ["AZURE_CLIENT_SECRET=abc", "AZURE_CLIENT_SECRET=[removed]"],
      ["token=abc", "token=[removed]"],
      ["X-Vault-Token: hvs.x", "X-Vault-Token: [removed]"],
      ["passphrase=abc", "passphrase=[removed]"],
      ["token eyJhbGciOiJ9.eyJpc3MiOiJ9.c2ln", "token [removed]"],
      ["-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "[removed]"],
      ["-----BEGIN RSA PRIVATE KEY-----\nMIIE, and cut off", "[removed]"],
    ];
    for (const [from, to] of told) assert.equal(new Redaction().text(from), to);
  });

  it("leaves alone what only speaks of secrets", () => {
    const told = [
      'Secret "velero-repo-credentials" not found; invalid repository password; s3://bucket/prefix?region=eu-1',
      "the token has expired; give --password-file /etc/password, or --token-file",
      "a client secret and a passphrase are wanted",
    ];
    for (const text of told) assert.equal(new Redaction().text(text), text);
  });

  it("goes through values of any depth, and the names of fields", () => {
    const redaction = new Redaction();
    redaction.know("hunter22");
    assert.deepEqual(redaction.value({ a: [{ b: "x hunter22" }, 1, null], hunter22: true }), {
      a: [{ b: "x [removed]" }, 1, null],
      "[removed]": true,
    });
  });
});
