import { fail } from "#base/errors.ts";
import { parseReference } from "#spec/reference.ts";
import { define } from "../../client.ts";
import { authHeader } from "../../credentials/credentials.ts";
import { list, text } from "../../flags/kinds.ts";
import { showProgress } from "../../format/progress.ts";
import { encodePlatform } from "./path.ts";
import { modeOf, PROGRESS } from "./progress-flags.ts";

export const command = define({
  flags: {
    format: text("", 'Print as told: "json" for one JSON object an event'),
    platform: list("", 'Copy only the images for these platforms ("linux/arm64"), not the whole index'),
    progress: PROGRESS,
    to: text("", "Send an image of this engine to another one: a context, or an address such as ssh://host"),
  },
  async run(cli, options, [source = "", target = ""]) {
    const mode = modeOf(options);
    if (options.to !== "") {
      if (target !== "") throw fail("invalid", "--to sends an image to another engine under its own name: leave TARGET out");
      const { sendToEngine } = await import("./send.ts");
      return sendToEngine(cli, source, { to: options.to, platforms: options.platform, mode });
    }
    if (target === "") throw fail("invalid", "TARGET is missing: a name on another registry, or --to with another engine");
    const [from, to] = [parseReference(source), parseReference(target)];
    const [fromAuth, toAuth] = await Promise.all([authHeader(cli, from.domain), authHeader(cli, to.domain)]);
    const api = await cli.api();
    const answer = await api.send("POST", "/gantry/images/copy", {
      query: { from: source, to: target, platform: options.platform.map((each) => encodePlatform(each)!) },
      headers: { ...(fromAuth && { "X-Registry-Auth-From": fromAuth }), ...(toAuth && { "X-Registry-Auth": toAuth }) },
    });
    await showProgress(cli.out, answer.body, { mode });
  },
});
