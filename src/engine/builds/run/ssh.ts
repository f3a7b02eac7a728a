/** RUN --mount=type=ssh: a socket in the step behind which is an ssh agent of the client's. */
import { chmod, chown, mkdir, rm } from "node:fs/promises";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { pipeline } from "node:stream";
import { onAbort } from "#base/abort.ts";
import { fail } from "#base/errors.ts";
import type { ExecMount } from "#builder/graph.ts";
import type { StepContext } from "#builder/solve/solve.ts";
import type { ExecParts } from "./exec.ts";
import { type Mounted, type MountWish, point } from "./mounts.ts";

type Ssh = Extract<ExecMount, { type: "ssh" }>;

/** Where such sockets are: in the exec root, whose paths are short, as a socket's may have 107 bytes. Emptied when first needed. */
export function socketFolder(execRoot: string): () => Promise<string> {
  const path = `${execRoot}/ssh`;
  let made: Promise<string> | undefined;
  const make = async () => {
    await rm(path, { recursive: true, force: true });
    await mkdir(path, { recursive: true, mode: 0o700 });
    return path;
  };
  // One that failed is tried again by the next step.
  return () => (made ??= make().catch((error: unknown) => ((made = undefined), Promise.reject(error))));
}

/** @throws not-found when it is required and the client offers none */
export async function sshMount({ sockets }: ExecParts, { id, context, held, op }: MountWish, { mount, index }: { mount: Ssh; index: number }): Promise<Mounted> {
  if (!(await offered(context, mount.id))) {
    if (mount.required) throw fail("not-found", `unset ssh forward key ${mount.id}`);
    return {};
  }
  const place = op.mounts.slice(0, index).filter(({ type }) => type === "ssh").length;
  const target = mount.target || `/run/buildkit/ssh_agent.${place}`;
  const path = `${await sockets()}/${id.slice(0, 24)}.${index}`;
  const server = createServer((socket) => void join(context, mount.id, socket));
  held.defer(() => rm(path, { force: true }));
  held.defer(() => void server.close());
  server.listen(path);
  await once(server, "listening");
  // One that could not be accepted is the step's trouble.
  server.on("error", () => {});
  await chown(path, mount.uid, mount.gid);
  await chmod(path, mount.mode);
  return { point: point(target, { Type: "bind", Source: path, RW: true }), place: { path: target, type: "file" }, env: `SSH_AUTH_SOCK=${target}` };
}

/** Asked once before the step runs, as BuildKit does. */
async function offered({ client, signal }: StepContext, id: string): Promise<boolean> {
  const agent = await client.ssh(id, signal);
  agent?.destroy();
  return agent !== undefined;
}

async function join({ client, signal }: StepContext, id: string, socket: Socket): Promise<void> {
  socket.on("error", () => socket.destroy());
  const agent = await client.ssh(id, signal).catch(() => undefined);
  if (agent === undefined) return void socket.destroy();
  // A step may have connected a thousand times before it ends, and be over by now.
  const left = onAbort(signal, () => socket.destroy());
  socket.once("close", () => left[Symbol.dispose]());
  if (socket.destroyed) {
    left[Symbol.dispose]();
    return void agent.destroy();
  }
  pipeline(socket, agent, () => {});
  pipeline(agent, socket, () => {});
}
