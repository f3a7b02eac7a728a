/** The client's ssh agent as a socket in a sandbox. */
import { once } from "node:events";
import { closeSync, constants, openSync } from "node:fs";
import { chown } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { pipeline } from "node:stream";
import type { SourceContext } from "../source-context.ts";
import { NOBODY } from "../../sandbox/sandbox.ts";

export type Agent = AsyncDisposable & { /** Its path there. */ readonly inside: string };

const NAME = "agent.sock";
const ID = "default";

/** Undefined: the client offers none. Before anything ran in the sandbox: its folder is still ours alone. */
export async function openAgent(tree: string, context: SourceContext): Promise<Agent | undefined> {
  const offered = await context.client.ssh(ID, context.signal).catch(() => undefined);
  if (offered === undefined) return undefined;
  offered.destroy();
  const server = createServer((socket) => void join(context, socket));
  // A socket's path may have 107 bytes: it is named by its folder's descriptor.
  const folder = openSync(tree, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const path = `/proc/self/fd/${folder}/${NAME}`;
    server.listen(path);
    await once(server, "listening");
    await chown(path, NOBODY, NOBODY);
  } catch (error) {
    server.close();
    closeSync(folder);
    throw error;
  }
  server.once("close", () => closeSync(folder));
  return { inside: `/tmp/${NAME}`, [Symbol.asyncDispose]: async () => void server.close() };
}

async function join({ client, signal }: SourceContext, socket: Socket): Promise<void> {
  socket.on("error", () => socket.destroy());
  const agent = await client.ssh(ID, signal).catch(() => undefined);
  if (agent === undefined) return void socket.destroy();
  pipeline(socket, agent, () => undefined);
  pipeline(agent, socket, () => undefined);
}
