import { kindOf, messageOf } from "#base/errors.ts";
import { define } from "../../client.ts";
import { bool, list } from "../../flags/kinds.ts";
import { joined } from "../each.ts";
import { encodePlatforms, imagePath } from "./path.ts";

export const command = define({
  flags: {
    force: bool("f", "Remove it even when a stopped container uses it, or it has several names"),
    "no-prune": bool("", "Leave its untagged parents"),
    platform: list("", "Remove only this platform's part of it", { kind: "strings" }),
  },
  async run(cli, options, names) {
    const api = await cli.api();
    const platforms = encodePlatforms(options.platform);
    const failures: unknown[] = [];
    let onlyMissing = true;
    for (const name of names) {
      try {
        const removed = await api.json<{ Deleted?: string; Untagged?: string }[]>("DELETE", imagePath(name), {
          query: { force: options.force, noprune: options["no-prune"], platforms },
        });
        for (const each of removed) cli.out.write(each.Deleted ? `Deleted: ${each.Deleted}\n` : `Untagged: ${each.Untagged}\n`);
      } catch (error) {
        if (kindOf(error) !== "not-found") onlyMissing = false;
        failures.push(error);
      }
    }
    if (failures.length === 0) return;
    const failure = joined(failures);
    // What is not there need not be removed by force.
    if (!options.force || !onlyMissing) throw failure;
    cli.err.write(`${messageOf(failure)}\n`);
  },
});
