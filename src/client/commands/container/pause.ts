import { define } from "../../client.ts";
import { containerPath, doToEach } from "../each.ts";

export const command = define({
  flags: {},
  async run(cli, _options, names) {
    const api = await cli.api();
    await doToEach(cli, names, async (name) => {
      await api.text("POST", containerPath(name, "/pause"));
    });
  },
});
