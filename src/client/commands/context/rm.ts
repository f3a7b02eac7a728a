import { fail } from "#base/errors.ts";
import { define } from "../../client.ts";
import { writeConfig } from "../../connect/config.ts";
import { DEFAULT_CONTEXT, readContext, removeContext } from "../../connect/contexts.ts";
import { chooseContext } from "../../connect/endpoint.ts";
import { bool } from "../../flags/kinds.ts";
import { joined } from "../each.ts";

export const command = define({
  flags: { force: bool("f", "Remove it even when it is in use") },
  async run(cli, options, names) {
    const config = cli.config();
    const current = chooseContext(cli.globals, cli.env, cli.config);
    const failures: unknown[] = [];
    for (const name of names) {
      try {
        if (name === DEFAULT_CONTEXT) throw fail("invalid", 'context "default" cannot be removed');
        if (!exists(config.folder, name) && !options.force) throw fail("not-found", `context ${JSON.stringify(name)} does not exist`);
        if (name === current) {
          if (!options.force) throw fail("conflict", `context ${JSON.stringify(name)} is in use, set -f flag to force remove`);
          writeConfig(config, "currentContext", undefined);
        }
        removeContext(config.folder, name);
        cli.out.write(`${name}\n`);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw joined(failures);
  },
});

function exists(folder: string, name: string): boolean {
  try {
    readContext(folder, name);
    return true;
  } catch {
    return false;
  }
}
