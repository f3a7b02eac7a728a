import { define } from "../../client.ts";
import { bool } from "../../flags/kinds.ts";
import { networkPath } from "./path.ts";

export const command = define({
  flags: { force: bool("f", "Also when the container is not known any more") },
  async run(cli, options, [network = "", container = ""]) {
    const api = await cli.api();
    await api.text("POST", networkPath(network, "/disconnect"), { json: { Container: container, Force: options.force } });
  },
});
