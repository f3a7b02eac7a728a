/**
 * The driver "macvlan": each container has an interface with a MAC of its own on an interface of the host, and so is a
 * neighbour in that network. The host's firewall, and published ports, do not come into it.
 */
import type { Op } from "#linux/ops.ts";
import { ROUTE, deleteLink, macvlanData, newLink, type MacvlanMode } from "#linux/rtnetlink.ts";
import { parseMac } from "../ipam/addresses.ts";
import type { NetworkDriver, Place } from "./driver.ts";
import { ensureParent, isolatedParent, refusal, removeParent } from "./parent.ts";
import type { Attachment, NetworkRecord } from "../network.ts";
import { refuseIngressRate } from "../rate.ts";

const ENODEV = 19;
const MODES = new Set(["bridge", "private", "passthru", "vepa"]);

export const macvlanDriver: NetworkDriver = {
  publishes: false,
  settle({ Options }, base, others) {
    const mode = Options["macvlan_mode"] || "bridge";
    if (!MODES.has(mode)) throw refusal(`requested macvlan mode '${mode}' is not valid, 'bridge' mode is the macvlan driver default`);
    const record = onParent(base, Options["parent"] ?? "", mode);
    refuseSharing(record, others);
    return record;
  },
  up: ({ parent = "" }, { kernel }) => ensureParent(kernel, "macvlan", parent),
  down: downOnParent,
  attach(attachment, place) {
    refuseIngressRate(attachment);
    return [macvlanOp(attachment, place)];
  },
  detach: ({ interface: name = "eth0" }) => ({ host: [], inside: [removeOp(name)] }),
};

/** What macvlan and ipvlan have in common: without a parent the network is internal; its containers have the parent's MTU unless told another. */
export function onParent(base: NetworkRecord, parent: string, mode: string): NetworkRecord {
  const { driver, options } = base;
  if (parent === "lo") throw refusal(`loopback interface is not a valid ${driver} parent link`);
  return {
    ...base,
    parent: parent === "" ? isolatedParent(base.id) : parent,
    internal: base.internal || parent === "",
    mode,
    bridge: "",
    masquerade: false,
    mtu: options["com.docker.network.driver.mtu"] === undefined ? 0 : base.mtu,
  };
}

/** The interface goes with the last network on it. */
export async function downOnParent({ parent = "" }: NetworkRecord, { kernel, others }: Parameters<NetworkDriver["down"]>[1]): Promise<void> {
  if (!others.some((other) => other.parent === parent)) await removeParent(kernel, parent);
}

export const removeOp = (name: string): Op => ({ op: "netlink", proto: ROUTE, acks: 1, tolerate: ENODEV, data: deleteLink(name), note: `remove ${name}` });

/** Several networks may be on one interface, but not beside one that has it whole. */
function refuseSharing({ parent, mode }: NetworkRecord, others: readonly NetworkRecord[]): void {
  for (const other of others.filter((one) => one.driver === "macvlan" && one.parent === parent)) {
    if (mode === "passthru") throw refusal(`cannot use mode passthru, macvlan network ${other.id} is already using parent interface ${parent}`);
    if (other.mode === "passthru") throw refusal(`macvlan network ${other.id} is already using parent interface ${parent} in mode passthru`);
  }
}

function macvlanOp({ interface: name = "eth0", mac, mtu }: Attachment, { own, index, network }: Place): Op {
  const mode = network.mode as MacvlanMode;
  const data = newLink({
    kind: "macvlan",
    name,
    mac: parseMac(mac)!,
    ...(mtu === 0 ? {} : { mtu }),
    link: index,
    data: macvlanData(mode),
    elsewhere: true,
  });
  return { op: "netlink", proto: ROUTE, acks: 1, patchSlot: own, patchOffset: data.length - 4, data, note: `macvlan ${name} ${mac} on ${network.parent}, mode ${mode}` };
}
