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
  },
  async run(cli, options, [source = "", target = ""]) {
    const mode = modeOf(options);
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
