/**
 * Which token server may be asked, and which may see credentials (security RC-02). A registry names its token server
 * itself, so the name is not to be trusted:
 *
 * - It must be an https address without a user name, of at most 2048 characters; http only of a registry that is itself
 *   asked over http, or listed as insecure.
 * - Credentials go to it only if it is the registry's own host (any port), or both are below the same registrable domain:
 *   the last two labels, three where the last but one is a generic second level ("co.uk"). Otherwise the request is refused.
 * - Without credentials another host is asked too, but one that is an address, or has one inside a private network, is
 *   not, unless it is the registry's own host or domain.
 */
import { isIP } from "node:net";
import { fail } from "#base/errors.ts";
import { bareHost } from "../http/addresses.ts";

export type Realm = { readonly url: URL; readonly related: boolean };

const MOST = 2048;

/** @throws forbidden, saying why */
export function checkRealm(realm: string, registry: URL, { insecure, credentials }: { insecure: boolean; credentials: boolean }): Realm {
  const refuse = (why: string) => fail("forbidden", `${registry.host} names a token server that is not asked: ${why}`);
  const url = realm.length > MOST ? null : URL.parse(realm);
  if (url === null) throw refuse("its address is none");
  const shown = `${url.protocol}//${url.host}`;
  if (url.username !== "" || url.password !== "") throw refuse("its address holds a user name");
  if (url.protocol !== "https:" && !(url.protocol === "http:" && insecure)) throw refuse(`${shown} is not https`);
  const related = areRelated(bareHost(url.hostname), bareHost(registry.hostname));
  if (!related && isIP(bareHost(url.hostname)) !== 0) throw refuse(`${shown} is an address, and not the registry's`);
  if (!related && credentials) throw refuse(`${shown} does not belong to it, so it gets no credentials`);
  return { url, related };
}

export function areRelated(one: string, other: string): boolean {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  if (a === b) return true;
  if (isLoopback(a) && isLoopback(b)) return true;
  if (isIP(a) !== 0 || isIP(b) !== 0) return false;
  const [x, y] = [registrable(a), registrable(b)];
  return x !== undefined && x === y;
}

const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));

const GENERIC = new Set(["co", "com", "net", "org", "gov", "edu", "ac", "or", "ne", "go", "gob", "gouv"]);

function registrable(host: string): string | undefined {
  const labels = host.replace(/\.$/, "").split(".");
  const count = labels.length > 2 && labels.at(-1)!.length === 2 && GENERIC.has(labels.at(-2)!) ? 3 : 2;
  return labels.length < count ? undefined : labels.slice(-count).join(".");
}
