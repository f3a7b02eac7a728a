/**
 * Requests to one repository: over its hosts in order (mirrors, then the registry), each with attempts.
 *
 * A mirror that fails, whatever the reason, is passed over. A registry that is listed as insecure is asked by TLS first and
 * then without it; which of them it speaks is remembered. In all other cases what the registry says is final.
 */
import { fail, Failure } from "#base/errors.ts";
import type { Log } from "#base/log.ts";
import type { Challenge } from "./auth/challenge.ts";
import type { Tokens } from "./auth/tokens.ts";
import { type Capability, type Endpoint, findEndpoints } from "./hosts/endpoints.ts";
import { readHostFolder } from "./hosts/host-folder.ts";
import { answerFailure, rateLimit } from "./http/answer-failure.ts";
import { type Answered, type Asker, openAsker } from "./http/ask.ts";
import { openAttempts } from "./http/attempts.ts";
import type { Connections } from "./http/connections.ts";
import type { Body } from "./http/exchange.ts";
import type { Access, Limits, Repository, TransferSettings } from "./transfer.ts";

export type Reply = Answered & { readonly endpoint: Endpoint };

export type RequestOptions = {
  readonly method: string;
  /** Below the repository: "manifests/latest"; or an address that an earlier reply gave, of the host that gave it. */
  readonly at: string | { readonly url: URL; readonly endpoint: Endpoint };
  readonly query?: URLSearchParams;
  readonly can: Capability;
  /** Statuses that are an answer; all others are failures. */
  readonly expect: readonly number[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Body | undefined;
  readonly scopes?: readonly string[];
  readonly signal: AbortSignal;
  /** Attempts of one host. Default: the settings'. */
  readonly attempts?: number;
  readonly answerMs?: number;
  readonly retry?: ((seconds: number, reason: string) => void) | undefined;
};

export type Session = {
  readonly repository: Repository;
  readonly access: Access;
  readonly limits: Limits;
  readonly settings: TransferSettings;
  request(options: RequestOptions): Promise<Reply>;
  /** What that host gave was not what it should be: it is not asked again, if there are others. */
  distrust(endpoint: Endpoint): boolean;
  /** Whether any host has answered yet. */
  wasThere(): boolean;
};

export type SessionParts = {
  readonly settings: TransferSettings;
  readonly limits: Limits;
  readonly connections: Connections;
  readonly tokens: Tokens;
  readonly challenges: Map<string, Challenge>;
  /** Of insecure registries: what they speak, by name. */
  readonly speaks: Map<string, string>;
  readonly log: Log;
};

export function openSession(repository: Repository, access: Access, parts: SessionParts): Session {
  const { settings, limits, speaks, log } = parts;
  const askers = new Map<Endpoint, Asker>();
  const distrusted = new Set<Endpoint>();
  let endpoints: Promise<readonly Endpoint[]> | undefined;
  const reached = new Set<Endpoint>();

  return {
    repository,
    access,
    limits,
    settings,
    wasThere: () => reached.size > 0,
    distrust(endpoint) {
      // There is nobody else to ask than the registry.
      if (!endpoint.own) distrusted.add(endpoint);
      return !endpoint.own;
    },
    async request(options) {
      const { at } = options;
      if (typeof at !== "string") return attempt(options, at.endpoint, at.url, options.attempts ?? settings.maxAttempts);
      const hosts = (await inOrder()).filter((endpoint) => endpoint.can.has(options.can));
      if (hosts.length === 0) throw fail("unavailable", `${repository.registry}: its hosts.toml names no host that can ${options.can}`);
      /** What went wrong with TLS, or without it, where the other was never spoken, is of no interest. */
      let known: unknown;
      for (const [index, endpoint] of hosts.entries()) {
        const isLast = index === hosts.length - 1;
        try {
          const reply = await attempt(options, endpoint, addressOf(endpoint, at, options.query), isLast || endpoint.own ? options.attempts ?? settings.maxAttempts : 1);
          if (endpoint.own && endpoint.insecure) speaks.set(repository.registry, endpoint.base);
          return reply;
        } catch (error) {
          if (options.signal.aborted || !mayPassOver(endpoint, error, reached)) throw error;
          if (endpoint.own && endpoint.base === speaks.get(repository.registry)) known = error;
          if (isLast) throw known ?? error;
          log.debug("registry host passed over", { host: endpoint.base, reason: error });
        }
      }
      throw fail("internal", "no host was asked");
    },
  };

  async function inOrder(): Promise<readonly Endpoint[]> {
    const all = (await (endpoints ??= findEndpoints(repository.registry, settings))).filter((endpoint) => !distrusted.has(endpoint));
    const first = speaks.get(repository.registry);
    return all.toSorted((a, b) => Number(b.own && b.base === first) - Number(a.own && a.base === first) || 0).toSorted((a, b) => Number(a.own) - Number(b.own));
  }

  function addressOf(endpoint: Endpoint, at: string, query?: URLSearchParams): URL {
    const url = new URL(at === "" ? `${endpoint.base}/` : `${endpoint.base}/${repository.path}/${at}`);
    for (const [name, value] of query ?? []) url.searchParams.append(name, value);
    if (endpoint.ns !== "") url.searchParams.set("ns", endpoint.ns);
    return url;
  }

  async function attempt(options: RequestOptions, endpoint: Endpoint, url: URL, most: number): Promise<Reply> {
    const attempts = openAttempts({ most, limits, signal: options.signal, retry: options.retry, wasThere: () => reached.has(endpoint) });
    for (;;) {
      try {
        return await once(options, endpoint, url);
      } catch (error) {
        await attempts.next(error);
      }
    }
  }

  async function once({ method, expect, headers, body, signal, answerMs, ...rest }: RequestOptions, endpoint: Endpoint, url: URL): Promise<Reply> {
    const scopes = rest.scopes ?? [`repository:${repository.path}:${rest.can === "push" ? "pull,push" : "pull"}`];
    const answer = await askerOf(endpoint).ask({ method, url, ...(headers && { headers }), body, scopes, signal, ...(answerMs !== undefined && { answerMs }) });
    reached.add(endpoint);
    const limit = rateLimit(answer);
    if (limit !== undefined) (limit.remaining * 10 <= limit.limit ? log.warn : log.debug)("registry rate limit", { host: url.host, ...limit });
    if (expect.includes(answer.status)) return { ...answer, endpoint };
    throw await answerFailure(method, answer.url, answer, answer.credentials);
  }

  function askerOf(endpoint: Endpoint): Asker {
    const known = askers.get(endpoint);
    if (known !== undefined) return known;
    const asker = openAsker({ ...parts, endpoint, access, tlsOf });
    askers.set(endpoint, asker);
    return asker;
  }

  /** Another host than the registry's: as its own folder says, verified unless it is listed itself. */
  async function tlsOf(url: URL) {
    const [first] = await findEndpoints(url.host, { ...settings, mirrors: [] });
    return first?.own ? first.tls : (await readHostFolder(settings.hostFolders, [url.host])).tls;
  }
}

/** A mirror may fail in any way; TLS of an insecure registry only below HTTP. */
function mayPassOver(endpoint: Endpoint, error: unknown, reached: ReadonlySet<Endpoint>): boolean {
  if (!(error instanceof Failure)) return false;
  return !endpoint.own || (endpoint.insecure && error.facts["network"] === true && !reached.has(endpoint));
}
