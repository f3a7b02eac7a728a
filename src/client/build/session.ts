/** The session: a connection on which the engine is the one who asks. */
import type { Duplex } from "node:stream";
import { HEADROOM, frame } from "#base/grpc/frames.ts";
import { healthResponse, METHODS, SERVING, SESSION } from "#spec/buildkit/session.ts";
import type { Cli } from "../client.ts";
import type { Line } from "../connect/connect.ts";
import { contentMethods } from "./attach/content.ts";
import { checkAgent, forwardAgent } from "./attach/agents.ts";
import { serveCredentials } from "./attach/credentials.ts";
import { serveSecrets } from "./attach/secrets.ts";
import { serveUploads } from "./attach/upload.ts";
import type { Offers } from "./build.ts";
import { fileSend } from "./export/receive.ts";
import { fileSync } from "./files/sync.ts";
import { type Connection, openConnection } from "./h2/connection.ts";
import { type Method, serveMethods, unary } from "./rpc/serve.ts";

export type SessionOptions = { readonly id: string; readonly sharedKey: string; readonly offers: Offers; readonly signal: AbortSignal; readonly more?: ReadonlyMap<string, Method> };

export async function openSession(cli: Cli, line: Line, { id, sharedKey, offers, signal, more }: SessionOptions): Promise<Connection> {
  const methods = new Map([...methodsOf(cli, offers), ...(more ?? [])]);
  const socket: Duplex = await line.hijack("/session", {
    signal,
    headers: { Upgrade: "h2c", [SESSION.id]: id, [SESSION.name]: "", [SESSION.sharedKey]: sharedKey },
    // A header that comes several times: one a method.
    repeated: [...methods.keys()].map((path) => [SESSION.method, path]),
  });
  return openConnection(socket, { role: "server", accept: serveMethods(methods) });
}

function methodsOf(cli: Cli, { folders, secrets, agents, targets, uploads, stores }: Offers): Map<string, Method> {
  return new Map<string, Method>([
    [METHODS.health, unary(async () => frame(healthResponse.encode({ status: SERVING }, HEADROOM)))],
    [METHODS.credentials, serveCredentials(cli)],
    [METHODS.secret, serveSecrets(secrets, cli.env)],
    ...(folders.size > 0 ? [[METHODS.fileSync, fileSync(folders)] as const] : []),
    ...(agents.size > 0 ? ([[METHODS.checkAgent, checkAgent(agents)], [METHODS.forwardAgent, forwardAgent(agents)]] as const) : []),
    ...(targets.some((target) => target !== undefined) ? [[METHODS.fileSend, fileSend(targets)] as const] : []),
    ...(stores.size > 0 ? contentMethods(stores) : []),
    ...(uploads.size > 0 ? [[METHODS.pull, serveUploads(uploads)] as const] : []),
  ]);
}
