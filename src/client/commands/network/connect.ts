import { define } from "../../client.ts";
import { fail } from "#base/errors.ts";
import { int, list, strings, text } from "../../flags/kinds.ts";
import { checkLink } from "../../request/checks.ts";
import { networkPath } from "./path.ts";

export const command = define({
  flags: {
    alias: strings("", "Give it one more name in the network"),
    "driver-opt": strings("", "Set an option of the driver, for this container (key=value)"),
    "gw-priority": int("", "The network with the highest priority is its way out; may be negative"),
    ip: text("", "Its IPv4 address (e.g., 172.30.100.104)"),
    ip6: text("", "Its IPv6 address (e.g., 2001:db8::33)"),
    link: list("", "Link it to another container", { parse: checkLink }),
    "link-local-ip": strings("", "Its link-local addresses"),
  },
  async run(cli, options, [network = "", container = ""]) {
    const driverOptions = Object.fromEntries(options["driver-opt"].map(parseDriverOption));
    const linkLocal = options["link-local-ip"];
    const api = await cli.api();
    await api.text("POST", networkPath(network, "/connect"), {
      json: {
        Container: container,
        EndpointConfig: {
          IPAMConfig: {
            ...(options.ip === "" ? {} : { IPv4Address: options.ip }),
            ...(options.ip6 === "" ? {} : { IPv6Address: options.ip6 }),
            ...(linkLocal.length === 0 ? {} : { LinkLocalIPs: linkLocal }),
          },
          Links: options.link.length === 0 ? null : options.link,
          Aliases: options.alias,
          MacAddress: "",
          DriverOpts: driverOptions,
          GwPriority: options["gw-priority"],
        },
      },
    });
  },
});

function parseDriverOption(option: string): [string, string] {
  const [key = "", ...value] = option.split("=");
  if (value.length === 0) throw fail("invalid", "invalid key/value pair format in driver options");
  return [key, value.join("=")];
}
