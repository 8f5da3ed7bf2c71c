/** Vectors of the specification, section 13.1. */

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { toBase64, toHex, toUtf8 } from "../../../src/base/bytes.ts";
import { typescriptKernel } from "../../../src/kernel/typescript/kernel.ts";
import { recoverableCopy } from "../../../src/repository/format/kernel-format.ts";
import {
  deriveContentSecret,
  deriveFormatKey,
  deriveKey,
  openSecrets,
  sealSecrets,
} from "../../../src/repository/format/keys.ts";
import { formatKey, masterKey, password, uniqueId } from "../stored-format.ts";

test("keys are derived as kopia derives them", () => {
  const key = deriveKey(toUtf8("ABCDEFGHIJKLMNOP"), toUtf8("0123456789012345"), "the-test-purpose");
  assert.equal(toHex(key), "828769ee8969bc37f11dbaa32838f8db6c19daa6e3ae5f5eed2da2d94d8faddb");
  const { AES, CHECKSUM } = {
    AES: "40b4dbe53119dcba4a63bfdcda08da6f0c89041d64355962e8a2076796626bc2",
    CHECKSUM: "d0d652b890ca4d62b340f8466bb95997f7a4a61a1c005a5c7153601dea229045",
  };
  assert.equal(toHex(deriveKey(formatKey, uniqueId, "AES")), AES);
  assert.equal(toHex(deriveKey(formatKey, uniqueId, "CHECKSUM")), CHECKSUM);
  const master = Uint8Array.from({ length: 32 }, (_, i) => 0x40 + i);
  assert.equal(
    toHex(deriveKey(master, uniqueId, "maintenance schedule")),
    "df3abcb527a008fb8f3b8fe556f35133a44bdfe1f801920f6875b2ad1686b17d",
  );
});

test("the content secret comes from the master key, with the purpose as salt", () => {
  const secret = deriveContentSecret(masterKey);
  assert.equal(toHex(secret), "88aac0fcc646ffc04813cc17f4c7a17f8a73b53e4add438898256a7c87ad45d2");
  const iv = Uint8Array.from({ length: 16 }, (_, i) => i);
  assert.equal(
    createHmac("sha256", secret).update(iv).digest("hex"),
    "df73bf972cf4bbfebc33a54fe164a24fd1ce6f2e82e498c26ac72135bdcc3a9b",
  );
});

test("the format key comes from the password by scrypt, or by PBKDF2 where the format says so", async () => {
  assert.equal(
    toHex(await deriveFormatKey("scrypt-65536-8-1", password, uniqueId, typescriptKernel)),
    toHex(formatKey),
  );
  assert.equal(
    toHex(await deriveFormatKey("pbkdf2-sha256-600000", password, uniqueId, typescriptKernel)),
    "518d6d7b82de0409ec8e6ac75d7c8bbffc679b706969d9122bf26bfdccaa034b",
  );
});

test("keys that are asked for at once are each that of their password", async () => {
  const asked = [password, "another", password].map((text) =>
    deriveFormatKey("scrypt-65536-8-1", text, uniqueId, typescriptKernel),
  );
  const [first, other, last] = (await Promise.all(asked)).map(toHex);
  assert.deepEqual([first, last], [toHex(formatKey), toHex(formatKey)]);
  assert.notEqual(other, first);
});

test("an unknown key derivation is refused by name, and a salt that is too short too", async () => {
  await assert.rejects(deriveFormatKey("scrypt-1-1-1", password, uniqueId, typescriptKernel), {
    code: "REPOSITORY_UNSUPPORTED",
    message: /"scrypt-1-1-1"/,
  });
  await assert.rejects(deriveFormatKey("scrypt-65536-8-1", password, uniqueId.subarray(0, 15), typescriptKernel), {
    code: "REPOSITORY_FORMAT_INVALID",
  });
});

test("format secrets sealed under a known nonce are the specification's, and open", () => {
  const json = toUtf8('{"format":{}}');
  const sealed = sealSecrets(formatKey, uniqueId, json, (count) => new Uint8Array(count).fill(0x22));
  assert.equal(toBase64(sealed), "IiIiIiIiIiIiIiIi38eDin94z0qacChyNqt3YAKAeYMa4XK8Xo0vQ4w=");
  assert.deepEqual(openSecrets(formatKey, uniqueId, sealed), Buffer.from(json));
});

test("format secrets do not open with another key or salt, nor with a byte changed or missing", () => {
  const sealed = sealSecrets(formatKey, uniqueId, toUtf8("{}"), (count) => new Uint8Array(count));
  assert.equal(openSecrets(uniqueId, uniqueId, sealed), undefined);
  assert.equal(openSecrets(formatKey, formatKey, sealed), undefined);
  for (let at = 0; at < sealed.byteLength; at++) {
    assert.equal(openSecrets(formatKey, uniqueId, sealed.subarray(0, at)), undefined);
    const changed = Uint8Array.from(sealed);
    changed[at]! ^= 1;
    assert.equal(openSecrets(formatKey, uniqueId, changed), undefined);
  }
});

test("the copy of the format at the start of a pack is laid out as kopia lays it out", () => {
  assert.equal(
    toHex(recoverableCopy(toUtf8("aadsdasdas"))),
    "2a00616164736461736461735d248ba07bde060f500ae9b489ff46358544ada66b4737a879ec5f0c9cc257ef2a00",
  );
});
