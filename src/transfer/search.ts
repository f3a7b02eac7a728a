/** Docker's search of old, "/v1/search": Docker Hub has it, and few others. */
import { Failure } from "#base/errors.ts";
import { collect } from "#base/streams.ts";
import { readJson } from "#spec/image.ts";
import { type Endpoint, findEndpoints } from "./hosts/endpoints.ts";
import { nameOf } from "./http/exchange.ts";
import type { Remote } from "./transfer.ts";

const HUB = "docker.io";
const HUB_SEARCH = "https://index.docker.io/v1/search";
const MOST = 4 * 2 ** 20;

/** The answer as it came: JSON of anybody's making. `remote`: any repository of the registry. */
export async function searchRegistry({ session }: Remote, term: string, limit: number, signal: AbortSignal): Promise<unknown> {
  const { registry } = session.repository;
  const hosts = (await findEndpoints(registry, { ...session.settings, mirrors: [] })).filter(({ own }) => own);
  for (const [index, endpoint] of hosts.entries()) {
    try {
      return await ask(endpoint, addressOf(registry, endpoint, term, limit));
    } catch (error) {
      // An insecure registry may speak without TLS.
      if (index === hosts.length - 1 || !(error instanceof Failure) || error.facts["network"] !== true) throw error;
    }
  }

  async function ask(endpoint: Endpoint, url: URL): Promise<unknown> {
    const reply = await session.request({ method: "GET", at: { url, endpoint }, can: "resolve", expect: [200], headers: { accept: "application/json" }, signal });
    const what = nameOf("GET", reply.url);
    return readJson(await collect(reply.read({ limit: MOST, own: true }), MOST, what), what);
  }
}

function addressOf(registry: string, { base }: Endpoint, term: string, limit: number): URL {
  const url = new URL(registry === HUB ? HUB_SEARCH : `${new URL(base).origin}/v1/search`);
  url.searchParams.set("q", term);
  url.searchParams.set("n", String(limit));
  return url;
}
