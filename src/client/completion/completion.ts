import { define } from "../client.ts";
import { scripts } from "./scripts.ts";

/** `gantry completion bash`: a script to source. It asks `gantry __complete` for what may follow. */
export const command = define({
  flags: {},
  async run(cli) {
    const shell = cli.path.split(" ").at(-1) as keyof typeof scripts;
    cli.out.write(scripts[shell]);
  },
});
