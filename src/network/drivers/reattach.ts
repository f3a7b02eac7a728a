/** Host's ends of pairs that lost their bridge, because somebody deleted it: back into it, as they were. */
import type { Op } from "#linux/ops.ts";
import { ROUTE, setBridgePort, setLink } from "#linux/rtnetlink.ts";
import type { HostView } from "./bridge.ts";
import type { Attachment } from "../network.ts";

const ENODEV = 19;

/** `indexes`: of the bridges, by network's id. */
export function reattachOps(view: HostView, attachments: readonly Attachment[], indexes: ReadonlyMap<string, number>): Op[] {
  const links = new Map(view.links.map((link) => [link.name, link]));
  return attachments.flatMap((one) => {
    const [link, master] = [links.get(one.hostInterface), indexes.get(one.networkId)];
    if ((one.driver ?? "bridge") !== "bridge" || link === undefined || master === undefined || link.master === master) return [];
    const { hostInterface, isolated, ports } = one;
    const data = Buffer.concat([setLink(hostInterface, { up: true, master }), setBridgePort(hostInterface, { hairpin: ports.length > 0, isolated })]);
    return [{ op: "netlink", proto: ROUTE, acks: 2, tolerate: ENODEV, data, note: `${hostInterface} back into ${one.bridge}` }];
  });
}
