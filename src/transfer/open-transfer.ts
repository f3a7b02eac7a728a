/** Puts the registry client together. See transfer.ts. */
import type { Challenge } from "./auth/challenge.ts";
import { openTokens } from "./auth/tokens.ts";
import { fetchImage } from "./fetch/fetch.ts";
import { openFlights } from "./fetch/flights.ts";
import { openLimit } from "./fetch/limit.ts";
import { openConnections } from "./http/connections.ts";
import { login } from "./login.ts";
import { copyImage, pushImage, putDocument } from "./push/push.ts";
import { openRemote } from "./remote.ts";
import { openSession, type SessionParts } from "./session.ts";
import { type FetchEvent, LIMITS, type Transfer, type TransferOptions } from "./transfer.ts";

export function openTransfer({ settings, content, log, limits }: TransferOptions): Transfer {
  const connections = openConnections();
  const shared = { limits: { ...LIMITS, ...limits }, connections, tokens: openTokens(), challenges: new Map<string, Challenge>(), speaks: new Map<string, string>(), log };
  const parts = (): SessionParts => ({ ...shared, settings: settings() });
  const fetching = { content, flights: openFlights<FetchEvent>(), downloads: openLimit() };
  const uploads = openLimit();
  return {
    login: (registry, credentials, signal) => login(parts(), registry, credentials, signal),
    open: (repository, access) => openRemote(openSession(repository, access, parts())),
    fetch: (remote, target, options) => fetchImage(fetching, remote, target, options),
    push: (remote, target, options) => pushImage({ content, uploads }, remote, target, options),
    put: (remote, document, { tag, signal }) => putDocument(remote.session, document, tag, { signal }),
    copy: (from, target, to, options) => copyImage(uploads, from, target, to, options),
    async [Symbol.asyncDispose]() {
      connections[Symbol.dispose]();
    },
  };
}
