import { define } from "../../client.ts";
import { writeConfig } from "../../connect/config.ts";
import { checkContextName, DEFAULT_CONTEXT, readContext } from "../../connect/contexts.ts";

export const command = define({
  flags: {},
  async run(cli, _options, [name = ""]) {
    const config = cli.config();
    if (name !== DEFAULT_CONTEXT) {
      checkContextName(name);
      readContext(config.folder, name);
    }
    const next = name === DEFAULT_CONTEXT ? "" : name;
    if (config.currentContext !== next) writeConfig(config, "currentContext", next === "" ? undefined : next);
    cli.out.write(`${name}\n`);
    cli.err.write(`Current context is now ${JSON.stringify(name)}\n`);
    if (cli.env["DOCKER_HOST"] && name !== DEFAULT_CONTEXT) {
      cli.err.write(
        `Warning: DOCKER_HOST environment variable overrides the active context. To use ${JSON.stringify(name)}, either set the global --context flag, or unset DOCKER_HOST environment variable.\n`,
      );
    }
  },
});
