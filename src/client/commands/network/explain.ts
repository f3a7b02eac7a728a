import { fail, messageOf } from "#base/errors.ts";
import { define } from "../../client.ts";
import { text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { reachPage, type Reach } from "../../format/reach.ts";

export const command = define({
  flags: { format: text("f", FORMAT.object) },
  async run(cli, options, [name = ""]) {
    const api = await cli.api();
    const answer = await api.text("GET", `/gantry/containers/${encodeURIComponent(name)}/network`);
    if (options.format === "json") return cli.out.write(`${answer.trim()}\n`);
    const data = JSON.parse(answer) as Reach;
    if (options.format === "") return cli.out.write(reachPage(data, cli.out.isTerminal));
    const [{ parseTemplate, executeTemplate }, { functions }] = await Promise.all([import("#spec/go-template.ts"), import("../../format/functions.ts")]);
    try {
      cli.out.write(`${executeTemplate(parseTemplate(options.format, functions), data, { missingKey: "error" })}\n`);
    } catch (error) {
      throw fail("invalid", `template parsing error: ${messageOf(error)}`, { cause: error });
    }
  },
});
