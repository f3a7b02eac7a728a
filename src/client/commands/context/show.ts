import { define } from "../../client.ts";
import { chooseContext } from "../../connect/endpoint.ts";

export const command = define({
  flags: {},
  async run(cli) {
    cli.out.write(`${chooseContext(cli.globals, cli.env, cli.config)}\n`);
  },
});
