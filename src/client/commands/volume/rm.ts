import { define } from "../../client.ts";
import { bool } from "../../flags/kinds.ts";
import { joined } from "../each.ts";

export const command = define({
  flags: { force: bool("f", "Don't mind those that are not there") },
  async run(cli, options, names) {
    const api = await cli.api();
    const failures: unknown[] = [];
    for (const name of names) {
      try {
        await api.text("DELETE", `/volumes/${encodeURIComponent(name)}`, { query: { force: options.force } });
        cli.out.write(`${name}\n`);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw joined(failures);
  },
});
