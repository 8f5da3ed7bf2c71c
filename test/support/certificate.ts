import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { describeRun, runProgram } from "./program.ts";
import { lacking } from "./required.ts";

/** A fresh certificate for 127.0.0.1 that is its own authority, as PEM. Undefined when the test was skipped. */
export async function requireCertificate(
  t: TestContext,
  folder: string,
): Promise<{ readonly key: string; readonly cert: string } | undefined> {
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=fsb-test", "-addext", "subjectAltName=IP:127.0.0.1"];
  const keyKind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const args = ["req", "-x509", ...keyKind, "-days", "2", ...subject, "-keyout", key, "-out", cert];
  try {
    const run = await runProgram("openssl", args, { env: process.env });
    if (run.exitCode !== 0) return lacking(t, describeRun(run));
  } catch {
    return lacking(t, "openssl is not installed");
  }
  return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
}
