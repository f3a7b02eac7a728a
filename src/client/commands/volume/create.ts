import { define } from "../../client.ts";
import { list, map, text } from "../../flags/kinds.ts";
import { checkLabel } from "../../request/checks.ts";
import { toMap } from "../../request/variables.ts";

export const command = define({
  flags: {
    driver: text("d", "Volume driver to use", "local"),
    label: list("", "Set a label", { parse: checkLabel }),
    opt: map("o", "Set an option of the driver"),
  },
  async run(cli, options, [name = ""]) {
    const api = await cli.api();
    const volume = await api.json<{ Name: string }>("POST", "/volumes/create", {
      json: { Name: name, Driver: options.driver, DriverOpts: options.given.has("opt") ? options.opt : null, Labels: options.given.has("label") ? toMap(options.label) : null },
    });
    cli.out.write(`${volume.Name}\n`);
  },
});
