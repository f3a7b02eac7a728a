import { define } from "../../client.ts";
import { text } from "../../flags/kinds.ts";
import { FORMAT } from "../../format/format-flag.ts";
import { inspectAll } from "../../format/inspect.ts";
import { encodePlatform, imagePath } from "./path.ts";

export const command = define({
  flags: {
    format: text("f", FORMAT.object),
    platform: text("", 'Of an image for several platforms, this one ("linux/arm64")'),
  },
  async run(cli, options, names) {
    const api = await cli.api();
    const platform = encodePlatform(options.platform);
    await inspectAll(cli.out, names, { format: options.format, typed: true }, (name) => api.text("GET", imagePath(name, "/json"), { query: { platform } }));
  },
});
