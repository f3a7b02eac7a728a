/**
 * What a container may send to, as it is written (`--egress-allow`, HostConfig.Egress.Allow). Pure.
 *
 *     example.com   example.com:443   *.example.com:443/tcp   10.0.0.1   10.0.0.0/8   10.0.0.0/8:5432   [fd00::/8]:53/udp
 */

export type EgressTarget = {
  /** A name, in lower case; "*.example.com" is all names under it. */
  readonly name?: string;
  /** Or a prefix: "10.0.0.1/32". */
  readonly prefix?: string;
  /** Absent: every port. */
  readonly port?: number;
  /** Absent: every protocol; with a port, tcp and udp. */
  readonly protocol?: "tcp" | "udp";
};

/** undefined when it is none. */
export function parseEgress(text: string): EgressTarget | undefined {
  const match = /^(?:\[([^\]]+)\]|([^[\]]*?))(?::(\d{1,5}))?(?:\/(tcp|udp))?$/i.exec(text);
  // An IPv6 address without brackets has colons of its own, and no port.
  if (match === null || familyOf(text) === 6 || isPrefix6(text)) return whereOf(text);
  const where = whereOf(match[1] ?? match[2]!);
  const port = match[3] === undefined ? undefined : Number(match[3]);
  if (where === undefined || (port !== undefined && (port < 1 || port > 65535))) return undefined;
  const protocol = match[4]?.toLowerCase() as "tcp" | "udp" | undefined;
  return { ...where, ...(port === undefined ? {} : { port }), ...(protocol === undefined ? {} : { protocol }) };
}

const isPrefix6 = (text: string) => /^[\da-f:.]+\/\d{1,3}$/i.test(text) && familyOf(text.slice(0, text.indexOf("/"))) === 6;

/** "10.0.0.0/8" and a bare address as a prefix; anything else must be a name. */
function whereOf(text: string): Pick<EgressTarget, "name" | "prefix"> | undefined {
  const prefix = asPrefix(text);
  if (prefix !== undefined) return { prefix };
  return NAME.test(text) && text.length <= 253 && !/^[\d.]+$/.test(text) ? { name: text.toLowerCase().replace(/\.$/, "") } : undefined;
}

const NAME = /^(\*\.)?[a-z\d_]([a-z\d_-]{0,61}[a-z\d_])?(\.[a-z\d_]([a-z\d_-]{0,61}[a-z\d_])?)*\.?$/i;

/** An address or a prefix, in the form of a prefix; undefined when it is neither. */
export function asPrefix(text: string): string | undefined {
  const [, address = "", length] = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const family = familyOf(address);
  if (family === 0) return undefined;
  const bits = family === 4 ? 32 : 128;
  return Number(length ?? bits) > bits ? undefined : `${address}/${length ?? bits}`;
}

/** What an address is one of; 0: it is none. (This layer has no node:net.) */
function familyOf(text: string): 4 | 6 | 0 {
  if (isV4(text)) return 4;
  const dotted = /^(.*:)([\d.]+)$/.exec(text);
  if (dotted !== null && dotted[2]!.includes(".") && !isV4(dotted[2]!)) return 0;
  // An IPv4 tail is two groups.
  const plain = dotted?.[2]!.includes(".") ? `${dotted[1]}0:0` : text;
  const [head = "", tail, ...more] = plain.split("::");
  const groups = [head, tail ?? ""].flatMap((part) => (part === "" ? [] : part.split(":")));
  const whole = tail === undefined ? groups.length === 8 : groups.length < 8 && more.length === 0;
  return whole && groups.every((group) => /^[\da-f]{1,4}$/i.test(group)) ? 6 : 0;
}

function isV4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}
