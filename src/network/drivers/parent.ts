/**
 * The interface of the host that a macvlan or ipvlan network sits on: one that is there, a VLAN of it ("eth0.50"), which
 * is made when it is missing, or, when none is named, one that leads nowhere ("dm-" and the network's id). What the
 * engine has made bears its mark as an alias, and is removed with the last network on it.
 */
import { fail, messageOf, type Failure } from "#base/errors.ts";
import { ProgramError, type Kernel } from "#linux/linux.ts";
import type { Op, Program } from "#linux/ops.ts";
import { ROUTE, deleteLink, getLink, newLink, readLinks, setLink, vlanData, type Link } from "#linux/rtnetlink.ts";

/** Docker answers all of these with 500. */
export const refusal = (text: string): Failure => fail("internal", text);

const EEXIST = 17;
const ENODEV = 19;
const EINVAL = 22;
const EOPNOTSUPP = 95;
/** How the engine knows again what it has made. */
const MARK = "made by gantry";

export type SublinkKind = "macvlan" | "ipvlan";

/** Docker's name for a parent that nobody named. */
export const isolatedParent = (id: string): string => `dm-${id.slice(0, 12)}`;
const isIsolated = (parent: string) => /^dm-[0-9a-f]{12}$/.test(parent);

/** The index of the parent, which is made if it can be. @throws invalid, not-implemented, with Docker's texts where it has any */
export async function ensureParent(kernel: Kernel, kind: SublinkKind, parent: string): Promise<number> {
  await requireKind(kernel, kind);
  const present = await findLink(kernel, parent);
  if (present !== undefined) {
    if (present.alias === MARK && !present.up) await kernel.perform([linkOp(setLink(parent, { up: true }), `${parent} up`)]);
    return present.index;
  }
  await make(kernel, parent);
  return (await findLink(kernel, parent))!.index;
}

/** Only what the engine has made. */
export async function removeParent(kernel: Kernel, parent: string): Promise<void> {
  const present = await findLink(kernel, parent);
  if (present?.alias === MARK) await kernel.perform([{ ...linkOp(deleteLink(parent), `remove ${parent}`), tolerate: ENODEV }]);
}

async function make(kernel: Kernel, parent: string): Promise<void> {
  if (isIsolated(parent)) return void (await kernel.perform(isolatedOps(parent)));
  const { on, id } = parseVlan(parent);
  const below = await findLink(kernel, on);
  if (below === undefined) throw refusal(`-o parent interface was not found on the host: ${on}`);
  if (id < 1 || id > 4094) throw refusal(`vlan id must be between 1-4094, received: ${id}`);
  try {
    await kernel.perform(markedOps(newLink({ kind: "vlan", name: parent, up: true, link: below.index, data: vlanData(id) }), parent));
  } catch (error) {
    throw fail("internal", `failed to create ${parent} vlan link: ${reasonOf(error)}`, { cause: error });
  }
}

/** "eth0.50"; whatever else names an interface that is not there. Pure. */
export function parseVlan(parent: string): { on: string; id: number } {
  if (!parent.includes(".")) throw refusal(`invalid subinterface vlan name ${parent}, example formatting is eth0.10`);
  const [on = "", id = "", ...rest] = parent.split(".");
  if (rest.length > 0) throw refusal(`required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received ${parent}`);
  if (!/^[+-]?\d+$/.test(id)) throw refusal(`unable to parse a valid vlan id from: ${id} (ex. eth0.10 for vlan 10)`);
  return { on, id: Number(id) };
}

/** Where the kernel has no dummy interfaces a bridge without ports does the same: what is sent through it goes nowhere. */
function isolatedOps(name: string): Program {
  const dummy: Op = { ...linkOp(newLink({ kind: "dummy", name, up: true }), `dummy ${name}`), tolerate: EOPNOTSUPP };
  const bridge: Op = { ...linkOp(newLink({ kind: "bridge", name, up: true }), `bridge ${name}, if there are no dummies`), tolerate: EEXIST };
  return [dummy, bridge, linkOp(setLink(name, { alias: MARK, up: true }), `mark ${name}`)];
}

function markedOps(link: Buffer, name: string): Program {
  return [{ ...linkOp(link, `make ${name}`), undo: [{ ...linkOp(deleteLink(name), `remove ${name}`), tolerate: ENODEV }] }, linkOp(setLink(name, { alias: MARK }), `mark ${name}`)];
}

/** An interface of this kind on nothing: refused for that, or because there is no such kind. Nothing is made. */
async function requireKind(kernel: Kernel, kind: SublinkKind): Promise<void> {
  try {
    await kernel.perform([{ ...linkOp(newLink({ kind, name: "gantry-probe" }), `is there ${kind}`), tolerate: EINVAL }]);
  } catch (error) {
    if (!(error instanceof ProgramError) || error.errno !== EOPNOTSUPP) throw error;
    throw fail("not-implemented", `failed to create the ${kind} port: the kernel of this host has no ${kind} (its module ${kind} is neither built in nor can it be loaded)`, { cause: error });
  }
}

async function findLink(kernel: Kernel, name: string): Promise<Link | undefined> {
  const seen = await kernel.perform([{ op: "netlink", proto: ROUTE, acks: 1, collect: 1, tolerate: ENODEV, data: getLink(name), note: `look for ${name}` }]);
  return readLinks(seen.get(0) ?? Buffer.alloc(0))[0];
}

const reasonOf = (error: unknown) =>
  error instanceof ProgramError && error.errno === EOPNOTSUPP ? "the kernel of this host has no VLANs (module 8021q)" : messageOf(error);

const linkOp = (data: Buffer, note: string): Op => ({ op: "netlink", proto: ROUTE, acks: 1, data, note });
