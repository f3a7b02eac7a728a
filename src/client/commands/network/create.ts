import { define } from "../../client.ts";
import { bool, list, map, strings, text } from "../../flags/kinds.ts";
import { checkLabel } from "../../request/checks.ts";
import { buildIpam } from "../../request/ipam.ts";
import { toMap } from "../../request/variables.ts";

export const command = define({
  flags: {
    attachable: bool("", "Let containers join it by hand, where services use it"),
    "aux-address": map("", "Address that no container is to get (name=address)"),
    "config-from": text("", "Take the settings of this network"),
    "config-only": bool("", "Keep settings for other networks, and make none"),
    driver: text("d", "Driver of the network", "bridge"),
    gateway: strings("", "Address of the gateway in a subnet"),
    ingress: bool("", "Make it the routing mesh of a swarm"),
    internal: bool("", "Let nothing in from outside, nor out"),
    "ip-range": strings("", "Give containers addresses of this part of a subnet"),
    "ipam-driver": text("", "Driver that gives addresses", "default"),
    "ipam-opt": map("", "Set an option of the driver that gives addresses"),
    ipv4: bool("", "Give containers IPv4 addresses", true),
    ipv6: bool("", "Give containers IPv6 addresses"),
    label: list("", "Set a label", { parse: checkLabel }),
    opt: map("o", "Set an option of the driver"),
    scope: text("", "Where the network is: local or swarm"),
    subnet: strings("", "Subnet (a prefix, 10.1.0.0/16)"),
  },
  async run(cli, options, [name = ""]) {
    const config = buildIpam({ subnets: options.subnet, ranges: options["ip-range"], gateways: options.gateway, aux: options["aux-address"] });
    const body = {
      Driver: options.driver,
      Scope: options.scope,
      ...(options.given.has("ipv4") ? { EnableIPv4: options.ipv4 } : {}),
      ...(options.given.has("ipv6") ? { EnableIPv6: options.ipv6 } : {}),
      IPAM: { Driver: options["ipam-driver"], Options: options["ipam-opt"], Config: config },
      Internal: options.internal,
      Attachable: options.attachable,
      Ingress: options.ingress,
      ConfigOnly: options["config-only"],
      ConfigFrom: options["config-from"] === "" ? null : { Network: options["config-from"] },
      Options: options.opt,
      Labels: toMap(options.label),
      Name: name,
    };
    const api = await cli.api();
    // Before 1.44 an engine made several of one name, unless it was told not to.
    const made = await api.json<{ Id: string }>("POST", "/networks/create", { json: api.atLeast("1.44") ? body : { ...body, CheckDuplicate: true } });
    cli.out.write(`${made.Id}\n`);
  },
});
