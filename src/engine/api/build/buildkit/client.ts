/** What the builder may ask of a client, answered over its sessions. */
import { hash } from "node:crypto";
import type { Duplex } from "node:stream";
import { fail, kindOf } from "#base/errors.ts";
import { method } from "#base/grpc/grpc.ts";
import type { BuildClient, FilesWish } from "#builder/builder.ts";
import type { Contexts } from "#builder/contexts/contexts.ts";
import type { FileTree } from "#builder/tree.ts";
import type { Credentials } from "#transfer/transfer.ts";
import {
  bytesMessage, checkAgentRequest, credentialsRequest, credentialsResponse, METHODS, secretRequest, secretResponse,
} from "#spec/buildkit/session.ts";
import { empty } from "#spec/buildkit/workers.ts";
import { contentStore } from "./content-store.ts";
import { receiveFiles } from "./receive-files.ts";
import { sendArchive, sendFiles } from "./send-files.ts";
import type { Session, Sessions } from "./sessions.ts";
import { showFailed } from "./show-failed.ts";
import type { Translated } from "./solve-request.ts";
import { streamOf } from "./stream-of.ts";

const credentials = method(METHODS.credentials, credentialsRequest, credentialsResponse);
const getSecret = method(METHODS.secret, secretRequest, secretResponse);
const checkAgent = method(METHODS.checkAgent, checkAgentRequest, empty);
const forwardAgent = method(METHODS.forwardAgent, bytesMessage, bytesMessage);
const pull = method(METHODS.pull, bytesMessage, bytesMessage);

export type ClientParts = {
  readonly contexts: Pick<Contexts, "begin" | "unchanged" | "fromArchive" | "filter">;
  readonly sessions: Sessions;
  readonly session: string;
  /** What the client calls the states of its folders, of all that is in them now. */
  readonly states?: ReadonlyMap<string, string> | undefined;
  readonly translated: Pick<Translated, "folders" | "sessions" | "upload">;
  /** A context that came with the request itself. */
  readonly archive?: AsyncIterable<Uint8Array> | undefined;
  /** By registry, of clients that send them with the request. */
  readonly given?: ReadonlyMap<string, Credentials> | undefined;
  readonly signal: AbortSignal;
};

export function openBuildClient(parts: ClientParts): BuildClient {
  const { sessions, contexts, signal, translated } = parts;
  const { folders, upload } = translated;
  const main = async (): Promise<Session> => (parts.session === "" ? NOBODY : await sessions.get(parts.session, signal));
  const whole = once(() => contexts.fromArchive(parts.archive ?? uploaded(main, upload!, signal), { signal }));

  return {
    async files(name, wish) {
      if (name === "context" && (upload !== undefined || parts.archive !== undefined)) return contexts.filter(await whole(), wish);
      const folder = folders[name] ?? name;
      const other = translated.sessions[folder];
      return await sync(parts, await (other === undefined ? main() : sessions.get(other, wish.signal)), folder, wish);
    },
    async secret(id, abort) {
      const { client, supports } = await main();
      if (!supports(getSecret.path)) return undefined;
      return await orUndefined(client.unary(getSecret, { id }, { signal: abort }).then(({ data }) => Buffer.from(data)));
    },
    async ssh(id, abort) {
      const session = await main();
      if (!session.supports(checkAgent.path)) return undefined;
      const found = await orUndefined(session.client.unary(checkAgent, { id: sshId(id) }, { signal: abort }), ["not-found", "internal"]);
      return found === undefined ? undefined : agent(session, sshId(id), abort);
    },
    async credentials(host) {
      const session = await main();
      if (!session.supports(credentials.path)) return parts.given?.get(host);
      const { username, secret } = await session.client.unary(credentials, { host: host === "docker.io" ? "registry-1.docker.io" : host }, { signal });
      if (secret === "") return parts.given?.get(host);
      return username === "" ? { kind: "identity", token: secret } : { kind: "password", username, password: secret };
    },
    async receive(index, { type, attributes }, archive, abort) {
      const session = await main();
      const sending = { index, attributes, signal: abort };
      await (type === "local" ? sendFiles(session, archive, sending) : sendArchive(session, archive, sending));
    },
    async debug(failed) {
      await showFailed(await main(), failed, signal);
    },
    store: async (name) => contentStore(await main(), name),
  };
}

/** A request without a session: nothing can be asked of its client. */
const NOBODY = { id: "", sharedKey: "", supports: () => false } as unknown as Session;

async function sync({ contexts, states }: ClientParts, session: Session, name: string, { include = [], exclude = [], signal, told }: FilesWish): Promise<FileTree> {
  const state = states?.get(name);
  // Where all of the folder is as it was, nobody needs to be asked.
  const whole = state === undefined ? undefined : await contexts.unchanged(keyOf(session, name), state);
  if (whole !== undefined) return await contexts.filter(whole, { include, exclude });
  await using exchange = await contexts.begin({ key: keyOf(session, name, include, exclude), signal });
  return await receiveFiles(session, exchange, { name, include, exclude, signal, ...(told && { told }) });
}

/** Whose folder it is, and what of it. A client that does not say what folder it is has never sent it before. */
function keyOf({ id, sharedKey }: Pick<Session, "id" | "sharedKey">, name: string, include: readonly string[] = [], exclude: readonly string[] = []): string {
  const wish = hash("sha256", JSON.stringify([include, exclude]), "hex").slice(0, 16);
  return `${sharedKey === "" ? id : sharedKey}/${name}/${wish}`;
}

const sshId = (id: string): string => (id === "" ? "default" : id);

async function orUndefined<T>(answer: Promise<T>, kinds: readonly string[] = ["not-found"]): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (kinds.includes(kindOf(error))) return undefined;
    throw error;
  }
}

/** A connection to the client's agent, as a stream of bytes. */
const agent = ({ client }: Session, id: string, signal: AbortSignal): Duplex => streamOf(client.stream(forwardAgent, { metadata: { "buildkit.ssh.id": [id] }, signal }));

/** An archive that the client has on its standard input, or was given as one. */
async function* uploaded(session: () => Promise<Session>, name: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const { client, supports } = await session();
  if (!supports(pull.path)) throw fail("not-found", "the client has no archive to send");
  const call = client.stream(pull, { metadata: { urlpath: [`/${name}`] }, signal });
  for await (const { data } of call.messages) yield data;
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
