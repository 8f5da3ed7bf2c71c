/** docs/format/format-blob.md says what the code does. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fromUtf8, toHex } from "../../src/base/bytes.ts";
import { hasCode } from "../../src/base/errors.ts";
import { typescriptKernel } from "../../src/kernel/typescript/kernel.ts";
import { MemoryBlobStore } from "../../src/repository/blob/memory.ts";
import { deriveContentSecret, deriveFormatKey, deriveKey, openSecrets } from "../../src/repository/format/keys.ts";
import {
  blobConfigBlobId,
  createFormat,
  formatBlobId,
  openFormat,
} from "../../src/repository/format/repository-format.ts";
import { assertFeaturesUnderstood, assertNotUpgrading } from "../../src/repository/format/upgrade.ts";
import {
  exampleMasterKey,
  examplePassword,
  exampleRandom,
  exampleSecret,
  exampleUniqueId,
} from "./example-repository.ts";
import { Page } from "./page.ts";

const page = new Page("docs/format/format-blob.md");
const { signal } = new AbortController();

describe("docs/format/format-blob.md", () => {
  it("shows the format blob and the settings that a new repository gets", async () => {
    const store = new MemoryBlobStore();
    const drawn = [exampleUniqueId, exampleSecret, exampleMasterKey];
    await createFormat(store, examplePassword, {
      kernel: typescriptKernel,
      signal,
      random: (count) => drawn.shift() ?? exampleRandom(count),
    });
    assert.equal(fromUtf8(await store.get(formatBlobId, { signal })), `${page.block("Example", "json")}\n`);
    assert.equal(toHex(await store.get(blobConfigBlobId, { signal })), toHex(page.bytes("Example")));
  });

  it("shows a format blob that opens with the example's password and keys", async () => {
    const store = new MemoryBlobStore();
    await store.put(formatBlobId, [Buffer.from(page.block("Example", "json"))], { signal });
    await store.put(blobConfigBlobId, [page.bytes("Example")], { signal });
    const { format } = await openFormat(store, examplePassword, { kernel: typescriptKernel, signal, nowMs: 0 });
    assert.deepEqual(
      [format.masterKey, format.hashSecret, format.uniqueId].map(toHex),
      [exampleMasterKey, exampleSecret, exampleUniqueId].map(toHex),
    );
    assert.deepEqual(
      [format.version, format.indexVersion, format.packBytesMax, format.epochs.enabled, format.enablePasswordChange],
      [3, 2, 20 << 20, true, true],
    );
  });

  it("shows the derived keys", async () => {
    const formatKey = await deriveFormatKey("scrypt-65536-8-1", examplePassword, exampleUniqueId, typescriptKernel);
    const derived = {
      "format key": formatKey,
      "format key by pbkdf2-sha256-600000": await deriveFormatKey(
        "pbkdf2-sha256-600000",
        examplePassword,
        exampleUniqueId,
        typescriptKernel,
      ),
      "AES key": deriveKey(formatKey, exampleUniqueId, "AES"),
      "AES additional": deriveKey(formatKey, exampleUniqueId, "CHECKSUM"),
      "content secret": deriveContentSecret(exampleMasterKey),
    };
    for (const [name, key] of Object.entries(derived)) assert.equal(page.value("| derived |", name), toHex(key), name);
    assert.equal(fromUtf8(openSecrets(formatKey, exampleUniqueId, page.bytes("Example")) ?? new Uint8Array(0)), "{}");
  });

  it("names every key derivation that is understood", async () => {
    for (const [name = ""] of page.table("| `keyAlgo` | KDF |")) {
      await assert.doesNotReject(deriveFormatKey(name, "password", exampleUniqueId, typescriptKernel), name);
    }
    await assert.rejects(deriveFormatKey("argon2", "password", exampleUniqueId, typescriptKernel), {
      code: "REPOSITORY_UNSUPPORTED",
    });
  });

  it("tells when an upgrade lock is in force", () => {
    const createdMs = Date.UTC(2026, 10, 24);
    for (const [notice, drain, drift, now, locked] of page.table("| notice |")) {
      const lock = {
        creationTime: new Date(createdMs).toISOString(),
        advanceNoticeDuration: Number(notice) * 1e9,
        ioDrainTimeout: Number(drain) * 1e9,
        maxPermittedClockDrift: Number(drift) * 1e9,
      };
      const check = (): void => assertNotUpgrading(lock, createdMs + Number(now) * 1000);
      if (locked === "yes") assert.throws(check, { code: "REPOSITORY_UPGRADING" });
      else assert.doesNotThrow(check);
    }
    assert.throws(
      () => assertNotUpgrading({ creationTime: "?", advanceNoticeDuration: 1e18 }, 0),
      (error) => hasCode(error, "REPOSITORY_UPGRADING"),
    );
  });

  it("names the features that are understood", () => {
    const [, understood] = /Understood\nare (.+?)\. /.exec(page.section("Required features")) ?? [];
    const names = [...(understood ?? "").matchAll(/`(.+?)`/g)].map((match) => match[1]);
    assert.equal(names.length, 2);
    assertFeaturesUnderstood(
      names.map((feature) => ({ feature })),
      undefined,
    );
    assert.throws(() => assertFeaturesUnderstood([{ feature: "index-v3" }], undefined), {
      code: "REPOSITORY_UNSUPPORTED",
    });
    assert.doesNotThrow(() =>
      assertFeaturesUnderstood([{ feature: "index-v3", ifNotUnderstood: { warn: true } }], undefined),
    );
  });
});
