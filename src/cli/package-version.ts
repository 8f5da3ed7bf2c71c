import { readFileSync } from "node:fs";
import { projectRoot } from "../base/project-root.ts";

/** Of this program. */
export function versionOfPackage(): string {
  const packageFile = new URL("package.json", projectRoot);
  return (JSON.parse(readFileSync(packageFile, "utf8")) as { version: string }).version;
}
