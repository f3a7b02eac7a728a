import { define } from "../../client.ts";
import { text } from "../../flags/kinds.ts";
import { containerPath, doToEach } from "../each.ts";

export const command = define({
  flags: { signal: text("s", "The signal to send") },
  async run(cli, options, names) {
    const api = await cli.api();
    await doToEach(cli, names, async (name) => {
      await api.text("POST", containerPath(name, "/kill"), { query: { signal: options.signal } });
    });
  },
});
