/**
 * Browsers (RS-09). A page of anybody's can make a browser send requests to a registry that only its user reaches: by its
 * address, or by a name of the page's own that leads to it. So nothing is changed by a request that a page sent, and a
 * registry that asks nobody who they are answers only to names that are its own.
 */
import type { Call } from "#base/http.ts";
import { fail } from "#base/errors.ts";

export type OriginRule = (call: Call) => void;

const READS = new Set(["GET", "HEAD", "OPTIONS"]);
const REMEMBERED = 100;

/** `hosts`: names without port; `strict`: only they (and loopback's) also when there are none. */
export function openOriginRule({ hosts, strict }: { readonly hosts: readonly string[]; readonly strict: boolean }): OriginRule {
  const allowed = new Set(hosts.map((host) => host.toLowerCase()));
  const good = new Set<string>();
  const check = (host: string): void => {
    const name = nameOf(host);
    if (!isLoopbackName(name) && !allowed.has(name) && (strict || allowed.size > 0)) {
      throw fail("forbidden", `answer as ${JSON.stringify(name.slice(0, 100))}: the registry is not asked by that name; allow it with --allow-host`, { facts: { code: "DENIED" } });
    }
    if (good.size < REMEMBERED) good.add(host);
  };
  return ({ method, headers }) => {
    if (headers.origin !== undefined && !READS.has(method)) {
      throw fail("forbidden", "change something for a web page: the registry takes changes from programs only", { facts: { code: "DENIED" } });
    }
    const { host } = headers;
    if (host !== undefined && !good.has(host)) check(host);
  };
}

/** Without the port. */
function nameOf(host: string): string {
  const name = host.startsWith("[") ? host.slice(0, host.indexOf("]") + 1) : host.split(":")[0]!;
  return name.toLowerCase();
}

const isLoopbackName = (name: string): boolean => name === "localhost" || name === "[::1]" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
