import { messageOf } from "#base/errors.ts";
import { define } from "../../client.ts";
import { DOCKER_HUB, hostOf, openStore } from "../../credentials/credentials.ts";

export const command = define({
  flags: {},
  async run(cli, _options, [given = ""]) {
    const server = given === "" || given === "docker.io" ? DOCKER_HUB : hostOf(given);
    cli.out.write(`Removing login credentials for ${server}\n`);
    try {
      await openStore(cli, server).erase(server);
    } catch (error) {
      cli.err.write(`WARNING: could not erase credentials:\n${server}: ${messageOf(error)}\n`);
    }
  },
});
