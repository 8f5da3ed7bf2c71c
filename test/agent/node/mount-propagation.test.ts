/** What a container sees of the kubelet's mounts, with the kernel's own mount namespaces in the part of containers. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { it } from "node:test";
import { requireRoot } from "../../support/required.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

/** The pods root is a mount that passes on what is mounted below, as a host's are. */
const script = `
set -e
trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
cd "$1"
mount --bind pods pods
mount --make-shared pods
mkfifo ready-slave go-slave ready-private go-private
for propagation in slave private; do
  unshare --mount --propagation $propagation sh -c '
    echo > ready-$1
    read -r _ < go-$1
    exec "$2" --input-type=module --eval "$3" "$PWD/pods" > found-$1' sh $propagation "$2" "$3" &
done
read -r _ < ready-slave
read -r _ < ready-private
mount -t tmpfs none pods/u-1/volumes/kubernetes.io~csi/pv-1/mount
echo hello > pods/u-1/volumes/kubernetes.io~csi/pv-1/mount/a.txt
echo > go-slave
echo > go-private
wait
`;
const modulePath = join(import.meta.dirname, "..", "..", "..", "src", "agent", "node", "volume-path.ts");
const search = `
import { readdirSync } from "node:fs";
import { findVolumePath } from ${JSON.stringify(modulePath)};
const place = { podUid: "u-1", folders: ["pv-1", "mount"], type: "csi", isMemory: false, isMirror: false };
const wanted = { pod: { namespace: "shop", name: "db-0", uid: "u-1" }, volume: "data" };
try {
  const { path, doubt } = await findVolumePath(process.argv[1], place, wanted, { runningPodUids: async () => [] });
  console.log(readdirSync(path).join(), doubt);
} catch (error) {
  console.log(error.code);
}
`;

it("a volume that is mounted later is found with propagation, and refused as not mounted without", (t) => {
  if (!requireRoot(t)) return;
  try {
    execFileSync("unshare", ["--mount", "true"], { stdio: "ignore" });
  } catch (error) {
    assert.ok(error instanceof Error);
    return t.skip("needs the right to make mount namespaces");
  }
  const folder = temporaryFolder(t);
  const volume = join(folder, "pods", "u-1", "volumes", "kubernetes.io~csi", "pv-1");
  mkdirSync(join(volume, "mount"), { recursive: true });
  writeFileSync(join(volume, "vol_data.json"), "{}");
  const args = ["--mount", "--propagation", "private", "sh", "-c", script, "sh", folder, process.execPath, search];
  execFileSync("unshare", args, { stdio: ["ignore", "inherit", "inherit"], timeout: 60_000 });
  const found = (propagation: string) => readFileSync(join(folder, `found-${propagation}`), "utf8").trim();
  assert.equal(found("slave"), "a.txt undefined");
  assert.equal(found("private"), "POD_VOLUME_NOT_MOUNTED");
});
