import { define } from "../../client.ts";
import { openFile } from "../image/load.ts";

export const command = define({
  flags: {},
  async run(cli, _options, [name = "", file = "-"]) {
    const upload = file === "-" ? process.stdin : await openFile(file);
    const api = await cli.api();
    const answer = await api.send("POST", `/gantry/volumes/${encodeURIComponent(name)}/import`, { headers: { "Content-Type": "application/x-tar" }, upload });
    for await (const _ of answer.body) continue;
    cli.out.write(`${name}\n`);
  },
});
