/**
 * Sessions: connections on which the client serves and the engine asks. A session is known by the id that its client chose,
 * from the moment it is there until its connection ends. 128 bits of the client's own chance keep others from it.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { fail } from "#base/errors.ts";
import { type GrpcClient, openGrpcClient } from "#base/grpc/grpc.ts";
import { SESSION } from "#spec/buildkit/session.ts";

export type Session = {
  readonly id: string;
  /** What the client calls its folder, the same the next time: what is compared with what was sent then. */
  readonly sharedKey: string;
  readonly client: GrpcClient;
  /** Whether the client serves a method: "/moby.filesync.v1.FileSync/DiffCopy". */
  supports(path: string): boolean;
};

export type Sessions = {
  /** @throws invalid, conflict: before the connection is taken */
  check(headers: SessionHeaders): void;
  open(connection: Duplex, headers: SessionHeaders): Session;
  /** Waits a little: a client opens its session and asks for a build at the same time. @throws not-found with BuildKit's text */
  get(id: string, signal: AbortSignal): Promise<Session>;
  close(): void;
};

export type SessionHeaders = { readonly id: string; readonly sharedKey: string; readonly methods: readonly string[] };

const PATIENCE_MS = 5000;
const MAX_SESSIONS = 1000;
const PING_MS = 15_000;
const PING_DEADLINE_MS = 30_000;

export function openSessions(): Sessions {
  const sessions = new Map<string, Session>();
  const waiters = new Set<() => void>();

  function check({ id }: SessionHeaders): void {
    if (!/^[\w.-]{1,128}$/.test(id)) throw fail("invalid", `invalid session id ${JSON.stringify(id)}`);
    if (sessions.has(id)) throw fail("conflict", `session ${id} already exists`);
    if (sessions.size >= MAX_SESSIONS) throw fail("exhausted", `there are ${MAX_SESSIONS} sessions already`);
  }

  function open(connection: Duplex, headers: SessionHeaders): Session {
    check(headers);
    const { id, sharedKey, methods } = headers;
    const supported = new Set(methods.map((path) => path.toLowerCase()));
    const client = openGrpcClient(connection);
    const session: Session = { id, sharedKey, client, supports: (path) => supported.has(path.toLowerCase()) };
    sessions.set(id, session);
    const stop = watch(client);
    void client.closed.then(() => {
      stop();
      sessions.delete(id);
    });
    for (const tell of waiters) tell();
    return session;
  }

  async function get(id: string, signal: AbortSignal): Promise<Session> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
    for (;;) {
      const session = sessions.get(id);
      if (session !== undefined) return session;
      if (deadline.aborted) throw fail(signal.aborted ? "cancelled" : "not-found", `no active session for ${id}: context deadline exceeded`);
      await changed(waiters, deadline);
    }
  }

  return { check, open, get, close: () => sessions.forEach(({ client }) => client.close()) };
}

function changed(waiters: Set<() => void>, deadline: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  waiters.add(resolve);
  deadline.addEventListener("abort", () => resolve(), { once: true });
  return promise.finally(() => waiters.delete(resolve));
}

/** A client that is gone without a word is found out: builds wait for it. */
function watch(client: GrpcClient): () => void {
  const timer = setInterval(() => void client.ping(PING_DEADLINE_MS).catch(() => client.close()), PING_MS).unref();
  return () => clearInterval(timer);
}

/** Names may come several times, which Node joins: raw headers tell them apart. */
export function sessionHeaders({ rawHeaders }: Pick<IncomingMessage, "rawHeaders">): SessionHeaders {
  const all = (name: string): string[] => rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]!.toLowerCase() === name.toLowerCase());
  return { id: all(SESSION.id)[0] ?? "", sharedKey: all(SESSION.sharedKey)[0] ?? "", methods: all(SESSION.method).flatMap((value) => value.split(/,\s*/)) };
}
