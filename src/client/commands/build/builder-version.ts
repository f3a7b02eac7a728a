import { define } from "../../client.ts";
import { VERSION } from "../../version.ts";

export const command = define({
  flags: {},
  async run(cli) {
    cli.out.write(`gantry ${VERSION}\n`);
  },
});
