import { fail } from "#base/errors.ts";
import { define } from "../../client.ts";
import { text } from "../../flags/kinds.ts";

/** Only volumes of a swarm's cluster can be changed, and Gantry's are none. */
export const command = define({
  flags: { availability: text("", "Cluster Volume availability (\"active\", \"pause\", \"drain\")", "active") },
  async run(cli, _options, [name = ""]) {
    const api = await cli.api();
    const volume = await api.json<{ ClusterVolume?: object }>("GET", `/volumes/${encodeURIComponent(name)}`);
    if (volume.ClusterVolume === undefined) throw fail("invalid", "can only update cluster volumes");
    throw fail("unavailable", "volumes of a cluster: this Gantry is no swarm manager");
  },
});
