import { kindOf, messageOf } from "#base/errors.ts";
import { define } from "../../client.ts";
import { bool } from "../../flags/kinds.ts";
import { ask } from "../confirm.ts";
import { networkPath } from "./path.ts";

export const command = define({
  flags: { force: bool("f", "Don't mind those that are not there") },
  async run(cli, options, names) {
    const api = await cli.api();
    let status = 0;
    for (const name of names) {
      try {
        // A swarm's routing mesh is what all its published ports need.
        const { Ingress } = await api.json<{ Ingress?: boolean }>("GET", networkPath(name)).catch(() => ({ Ingress: false }));
        if (Ingress && !ask(cli, MESH)) continue;
        await api.text("DELETE", networkPath(name));
      } catch (error) {
        if (options.force && kindOf(error) === "not-found") continue;
        cli.err.write(`${messageOf(error)}\n`);
        status = 1;
        continue;
      }
      cli.out.write(`${name}\n`);
    }
    // As docker ends here.
    if (status !== 0) cli.err.write(`exit status ${status}\n`);
    return status;
  },
});

const MESH =
  "WARNING! Before removing the routing-mesh network, make sure all the nodes in your swarm run the same docker engine version. " +
  "Otherwise, removal may not be effective and functionality of newly create ingress networks will be impaired.";
