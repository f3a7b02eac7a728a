import { define } from "../../client.ts";
import { doToEach } from "../each.ts";
import { imagePath } from "./path.ts";

export const command = define({
  flags: {},
  async run(cli, _options, names) {
    const api = await cli.api();
    await doToEach(cli, names, async (name) => (await api.json<{ Names: string[] }>("POST", `/gantry${imagePath(name, "/unpin")}`)).Names.join("\n"));
  },
});
