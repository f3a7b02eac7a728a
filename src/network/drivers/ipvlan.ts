/**
 * The driver "ipvlan": containers share the MAC of an interface of the host and are told apart by address. In mode l2 they
 * are neighbours there; in l3 and l3s the kernel routes between them and it, and their default route is the interface.
 */
import type { Op } from "#linux/ops.ts";
import { ROUTE, ipvlanData, newLink, type IpvlanFlag, type IpvlanMode } from "#linux/rtnetlink.ts";
import type { NetworkDriver, Place } from "./driver.ts";
import { downOnParent, onParent, removeOp } from "./macvlan.ts";
import { ensureParent, isolatedParent, refusal } from "./parent.ts";
import type { Attachment, NetworkRecord } from "../network.ts";
import { refuseIngressRate } from "../rate.ts";

const MODES = new Set(["l2", "l3", "l3s"]);
const FLAGS = new Set(["bridge", "private", "vepa"]);

export const ipvlanDriver: NetworkDriver = {
  publishes: false,
  settle({ Options }, base, others) {
    const [mode, flag] = [Options["ipvlan_mode"] || "l2", Options["ipvlan_flag"] || "bridge"];
    if (!MODES.has(mode)) throw refusal(`requested ipvlan mode '${mode}' is not valid, 'l2' mode is the ipvlan driver default`);
    if (!FLAGS.has(flag)) throw refusal(`requested ipvlan flag '${flag}' is not valid, 'bridge' is the ipvlan driver default`);
    const record = onParent(base, Options["parent"] ?? "", mode);
    const other = others.find((one) => one.driver === "ipvlan" && one.parent === record.parent);
    if (other !== undefined) throw refusal(`network ${isolatedParent(other.id)} is already using parent interface ${record.parent}`);
    return record;
  },
  up: ({ parent = "" }, { kernel }) => ensureParent(kernel, "ipvlan", parent),
  down: downOnParent,
  attach(attachment, place) {
    refuseIngressRate(attachment);
    return [ipvlanOp(attachment, place)];
  },
  detach: ({ interface: name = "eth0" }) => ({ host: [], inside: [removeOp(name)] }),
};

/** Its endpoints have no MAC of their own, and in the modes above l2 no router. */
export const isRouted = ({ driver, mode }: Pick<NetworkRecord, "driver" | "mode">): boolean => driver === "ipvlan" && mode !== "l2";

function ipvlanOp({ interface: name = "eth0", mtu }: Attachment, { own, index, network }: Place): Op {
  const mode = network.mode as IpvlanMode;
  const flag = (network.options["ipvlan_flag"] || "bridge") as IpvlanFlag;
  const data = newLink({ kind: "ipvlan", name, ...(mtu === 0 ? {} : { mtu }), link: index, data: ipvlanData(mode, flag), elsewhere: true });
  return { op: "netlink", proto: ROUTE, acks: 1, patchSlot: own, patchOffset: data.length - 4, data, note: `ipvlan ${name} on ${network.parent}, mode ${mode}, ${flag}` };
}
