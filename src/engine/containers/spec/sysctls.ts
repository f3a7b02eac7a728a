/** --sysctl: which settings belong to a container's own namespaces, and what every container is given. Pure. */
import { fail } from "#base/errors.ts";

export type OwnNamespaces = { readonly network: boolean; readonly ipc: boolean; readonly uts: boolean };

const IPC = new Set(["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"].map((name) => `kernel.${name}`));

/** With a network of its own any user may use low ports and ping: nobody else is there to be harmed. */
const DEFAULTS: Readonly<Record<string, string>> = { "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647" };

/** @throws invalid for one that is the host's, or is no name (ID-17) */
export function containerSysctls(asked: Readonly<Record<string, string>>, own: OwnNamespaces): Record<string, string> {
  const entries = Object.entries(asked).map(([name, value]): [string, string] => [checkSysctl(name, value, own), value]);
  return { ...(own.network ? DEFAULTS : {}), ...Object.fromEntries(entries) };
}

function checkSysctl(written: string, value: string, own: OwnNamespaces): string {
  const bad = () => fail("invalid", `sysctl '${written}' is not allowed`);
  const name = normalName(written);
  if (!/^[a-z0-9_]+(\.[\w:@/-]+)+$/i.test(name) || /[\0\n]/.test(value) || name.split(/[./]/).includes("")) throw bad();
  if (name.startsWith("net.")) {
    if (!own.network) throw fail("invalid", `sysctl '${written}' not allowed in host network namespace`);
  } else if (IPC.has(name) || name.startsWith("fs.mqueue.")) {
    if (!own.ipc) throw fail("invalid", `sysctl '${written}' not allowed in host ipc namespace`);
  } else if (name === "kernel.domainname") {
    if (!own.uts) throw fail("invalid", `sysctl '${written}' not allowed in host uts namespace`);
  } else throw bad();
  return name;
}

/** With a slash first, slashes separate and dots belong to a name: "net/ipv4/conf/eth0.1/x" → "net.ipv4.conf.eth0/1.x". */
function normalName(name: string): string {
  return /^[^./]*\//.test(name) ? name.replace(/[./]/g, (mark) => (mark === "/" ? "." : "/")) : name;
}
