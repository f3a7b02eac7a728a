/** gantry stats: a table that is drawn again each second, or printed once. */
import { fail } from "#base/errors.ts";
import { type Cli, define } from "../../client.ts";
import { bool, text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { printRows } from "../../format/rows.ts";
import { statsRow, statsView, type StatsJson, type StatsRow } from "../../format/stats.ts";
import { containerPath } from "../each.ts";

const SECOND = 1000;

export const command = define({
  flags: {
    all: bool("a", "Show stopped containers too"),
    format: text("", FORMAT.table),
    "no-stream": bool("", "Show the first result and no more"),
    "no-trunc": bool("", "Don't shorten ids"),
  },
  async run(cli, options, names) {
    const api = await cli.api();
    const format = options.format === "" ? cli.config().format("statsFormat") : options.format;
    const view = statsView({ full: options["no-trunc"] });
    const once = options["no-stream"];
    for (;;) {
      const rows = await readRows(api, names, { all: options.all, named: names.length > 0 });
      if (!once && cli.out.isTerminal) cli.out.write("\u001b[2J\u001b[H");
      await printRows(cli.out, view, rows, { format, quiet: false });
      if (once) return;
    }
  },
});

type Api = Awaited<ReturnType<Cli["api"]>>;

/** Each reading takes the second that lies between its two halves. */
async function readRows(api: Api, names: readonly string[], { all, named }: { all: boolean; named: boolean }): Promise<StatsRow[]> {
  const chosen = named ? names : (await api.json<{ Id: string }[]>("GET", "/containers/json", { query: { all } })).map(({ Id }) => Id);
  if (chosen.length === 0) await new Promise((resolve) => setTimeout(resolve, SECOND));
  const rows = await Promise.all(
    chosen.map(async (name) => {
      try {
        return statsRow(name, await api.json<StatsJson>("GET", containerPath(name, "/stats"), { query: { stream: "false" } }));
      } catch (error) {
        if (named) throw error;
        return undefined;
      }
    }),
  );
  const found = rows.filter((row) => row !== undefined);
  if (named && found.length === 0) throw fail("not-found", "no such container");
  return found;
}
