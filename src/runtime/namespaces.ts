/**
 * The namespaces of a container: which are created by clone, which by unshare, which are joined, and in what order.
 *
 * The pid (and time) namespace is made by clone, so that no second process is needed. All others are made by unshare:
 * after the cgroup was joined, which they are then accounted to, and which a cgroup namespace then shows as its root. A
 * new user namespace must own the others, so then everything is made by unshare, and a fork enters the pid namespace.
 */
import { fail } from "#base/errors.ts";
import { AT, CLONE, MS, O } from "#linux/constants.ts";
import type { Op, Program } from "#linux/ops.ts";
import { INIT_PIDFD } from "#linux/ops.ts";
import { kernelAtLeast } from "#spec/kernel.ts";
import type { IdMapping, NamespaceType, Spec } from "#spec/oci-runtime.ts";
import type { ContainerFacts } from "./facts.ts";
import { SLOT } from "./slots.ts";

export type Namespaces = {
  readonly cloneFlags: number;
  /** From the host's namespaces into the container's. */
  readonly enter: Program;
  /** What the shim does while init waits. */
  readonly parent: Program;
};

export const NAMESPACE_FLAGS: Readonly<Record<NamespaceType, number>> = {
  pid: CLONE.NEWPID,
  network: CLONE.NEWNET,
  mount: CLONE.NEWNS,
  ipc: CLONE.NEWIPC,
  uts: CLONE.NEWUTS,
  user: CLONE.NEWUSER,
  cgroup: CLONE.NEWCGROUP,
  time: CLONE.NEWTIME,
};

/** `taken`: ops that must see the host's mounts as they are, before they are left. */
export function compileNamespaces(spec: Spec, facts: ContainerFacts, taken: Program): Namespaces {
  const listed = listNamespaces(spec, facts);
  const created = listed.filter((one) => one.path === undefined).map((one) => one.type);
  const joined = listed.flatMap(({ type, path }, index) => (path === undefined ? [] : [{ type, path, slot: SLOT.namespaces + index }]));
  const newUser = created.includes("user");
  const byClone: NamespaceType[] = newUser ? [] : created.filter((type) => type === "pid" || type === "time");
  const flags = flagsOf(created.filter((type) => !byClone.includes(type) && type !== "user"));
  const forks = joined.some((one) => one.type === "pid" || one.type === "time") || (newUser && (flags & (CLONE.NEWPID | CLONE.NEWTIME)) !== 0);
  const network = networkOps(facts, created.includes("network"));
  const joinedUser = joined.filter((one) => one.type === "user");
  return {
    cloneFlags: flagsOf(byClone),
    enter: [
      ...joined.map((one) => openNamespace(one)),
      ...taken,
      ...joined.filter((one) => one.type !== "user").map((one) => enterNamespace(one)),
      ...network.before,
      ...(newUser ? newUserOps() : []),
      ...joinedUser.flatMap((one) => [enterNamespace(one), becomeRoot]),
      { op: "unshare", flags: flags & ~network.made, note: namesOf(flags & ~network.made) },
      ...(forks ? [{ op: "fork" } as const] : []),
      { op: "mountSetattr", path: "/", flags: AT.RECURSIVE, propagation: MS.PRIVATE, note: "mounts of the host stay the host's" },
      ...network.inside,
    ],
    parent: newUser ? [idMap(spec)] : [],
  };
}

function listNamespaces(spec: Spec, facts: ContainerFacts): { type: NamespaceType; path?: string }[] {
  const listed = (spec.linux?.namespaces ?? []).filter((one) => one.type !== "time" || kernelAtLeast(facts.host, 5, 6));
  const types = listed.map((one) => one.type);
  if (new Set(types).size !== types.length) throw fail("invalid", "compile namespaces: one is listed twice");
  const mount = listed.find((one) => one.type === "mount");
  if (mount === undefined) throw fail("invalid", "compile namespaces: a container needs a mount namespace");
  if (mount.path !== undefined) throw fail("not-implemented", "compile namespaces: joining a mount namespace");
  for (const one of listed) if (NAMESPACE_FLAGS[one.type] === undefined) throw fail("invalid", `compile namespaces: no type ${JSON.stringify(one.type)}`);
  return listed.map(({ type, path }) => ({ type, ...(path ? { path } : {}) }));
}

const flagsOf = (types: readonly NamespaceType[]) => types.reduce((flags, type) => flags | NAMESPACE_FLAGS[type], 0);

const namesOf = (flags: number) => (Object.keys(NAMESPACE_FLAGS) as NamespaceType[]).filter((type) => NAMESPACE_FLAGS[type] & flags).join(" ");

type Joined = { type: NamespaceType; path: string; slot: number };

function openNamespace({ path, slot }: Joined): Op {
  const [, pid, name] = /^\/proc\/(\d+)\/ns\/([a-z_]+)$/.exec(path) ?? [];
  if (pid !== undefined && name !== undefined) return { op: "openNs", slot, pid: Number(pid), path: name };
  return { op: "open", slot, path, flags: O.RDONLY };
}

const enterNamespace = ({ type, slot }: Joined): Op => ({ op: "setns", slot, flags: NAMESPACE_FLAGS[type], note: type });

const becomeRoot: Op = { op: "setuser", uid: 0, gid: 0 };

/** The shim writes the maps; before that nobody is anybody in the new namespace. */
function newUserOps(): Op[] {
  return [{ op: "unshare", flags: CLONE.NEWUSER }, { op: "sync", note: "the shim writes the id maps" }, becomeRoot];
}

function idMap(spec: Spec): Op {
  const { uidMappings = [], gidMappings = [] } = spec.linux ?? {};
  if (uidMappings.length === 0 || gidMappings.length === 0) throw fail("invalid", "compile namespaces: a user namespace needs uidMappings and gidMappings");
  return { op: "idMap", slot: INIT_PIDFD, uids: mapLines(uidMappings), gids: mapLines(gidMappings) };
}

const mapLines = (maps: readonly IdMapping[]) => maps.map((one) => `${one.containerID} ${one.hostID} ${one.size}\n`).join("");

/**
 * A network that reaches out of its namespace is made from both sides: the namespace is created, then the host's side is
 * made from the host's namespace, then the container's from its own.
 */
function networkOps(facts: ContainerFacts, created: boolean): { before: Op[]; inside: Program; made: number } {
  const { network } = facts;
  if (network === undefined) return { before: [], inside: [], made: 0 };
  if (network.host.length === 0) return { before: [], inside: network.inside, made: 0 };
  if (!created) throw fail("invalid", "compile namespaces: network ops need a new network namespace");
  return {
    before: [
      { op: "openNs", slot: SLOT.hostNetwork, path: "net" },
      { op: "unshare", flags: CLONE.NEWNET },
      { op: "openNs", slot: SLOT.network, path: "net" },
      { op: "setns", slot: SLOT.hostNetwork, flags: CLONE.NEWNET },
      ...network.host,
      { op: "setns", slot: SLOT.network, flags: CLONE.NEWNET },
      { op: "close", slot: SLOT.hostNetwork },
    ],
    inside: network.inside,
    made: CLONE.NEWNET,
  };
}
