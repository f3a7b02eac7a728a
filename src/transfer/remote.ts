/** One repository of one registry. See transfer.ts. */
import { collect } from "#base/streams.ts";
import { fail } from "#base/errors.ts";
import { parseJson } from "#base/json.ts";
import { readDocument, pathOf, resolve } from "./fetch/documents.ts";
import { readVerified } from "./fetch/read-blob.ts";
import { nameOf } from "./http/exchange.ts";
import { readReferrers } from "./referrers.ts";
import type { Reply, Session } from "./session.ts";
import type { Remote } from "./transfer.ts";

const MOST_PAGE = 8 * 2 ** 20;
const MOST_PAGES = 10_000;

export function openRemote(session: Session): Remote {
  const { repository } = session;
  return {
    repository,
    session,
    resolve: (tagOrDigest, signal) => resolve(session, tagOrDigest, signal),
    manifest: (tagOrDigest, signal) => readDocument(session, tagOrDigest, signal),
    blob: (descriptor, signal) => readVerified(session, descriptor, signal),
    async *tags(signal) {
      for await (const page of pages(session, "tags/list?n=1000", signal)) {
        const { tags } = page as { tags?: unknown };
        if (Array.isArray(tags)) yield* tags.filter((tag) => typeof tag === "string");
      }
    },
    referrers: (digest, signal, artifactType) => readReferrers(session, digest, signal, artifactType),
    async delete(tagOrDigest, signal) {
      const scopes = [`repository:${repository.path}:delete,pull,push`];
      const reply = await session.request({ method: "DELETE", at: pathOf(tagOrDigest), can: "push", expect: [202, 200, 204], scopes, signal });
      reply.drop();
    },
  };
}

/** Pages of a list, as its Link headers name them; only of the host that began. */
export async function* pages(session: Session, at: string, signal: AbortSignal, accept = "application/json"): AsyncGenerator<unknown> {
  const [path = "", query = ""] = at.split("?");
  const first = await session.request({ method: "GET", at: path, can: "resolve", expect: [200], headers: { accept }, signal, query: new URLSearchParams(query) });
  let reply = first;
  for (let count = 1; ; count++) {
    const what = nameOf("GET", reply.url);
    yield readPage(await collect(reply.read({ limit: MOST_PAGE }), MOST_PAGE, what), what);
    const next = nextPage(reply);
    if (next === undefined) return;
    if (count === MOST_PAGES) throw fail("invalid", `${what}: the list has more than ${MOST_PAGES} pages`);
    reply = await session.request({ method: "GET", at: { url: next, endpoint: first.endpoint }, can: "resolve", expect: [200], headers: { accept }, signal });
  }
}

function readPage(bytes: Buffer, what: string): unknown {
  try {
    return parseJson(bytes.toString("utf8"));
  } catch (error) {
    throw fail("invalid", `${what}: the answer is no JSON`, { cause: error });
  }
}

function nextPage(reply: Reply): URL | undefined {
  const link = /<([^>]{1,4096})>\s*;[^,]*\brel="?next"?/i.exec(String(reply.headers["link"] ?? ""))?.[1];
  const url = link === undefined ? null : URL.parse(link, reply.url);
  return url !== null && url.origin === reply.url.origin && url.href !== reply.url.href ? url : undefined;
}
