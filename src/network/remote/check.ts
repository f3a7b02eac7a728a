/** What a plugin says of an endpoint, before anything is made of it. Pure. @throws internal */
import { fail, type Failure } from "#base/errors.ts";
import { formatAddress, parseAddress, parseMac, parsePrefix } from "../ipam/addresses.ts";
import type { Attachment } from "../network.ts";
import type { RemoteEndpoint, RemoteJoined } from "./remote.ts";

/** IFNAMSIZ is 16, with the NUL. */
const INTERFACE = /^[^/\s:\0]{1,15}$/;
const PREFIX = /^[a-zA-Z][a-zA-Z0-9._-]{0,10}$/;
const MOST_ROUTES = 256;

/** The attachment with addresses that were left to the plugin. It may not change what is there. */
export function checkEndpoint(attachment: Attachment, asked: RemoteEndpoint, given: { readonly address: string; readonly address6: string; readonly mac: string }): Attachment {
  if (given.mac !== "" && asked.mac !== "" && given.mac.toLowerCase() !== asked.mac.toLowerCase()) {
    throw refusal(`driver modified interface MAC address: endpoint interface MAC address present (${asked.mac}). Cannot be modified with ${given.mac}.`);
  }
  if (given.mac !== "" && !isMac(given.mac)) throw refusal(`invalid MAC address ${JSON.stringify(given.mac)}`);
  const [four, six] = [choose(asked.address, given.address, 4), choose(asked.address6, given.address6, 16)];
  return { ...attachment, address: four.address, prefixLength: four.prefixLength, address6: six.address, prefixLength6: six.prefixLength };
}

export function checkJoined(joined: RemoteJoined): RemoteJoined {
  const { source, prefix, gateway, gateway6, routes } = joined;
  if (source === "") throw refusal("no interface: the plugin named none for the container");
  if (!INTERFACE.test(source)) throw refusal(`invalid interface name ${JSON.stringify(source)}`);
  if (prefix !== "" && !PREFIX.test(prefix)) throw refusal(`invalid interface prefix ${JSON.stringify(prefix)}`);
  if (gateway !== "" && parseAddress(gateway)?.length !== 4) throw refusal(`failed to parse Gateway IP: ${JSON.stringify(gateway)}`);
  if (gateway6 !== "" && parseAddress(gateway6)?.length !== 16) throw refusal(`failed to parse Gateway IPv6: ${JSON.stringify(gateway6)}`);
  if (routes.length > MOST_ROUTES) throw refusal(`${routes.length} static routes: more than ${MOST_ROUTES}`);
  for (const { destination, nextHop } of routes) {
    const prefix = parsePrefix(destination);
    if (prefix === undefined) throw refusal(`invalid static route ${JSON.stringify(destination)}`);
    if (nextHop !== "" && parseAddress(nextHop)?.length !== prefix.address.length) throw refusal(`invalid next hop ${JSON.stringify(nextHop)} of static route ${destination}`);
  }
  return joined;
}

function choose(asked: string, given: string, length: 4 | 16): { address: string; prefixLength: number } {
  const wanted = given === "" ? asked : given;
  if (wanted === "") return { address: "", prefixLength: 0 };
  const prefix = parsePrefix(wanted);
  if (prefix === undefined || prefix.address.length !== length) throw refusal(`invalid CIDR address: ${wanted}`);
  const exact = { address: formatAddress(prefix.address), prefixLength: prefix.prefixLength };
  if (asked !== "" && `${exact.address}/${exact.prefixLength}` !== asked) {
    throw refusal(`driver modified interface address: endpoint interface IP present (${asked}). Cannot be modified with (${given}).`);
  }
  return exact;
}

const refusal = (text: string): Failure => fail("internal", `remote: ${text}`);

const isMac = (text: string) => {
  const mac = parseMac(text);
  return mac !== undefined && (mac[0]! & 1) === 0;
};
