import { fail } from "#base/errors.ts";
import { define } from "../../client.ts";
import { text } from "../../flags/kinds.ts";
import { checkOutput, writeFile } from "../image/save.ts";

export const command = define({
  flags: { output: text("o", "Write this file instead of standard output") },
  async run(cli, options, [name = ""]) {
    if (options.output === "" && cli.out.isTerminal) throw fail("invalid", "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    if (options.output !== "") checkOutput(options.output, "failed to export volume: ");
    const api = await cli.api();
    const { body } = await api.send("GET", `/gantry/volumes/${encodeURIComponent(name)}/export`);
    if (options.output !== "") return await writeFile(options.output, body);
    for await (const chunk of body) cli.out.write(chunk);
  },
});
