import { fail, messageOf } from "#base/errors.ts";
import { define } from "../../client.ts";
import { validateOutputPath } from "../../copy/places.ts";
import { text } from "../../flags/kinds.ts";
import { containerPath } from "../each.ts";
import { writeFile } from "../image/save.ts";

export const command = define({
  flags: { output: text("o", "Write this file instead of standard output") },
  async run(cli, options, [name = ""]) {
    if (options.output === "" && cli.out.isTerminal) throw fail("invalid", "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    if (options.output !== "") checkOutput(options.output);
    const api = await cli.api();
    const { body } = await api.send("GET", containerPath(name, "/export"));
    if (options.output !== "") return await writeFile(options.output, body);
    for await (const chunk of body) cli.out.write(chunk);
  },
});

function checkOutput(path: string): void {
  try {
    validateOutputPath(path);
  } catch (error) {
    throw fail("invalid", `failed to export container: ${messageOf(error)}`, { cause: error });
  }
}
