import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  parallelFilesDownload,
  parallelFilesUpload,
  writeSparseFiles,
} from "../../../src/agent/velero/uploader-settings.ts";
import { hasCode } from "../../../src/base/errors.ts";

const of = (name: string, value: string) => new Map([[name, value]]);
const isInvalid = (error: unknown) => hasCode(error, "UPLOADER_SETTING_INVALID");

describe("uploader settings", () => {
  it("give the number of processors where they say nothing or nothing positive", () => {
    for (const settings of [new Map(), of("ParallelFilesUpload", "0"), of("ParallelFilesUpload", "-3")]) {
      assert.equal(parallelFilesUpload(settings, 8), 8);
    }
    assert.equal(parallelFilesUpload(of("ParallelFilesUpload", "3"), 8), 3);
    assert.equal(parallelFilesDownload(of("ParallelFilesDownload", "5"), 8), 5);
  });

  it("read booleans as Go does", () => {
    for (const text of ["1", "t", "TRUE", "True"]) assert.equal(writeSparseFiles(of("WriteSparseFiles", text)), true);
    for (const text of ["0", "f", "false"]) assert.equal(writeSparseFiles(of("WriteSparseFiles", text)), false);
    assert.equal(writeSparseFiles(new Map()), false);
  });

  it("refuse what cannot be read", () => {
    assert.throws(() => parallelFilesUpload(of("ParallelFilesUpload", "many"), 8), isInvalid);
    assert.throws(() => parallelFilesUpload(of("ParallelFilesUpload", "99999999999"), 8), isInvalid);
    assert.throws(() => writeSparseFiles(of("WriteSparseFiles", "yes")), isInvalid);
  });
});
