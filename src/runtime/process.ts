/** From a process inside its namespaces and root to the container's own: limits, identity, capabilities, filter, exec. */
import { fail } from "#base/errors.ts";
import { ERRNO, PR, RLIMITS, SECCOMP_FILTER_FLAG } from "#linux/constants.ts";
import { stringList } from "#linux/encode.ts";
import type { Op } from "#linux/ops.ts";
import { CAPABILITIES } from "#spec/capabilities.ts";
import type { Capabilities, Linux, Process, Rlimit, Seccomp } from "#spec/oci-runtime.ts";
import type { HostFacts } from "./facts.ts";
import { seccompFilter } from "./seccomp-filter.ts";
import { SLOT } from "./slots.ts";

/**
 * The tail of every program. Without no_new_privs a filter may only be installed by who has CAP_SYS_ADMIN, so it goes in
 * before the last capabilities are dropped; with it, last of all.
 */
export function compileProcess(process: Process, linux: Linux | undefined, host: HostFacts): Op[] {
  const seccomp = linux?.seccomp;
  const { uid, gid, additionalGids = [], umask = 0o022 } = process.user;
  // In a user namespace a process has all of them, whatever the engine has.
  const grantable = linux?.namespaces?.some((one) => one.type === "user") ? ALL : host.capabilities;
  const caps = capabilitySets(process.capabilities ?? {}, grantable);
  const install = seccomp === undefined ? [] : [seccompOp(seccomp, host)];
  const noNewPrivileges = process.noNewPrivileges === true;
  const whileInstalling = seccomp !== undefined && !noNewPrivileges ? SYS_ADMIN & grantable : 0n;
  const set = (extra: bigint): Op => ({ op: "capSet", effective: caps.effective | extra, permitted: caps.permitted | extra, inheritable: caps.inheritable });
  const steps = whileInstalling & ~caps.effective;
  return [
    ...(process.rlimits ?? []).map(rlimitOp),
    ...(process.terminal === true ? [] : [{ op: "setsid" } as const]),
    { op: "keyring", tolerate: ERRNO["ENOSYS"]!, note: "keys of the engine's session stay its own" },
    { op: "setgroups", gids: groupList(additionalGids) },
    { op: "capBounding", mask: caps.bounding },
    { op: "setuser", uid, gid },
    set(steps),
    { op: "capAmbient", mask: caps.ambient },
    ...(noNewPrivileges ? [{ op: "prctl", option: PR.SET_NO_NEW_PRIVS, a: 1, note: "no new privileges" } as const] : []),
    { op: "umask", mode: umask },
    ...install,
    ...(steps !== 0n ? [set(0n)] : []),
    { op: "exec", candidates: stringList(executables(process)), argv: stringList(process.args), env: stringList(process.env ?? []), note: process.args[0] ?? "" },
  ];
}

const SYS_ADMIN = 1n << BigInt(CAPABILITIES.indexOf("CAP_SYS_ADMIN"));

const ALL = (1n << BigInt(CAPABILITIES.length)) - 1n;

/** Names → masks, without what cannot be handed out. @throws invalid for an unknown name */
function capabilitySets(names: Capabilities, grantable: bigint): Record<keyof Capabilities, bigint> {
  const mask = (list: readonly string[] | undefined) => capabilityMask(list ?? []) & grantable;
  return {
    bounding: mask(names.bounding),
    effective: mask(names.effective),
    permitted: mask(names.permitted),
    inheritable: mask(names.inheritable),
    ambient: mask(names.ambient),
  };
}

export function capabilityMask(names: readonly string[]): bigint {
  return names.reduce((mask, name) => {
    const number = (CAPABILITIES as readonly string[]).indexOf(name);
    if (number < 0) throw fail("invalid", `set capabilities: no capability is named ${JSON.stringify(name)}`);
    return mask | (1n << BigInt(number));
  }, 0n);
}

/**
 * Goes to the working directory, which is open in `SLOT.folder`: a path could lead through a descriptor of ours by now
 * (ID-02). The kernel is asked whether it can be reached from the root.
 */
export function enterFolder(process: Process): Op[] {
  return process.cwd === "/" ? [] : [{ op: "fchdir", slot: SLOT.folder }, { op: "chdir", path: ".", note: process.cwd }];
}

function rlimitOp({ type, soft, hard }: Rlimit): Op {
  const resource = (RLIMITS as readonly string[]).indexOf(type);
  if (resource < 0) throw fail("invalid", `set limits: no limit is named ${JSON.stringify(type)}`);
  return { op: "rlimit", resource, soft, hard, note: type };
}

function groupList(gids: readonly number[]): Buffer {
  const unique = [...new Set(gids)];
  const out = Buffer.alloc(unique.length * 4);
  for (const [index, gid] of unique.entries()) out.writeUInt32LE(gid, index * 4);
  return out;
}

/** A bare name is looked for in the container's PATH; relative entries of it are passed over. */
function executables(process: Process): string[] {
  const name = process.args[0] ?? "";
  if (name.includes("/")) return [name];
  const path = (process.env ?? []).findLast((entry) => entry.startsWith("PATH="))?.slice("PATH=".length) ?? "";
  return path
    .split(":")
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => `${folder.replace(/\/+$/, "")}/${name}`);
}

/** Flags: what the spec says, or else that speculation is not slowed down, as runc does. */
function seccompOp(seccomp: Seccomp, host: HostFacts): Op {
  const known: Record<string, number> = { SECCOMP_FILTER_FLAG_LOG: SECCOMP_FILTER_FLAG.LOG, SECCOMP_FILTER_FLAG_SPEC_ALLOW: SECCOMP_FILTER_FLAG.SPEC_ALLOW, SECCOMP_FILTER_FLAG_TSYNC: 0 };
  const flags = (seccomp.flags ?? ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]).reduce((bits, name) => {
    if (known[name] === undefined) throw fail("not-implemented", `filter system calls: flag ${JSON.stringify(name)}`);
    return bits | known[name];
  }, 0);
  return { op: "seccomp", flags, data: seccompFilter(seccomp, host.arch), note: "filter of system calls" };
}

