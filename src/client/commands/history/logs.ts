import { openDisplay, parseMode } from "../../build/progress/display.ts";
import { listen } from "../../build/solve.ts";
import { define } from "../../client.ts";
import { text } from "../../flags/kinds.ts";
import { findBuild, withControl } from "./builds.ts";

export const command = define({
  flags: { progress: text("", 'How to show it ("plain", "rawjson", "tty")', "plain") },
  /** All it told, from its beginning; of a build under way until it ends. What it wrote goes where output goes. */
  async run(cli, { progress }, [name = ""]) {
    const display = openDisplay({ ...cli, err: cli.out }, parseMode(progress), { live: false });
    await withControl(cli, async (control) => {
      const { ref } = await findBuild(control, name);
      await listen(control, ref, { signal: new AbortController().signal, onStatus: display.update });
    });
    display.end();
  },
});
