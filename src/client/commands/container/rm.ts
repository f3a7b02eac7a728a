import { kindOf, messageOf } from "#base/errors.ts";
import { define } from "../../client.ts";
import { bool } from "../../flags/kinds.ts";
import { containerPath, joined } from "../each.ts";

export const command = define({
  flags: {
    force: bool("f", "Remove it even when it runs: it is killed"),
    link: bool("l", "Remove only the link of this name"),
    volumes: bool("v", "Remove its anonymous volumes too"),
  },
  async run(cli, options, names) {
    const api = await cli.api();
    const query = { v: options.volumes, link: options.link, force: options.force };
    const failures: unknown[] = [];
    const results = names.map(async (name) => api.text("DELETE", containerPath(name.replace(/^\/+/, "") || name, ""), { query }));
    for (const result of results) result.catch(() => {});
    for (const [at, result] of results.entries()) {
      try {
        await result;
        cli.out.write(`${names[at]}\n`);
      } catch (error) {
        // What is not there need not be removed by force.
        if (options.force && kindOf(error) === "not-found") cli.err.write(`${messageOf(error)}\n`);
        else failures.push(error);
      }
    }
    if (failures.length > 0) throw joined(failures);
  },
});
