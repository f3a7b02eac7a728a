import { define } from "../../client.ts";
import { containerPath, joined } from "../each.ts";

export const command = define({
  flags: {},
  async run(cli, _options, names) {
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
