/** `docker import URL`: the engine fetches the archive, as Docker does. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { fail, messageOf } from "#base/errors.ts";

const REDIRECTS = 10;
/** Without a byte. */
const IDLE = 30_000;

export type RemoteArchive = { readonly url: string; readonly bytes: AsyncIterable<Buffer> };

/** @throws invalid for what is no URL of http or https; unavailable when nobody answers, or not with the file */
export async function openRemoteArchive(source: string, signal: AbortSignal): Promise<RemoteArchive> {
  let url = parseUrl(/^[a-z][a-z0-9+.-]*:\/\//i.test(source) ? source : `http://${source}`);
  for (let hops = 0; hops <= REDIRECTS; hops++) {
    const response = await get(url, signal);
    const { statusCode = 0, headers } = response;
    if (statusCode === 200) return { url: url.href, bytes: response };
    response.destroy();
    if (![301, 302, 303, 307, 308].includes(statusCode) || headers.location === undefined) throw fail("unavailable", `import: GET ${url.href}: the server answered ${statusCode}`);
    const next = parseUrl(headers.location, url);
    if (url.protocol === "https:" && next.protocol !== "https:") throw fail("unavailable", `import: GET ${url.href}: it leads to ${next.href}, where nothing is encrypted`);
    url = next;
  }
  throw fail("unavailable", `import: GET ${source}: more than ${REDIRECTS} redirects`);
}

function parseUrl(text: string, base?: URL): URL {
  const url = URL.canParse(text, base?.href) ? new URL(text, base?.href) : undefined;
  if (url !== undefined && (url.protocol === "http:" || url.protocol === "https:")) return url;
  throw fail("invalid", `import: ${JSON.stringify(text)} is no URL of http or https`);
}

async function get(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
  const { request } = process.getBuiltinModule(url.protocol === "https:" ? "node:https" : "node:http"); // see base/http-server.ts
  const call = request(url, { signal, timeout: IDLE, headers: { "User-Agent": "gantry", Accept: "*/*" } });
  call.once("timeout", () => call.destroy(new Error(`no byte came in ${IDLE / 1000} seconds`)));
  call.end();
  try {
    const [response] = (await once(call, "response")) as [IncomingMessage];
    return response;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw fail("unavailable", `import: GET ${url.href}: ${messageOf(error)}`, { cause: error });
  }
}
