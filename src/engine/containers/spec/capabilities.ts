/** --cap-add, --cap-drop, --privileged → names of capabilities. Pure. */
import { fail } from "#base/errors.ts";
import { CAPABILITIES } from "#spec/capabilities.ts";
import type { HostConfig } from "#spec/docker.ts";

/** What every container has. */
export const DEFAULT_CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
] as const;

const ALL = "ALL";

/** All that the kernel knows. */
export function allCapabilities(lastCapability: number): string[] {
  return CAPABILITIES.slice(0, lastCapability + 1);
}

/** @throws invalid for an unknown name, with Docker's text */
export function containerCapabilities(hostConfig: Pick<HostConfig, "CapAdd" | "CapDrop" | "Privileged">, lastCapability: number): string[] {
  const all = allCapabilities(lastCapability);
  const add = normalize(hostConfig.CapAdd ?? [], "CapAdd", all);
  const drop = normalize(hostConfig.CapDrop ?? [], "CapDrop", all);
  if (hostConfig.Privileged || add.includes(ALL)) return all.filter((name) => hostConfig.Privileged || !drop.includes(name));
  const base = drop.includes(ALL) ? [] : DEFAULT_CAPABILITIES.filter((name) => !drop.includes(name));
  return [...new Set([...base, ...add])];
}

/** "net_admin" → "CAP_NET_ADMIN". */
function normalize(names: readonly string[], field: string, known: readonly string[]): string[] {
  return names.map((name) => {
    const upper = name.toUpperCase();
    if (upper === ALL) return ALL;
    const full = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    if (!known.includes(full)) throw fail("invalid", `invalid ${field}: unknown capability: "${full}"`);
    return full;
  });
}
