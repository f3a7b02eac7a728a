/** The driver "bridge": a bridge in the host, and for each endpoint a pair of interfaces between it and the container. */
import type { Op } from "#linux/ops.ts";
import { ROUTE, newVeth, setBridgePort } from "#linux/rtnetlink.ts";
import { parseMac } from "../ipam/addresses.ts";
import { fail } from "#base/errors.ts";
import { ensureBridge } from "./bridge.ts";
import { parseBridgeOptions } from "./bridge-options.ts";
import type { NetworkDriver, Place } from "./driver.ts";
import { hostIndexOf } from "../rate.ts";
import type { Attachment } from "../network.ts";
import { removeLink, removeLinkOp } from "./remove-link.ts";

const ENODEV = 19;

export const bridgeDriver: NetworkDriver = {
  publishes: true,
  settle(_request, base, others) {
    const families = base.ipam.configs.map(({ subnet }) => subnet.includes(":"));
    if (new Set(families).size < families.length) throw fail("forbidden", "bridge driver doesn't support multiple subnets");
    const record = { ...base, ...parseBridgeOptions(base) };
    const same = others.find(({ bridge }) => bridge === record.bridge);
    if (same !== undefined) throw fail("forbidden", `cannot create network ${base.id} (${record.bridge}): conflicts with network ${same.id} (${same.bridge}): networks have same bridge name`);
    return record;
  },
  up: (network, { kernel, ...host }) => ensureBridge(kernel, network, host),
  async down({ bridge, adopted }, { kernel }) {
    if (adopted !== true) await removeLink(kernel, bridge);
  },
  attach: (attachment, place) => [vethOp(attachment, place)],
  detach: ({ hostInterface }) => ({ host: [removeLinkOp(hostInterface)], inside: [] }),
};

/**
 * A port of the bridge sends back where it came from (hairpin) when the container publishes ports: with br_netfilter, a
 * packet of the container to its own published port is turned round at the bridge, not above it.
 */
function vethOp(attachment: Attachment, { own, index }: Place): Op {
  const { hostInterface, mtu, isolated, interface: name = "eth0" } = attachment;
  const peer = { name, mac: parseMac(attachment.mac)! };
  const veth = newVeth({ name: hostInterface, index: hostIndexOf(attachment), master: index, mtu, peer });
  const hairpin = attachment.ports.length > 0;
  const port = hairpin || isolated ? [setBridgePort(hostInterface, { hairpin, isolated })] : [];
  return {
    op: "netlink",
    proto: ROUTE,
    acks: 1 + port.length,
    patchSlot: own,
    patchOffset: veth.length - 4,
    data: Buffer.concat([veth, ...port]),
    note: `${hostInterface} on ${attachment.bridge}, peer ${name} ${attachment.mac}`,
  };
}

/** An endpoint that publishes from now on. An interface that has gone with its container needs nothing. */
export function hairpinOp({ hostInterface, isolated }: Attachment): Op {
  return { op: "netlink", proto: ROUTE, acks: 1, tolerate: ENODEV, data: setBridgePort(hostInterface, { hairpin: true, isolated }), note: `hairpin ${hostInterface}` };
}
