import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { judgeVersion, versionOfImage } from "../../src/doctor/velero-version.ts";

function judged(image: string) {
  const version = versionOfImage(image);
  return version === undefined ? undefined : judgeVersion(version);
}

describe("a Velero server's version", () => {
  it("is that of its image's tag, with a registry's port, a suffix or a digest too", () => {
    const wanted = { major: 1, minor: 17, patch: 2 };
    for (const image of [
      "velero/velero:v1.17.2",
      "r.example:5000/velero:1.17.2",
      "velero:v1.17.2-rc.1",
      "velero:v1.17.2@sha256:00",
    ]) {
      assert.deepEqual(versionOfImage(image), wanted, image);
    }
    for (const image of ["velero/velero", "velero:main", "velero@sha256:00", "r.example:5000/velero", ""]) {
      assert.equal(versionOfImage(image), undefined, image);
    }
  });

  it("is harmful where the server crashes or loses snapshots by itself", () => {
    for (const tag of ["1.14.0", "1.15.2", "1.16.0"]) assert.equal(judged(`velero:v${tag}`)?.is, "harmful", tag);
    for (const tag of ["1.16.1", "1.17.0", "1.18.9"]) assert.equal(judged(`velero:v${tag}`)?.is, "known", tag);
    for (const tag of ["1.13.9", "0.9.1", "1.19.0", "2.0.0"])
      assert.equal(judged(`velero:v${tag}`)?.is, "untried", tag);
  });

  it("has its traps", () => {
    const traps = (tag: string) => {
      const judgement = judged(`velero:v${tag}`);
      return judgement?.is === "known"
        ? judgement.traps.map((trap) => (/Canceled/.test(trap) ? "canceled" : "restore"))
        : [];
    };
    assert.deepEqual(traps("1.16.2"), ["restore"]);
    assert.deepEqual(traps("1.17.0"), ["canceled", "restore"]);
    assert.deepEqual(traps("1.18.2"), ["canceled"]);
    assert.deepEqual(traps("1.18.3"), []);
  });
});
