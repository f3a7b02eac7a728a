import { fail } from "#base/errors.ts";
import { HEADROOM, frame } from "#base/grpc/frames.ts";
import { CONTROL } from "#spec/buildkit/control.ts";
import { updateHistoryRequest } from "#spec/buildkit/workers.ts";
import { ask } from "../../build/rpc/call.ts";
import { define } from "../../client.ts";
import { bool } from "../../flags/kinds.ts";
import { findBuild, listBuilds, withControl } from "./builds.ts";

export const command = define({
  flags: { all: bool("", "Forget all builds that have ended") },
  async run(cli, { all }, names) {
    if (!all && names.length === 0) throw fail("invalid", "name the builds to forget, or say --all");
    if (all && names.length > 0) throw fail("invalid", "--all is all: no builds are to be named with it");
    await withControl(cli, async (control) => {
      const builds = all ? (await listBuilds(control)).filter(({ isRunning }) => !isRunning) : await Promise.all(names.map((name) => findBuild(control, name)));
      for (const { ref } of builds) {
        await ask(control, `${CONTROL}/UpdateBuildHistory`, frame(updateHistoryRequest.encode({ ref, delete: true }, HEADROOM)));
        cli.out.write(`${ref}\n`);
      }
    });
  },
});
