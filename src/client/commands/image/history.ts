import { define } from "../../client.ts";
import { bool, text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { printRows, type View } from "../../format/rows.ts";
import { rfc3339Seconds } from "../../format/time.ts";
import { ellipsis, humanDuration, humanSize, shortId } from "../../format/units.ts";
import { encodePlatform, imagePath } from "./path.ts";

type Step = { readonly Id: string; readonly Created: number; readonly CreatedBy: string; readonly Size: number; readonly Comment: string };

export const command = define({
  flags: {
    format: text("", FORMAT.table),
    human: bool("H", "Sizes and dates for people", true),
    "no-trunc": bool("", "Don't shorten what is shown"),
    platform: text("", 'Of an image for several platforms, this one ("linux/arm64")'),
    quiet: bool("q", "Show ids only"),
  },
  async run(cli, options, [name = ""]) {
    const api = await cli.api();
    const steps = await api.json<Step[]>("GET", imagePath(name, "/history"), { query: { platform: encodePlatform(options.platform) } });
    const view = historyView(options.human, options["no-trunc"]);
    await printRows(cli.out, view, steps, { format: options.format, quiet: options.quiet });
  },
});

function historyView(human: boolean, full: boolean): View<Step> {
  const now = Date.now() / 1000;
  return {
    type: "*image.historyContext",
    table: ["ID", human ? "CreatedSince" : "CreatedAt", "CreatedBy", "Size", "Comment"],
    quiet: "ID",
    fields: {
      Comment: ["COMMENT", (step) => step.Comment],
      CreatedAt: ["CREATED AT", (step) => rfc3339Seconds(step.Created)],
      CreatedBy: ["CREATED BY", (step) => createdBy(step, full)],
      CreatedSince: ["CREATED", (step) => (step.Created === 0 ? "N/A" : `${humanDuration(now - step.Created)} ago`)],
      ID: ["IMAGE", (step) => (full ? step.Id : shortId(step.Id))],
      Size: ["SIZE", (step) => (human ? humanSize(step.Size) : String(step.Size))],
    },
  };
}

function createdBy(step: Step, full: boolean): string {
  const text = step.CreatedBy.replaceAll("\t", " ");
  return full ? text : ellipsis(text, 45);
}
