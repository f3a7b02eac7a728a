import { arch, release } from "node:os";
import type { Facts } from "../api.ts";
import { NEWEST, OLDEST } from "../versions.ts";

/** Go's names of what Node names otherwise. */
export function architecture(): string {
  const names: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };
  return names[arch()] ?? arch();
}

/** GET /version. */
export function version(facts: Facts): object {
  const common = { GitCommit: facts.commit, GoVersion: `node${process.versions.node}`, Os: "linux", Arch: architecture(), KernelVersion: release(), BuildTime: "" };
  const details = { ...common, ApiVersion: `1.${NEWEST}`, MinAPIVersion: `1.${OLDEST}`, Experimental: String(facts.experimental) };
  return {
    Platform: { Name: "Gantry" },
    Components: [
      { Name: "Engine", Version: facts.version, Details: details },
      { Name: "cell", Version: facts.version, Details: { GitCommit: facts.commit } },
    ],
    Version: facts.version,
    ApiVersion: `1.${NEWEST}`,
    MinAPIVersion: `1.${OLDEST}`,
    ...common,
    ...(facts.experimental && { Experimental: true }),
  };
}
