import { define } from "../../client.ts";
import { bool, filter, text } from "../../flags/kinds.ts";
import { joinLabels } from "../../format/containers.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { printRows, type View } from "../../format/rows.ts";
import { goTimeOf } from "../../format/time.ts";
import { shortId } from "../../format/units.ts";
import { encodeFilters } from "../each.ts";

type Network = {
  readonly Id: string;
  readonly Name: string;
  readonly Created: string;
  readonly Driver: string;
  readonly Scope: string;
  readonly EnableIPv4?: boolean;
  readonly EnableIPv6: boolean;
  readonly Internal: boolean;
  readonly Labels: Readonly<Record<string, string>> | null;
};

export const command = define({
  flags: {
    filter: filter("f", "Show only what fits a condition, such as driver=bridge"),
    format: text("", FORMAT.table),
    "no-trunc": bool("", "Don't shorten what is shown"),
    quiet: bool("q", "Show ids only"),
  },
  async run(cli, options) {
    const format = options.format || (options.quiet ? "" : cli.config().format("networksFormat"));
    const api = await cli.api();
    const networks = await api.json<Network[]>("GET", "/networks", { query: { filters: encodeFilters(options.filter) } });
    networks.sort((a, b) => a.Name.localeCompare(b.Name, "en", { numeric: true }));
    await printRows(cli.out, networksView(options["no-trunc"]), networks, { format, quiet: options.quiet });
  },
});

function networksView(full: boolean): View<Network> {
  return {
    type: "*network.networkContext",
    table: ["ID", "Name", "Driver", "Scope"],
    raw: [
      ["network_id", "ID"],
      ["name", "Name"],
      ["driver", "Driver"],
      ["scope", "Scope"],
    ],
    quiet: "ID",
    labels: (network) => network.Labels,
    fields: {
      CreatedAt: ["CREATED AT", (network) => goTimeOf(network.Created)],
      Driver: ["DRIVER", (network) => network.Driver],
      ID: ["NETWORK ID", (network) => (full ? network.Id : shortId(network.Id))],
      IPv4: ["IPV4", (network) => String(network.EnableIPv4 ?? false)],
      IPv6: ["IPV6", (network) => String(network.EnableIPv6)],
      Internal: ["INTERNAL", (network) => String(network.Internal)],
      Labels: ["LABELS", (network) => joinLabels(network.Labels)],
      Name: ["NAME", (network) => network.Name],
      Scope: ["SCOPE", (network) => network.Scope],
    },
  };
}
