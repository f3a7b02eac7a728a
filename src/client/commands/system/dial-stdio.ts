import { finished } from "node:stream/promises";
import { define } from "../../client.ts";
import { dial } from "../../connect/dial.ts";
import { resolveEndpoint } from "../../connect/endpoint.ts";

/** The far end of an ssh:// address: bytes go between our standard streams and the engine's socket, until both ends are done. */
export const command = define({
  flags: {},
  async run(cli) {
    const socket = await dial(resolveEndpoint(cli.globals, cli.env, cli.config));
    process.stdin.pipe(socket);
    socket.pipe(process.stdout, { end: false });
    await finished(socket, { writable: false });
  },
});
