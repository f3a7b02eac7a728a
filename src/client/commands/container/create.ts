import { define } from "../../client.ts";
import { containerFlags, creationFlags } from "../../request/flags.ts";
import { createContainer, prepareCreate, printPlan } from "./creation.ts";

export const command = define({
  flags: { ...containerFlags, ...creationFlags },
  interspersed: false,
  async run(cli, options, args) {
    const api = await cli.api();
    const body = prepareCreate(cli, options, args, api.address);
    if (options["dry-run"]) return printPlan(cli, api, options, body);
    cli.out.write(`${await createContainer(cli, api, options, body)}\n`);
  },
});
