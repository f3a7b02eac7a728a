import { define } from "../../client.ts";
import { text } from "../../flags/kinds.ts";

/** Ours: no command of docker's says whether the engine is there without saying much else. */
export const command = define({
  flags: { format: text("f", "'json': print an object") },
  async run(cli, options) {
    const api = await cli.api();
    const start = process.hrtime.bigint();
    const answer = await api.text("GET", "/_ping");
    const milliseconds = Number(process.hrtime.bigint() - start) / 1e6;
    const found = { Answer: answer.trim(), ApiVersion: api.version, Host: api.address, Milliseconds: Number(milliseconds.toFixed(2)) };
    if (options.format === "json") cli.out.write(`${JSON.stringify(found)}\n`);
    else cli.out.write(`${found.Answer} from ${found.Host} in ${found.Milliseconds} ms (API version ${found.ApiVersion})\n`);
  },
});
