import { define } from "../../client.ts";
import { exitOnSignals } from "../../terminal/terminal.ts";
import { containerPath, joined } from "../each.ts";

export const command = define({
  flags: {},
  async run(cli, _options, names) {
    exitOnSignals();
    const api = await cli.api();
    const failures: unknown[] = [];
    for (const name of names) {
      try {
        const ended = await api.json<{ StatusCode: number }>("POST", containerPath(name, "/wait"));
        cli.out.write(`${ended.StatusCode}\n`);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw joined(failures);
  },
});
