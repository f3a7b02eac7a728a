/** What clone and snapshot have in common: a new volume of another one's content; its name is printed. */
import { define } from "../../client.ts";
import { list } from "../../flags/kinds.ts";
import { checkLabel } from "../../request/checks.ts";
import { toMap } from "../../request/variables.ts";

export const copyCommand = (verb: "clone" | "snapshot") =>
  define({
    flags: { label: list("", "Set a label instead of those of the volume", { parse: checkLabel }) },
    async run(cli, options, [from = "", to = ""]) {
      const api = await cli.api();
      const json = { Name: to, Labels: options.given.has("label") ? toMap(options.label) : null };
      const volume = await api.json<{ Name: string }>("POST", `/gantry/volumes/${encodeURIComponent(from)}/${verb}`, { json });
      cli.out.write(`${volume.Name}\n`);
    },
  });
