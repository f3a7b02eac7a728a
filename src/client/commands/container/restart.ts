import { define } from "../../client.ts";
import { containerPath, doToEach } from "../each.ts";
import { stopFlags, stopQuery } from "./stop-flags.ts";

export const command = define({
  flags: stopFlags,
  async run(cli, options, names) {
    const api = await cli.api();
    await doToEach(cli, names, async (name) => {
      await api.text("POST", containerPath(name, "/restart"), { query: stopQuery(options) });
    });
  },
});
