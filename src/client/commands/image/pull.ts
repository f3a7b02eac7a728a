import { fail } from "#base/errors.ts";
import { canonical, parseReference } from "#spec/reference.ts";
import { define } from "../../client.ts";
import { bool, hidden, text } from "../../flags/kinds.ts";
import { modeOf, PROGRESS } from "./progress-flags.ts";
import { pullImage } from "./pulling.ts";

export const command = define({
  flags: {
    "all-tags": bool("a", "Pull every tag of the repository"),
    "disable-content-trust": hidden(bool("", "Skip image verification", true)),
    format: text("", 'Print as told: "json" for one JSON object an event'),
    platform: text("", 'Pull the image for this platform ("linux/arm64")'),
    progress: PROGRESS,
    quiet: bool("q", "Print the image's name only"),
  },
  async run(cli, options, [name = ""]) {
    const reference = parseReference(name);
    const all = options["all-tags"];
    if (all && (reference.tag !== undefined || reference.digest !== undefined)) throw fail("invalid", "tag can't be used with --all-tags/-a");
    const mode = modeOf(options);
    if (!all && reference.tag === undefined && reference.digest === undefined && !options.quiet && mode !== "json") cli.out.write("Using default tag: latest\n");
    const platform = options.platform || cli.env["DOCKER_DEFAULT_PLATFORM"] || "";
    const pulled = await pullImage(cli, await cli.api(), name, { platform, quiet: options.quiet, to: cli.out, all, mode });
    if (mode !== "json") cli.out.write(`${canonical(pulled)}\n`);
  },
});
