import { parseReference } from "#spec/reference.ts";
import { define } from "../../client.ts";
import { authHeader } from "../../credentials/credentials.ts";
import { bool, filter, int, text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { printRows, type View } from "../../format/rows.ts";
import { ellipsis } from "../../format/units.ts";
import { encodeFilters } from "../each.ts";

type Found = { readonly name: string; readonly description: string; readonly star_count: number; readonly is_official: boolean; readonly is_automated: boolean };

export const command = define({
  flags: {
    filter: filter("f", "Show only what fits a condition, such as is-official=true or stars=3"),
    format: text("", FORMAT.table),
    limit: int("", "At most so many"),
    "no-trunc": bool("", "Don't shorten descriptions"),
  },
  async run(cli, options, [term = ""]) {
    const api = await cli.api();
    const auth = await authHeader(cli, registryOf(term));
    const found = await api.json<Found[]>("GET", "/images/search", {
      query: { term, limit: options.limit === 0 ? undefined : options.limit, filters: encodeFilters(options.filter) },
      headers: auth === undefined ? {} : { "X-Registry-Auth": auth },
    });
    await printRows(cli.out, searchView(options["no-trunc"]), found, { format: options.format });
  },
});

function registryOf(term: string): string {
  const first = term.slice(0, Math.max(0, term.indexOf("/")));
  return /[.:]/.test(first) || first === "localhost" ? parseReference(`${first}/x`).domain : "docker.io";
}

const mark = (holds: boolean): string => (holds ? "[OK]" : "");
const DESCRIPTION = 45;

const searchView = (full: boolean): View<Found> => ({
  type: "*formatter.searchContext",
  table: ["Name", "Description", "StarCount", "IsOfficial"],
  quiet: "Name",
  fields: {
    Name: ["NAME", ({ name }) => name],
    Description: ["DESCRIPTION", ({ description }) => {
      const line = description.replaceAll(/[\r\n]/g, " ");
      return full ? line : ellipsis(line, DESCRIPTION);
    }],
    StarCount: ["STARS", ({ star_count }) => String(star_count)],
    IsOfficial: ["OFFICIAL", ({ is_official }) => mark(is_official)],
    IsAutomated: ["AUTOMATED", ({ is_automated }) => mark(is_automated)],
  },
});
