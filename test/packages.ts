/** Programs that the stories use, from the distribution's packages. What cannot be had is a reason to skip, not to fail. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Program → Debian package. */
const wanted: Readonly<Record<string, string>> = { busybox: "busybox-static", nft: "nftables", ip: "iproute2", script: "bsdutils", "docker-registry": "docker-registry", "docker-compose": "docker-compose" };

export function installMissing(): void {
  const missing = Object.entries(wanted).filter(([program]) => !onPath(program)).map(([, name]) => name);
  if (missing.length === 0 || process.getuid?.() !== 0 || !onPath("apt-get")) return;
  process.stderr.write(`gantry: installing for the tests: ${missing.join(" ")} …\n`);
  const install = (): number | null => spawnSync("apt-get", ["install", "-qq", "-y", "--no-install-recommends", ...missing], { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } }).status;
  if (install() === 0) return;
  spawnSync("apt-get", ["update", "-qq"], { stdio: ["ignore", "ignore", "inherit"] });
  if (install() !== 0) process.stderr.write("gantry: they could not be installed; stories that need them are skipped\n");
}

export function onPath(program: string): boolean {
  return `${process.env["PATH"] ?? ""}${delimiter}/usr/sbin${delimiter}/sbin`.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
