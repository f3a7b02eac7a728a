import { define } from "../../client.ts";

export const command = define({
  flags: {},
  async run(cli, _options, [from = "", to = ""]) {
    const api = await cli.api();
    const volume = await api.json<{ Name: string }>("POST", `/gantry/volumes/${encodeURIComponent(from)}/rename`, { query: { name: to } });
    cli.out.write(`${volume.Name}\n`);
  },
});
