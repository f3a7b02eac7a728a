import { isIP } from "node:net";
import { fail, messageOf } from "#base/errors.ts";
import { asPrefix } from "#spec/egress.ts";
import { parseInteger } from "../flags/units.ts";

export type Ports = {
  /** "80/tcp" → {} */
  readonly exposed: Record<string, Record<string, never>>;
  readonly bindings: Record<string, PortBinding[]>;
};

/** `Allow` is Gantry's own: who may connect. */
type PortBinding = { HostIp: string; HostPort: string; Allow?: readonly string[] };

/**
 * `-p [[ADDRESS:]HOST:]CONTAINER[/PROTOCOL]`, both with ranges, `-p target=…,published=…`, and `--expose`. Ours: `,allow=`
 * and an address or a prefix behind a publication, any number of times.
 */
export function parsePorts(publish: readonly string[], expose: readonly string[]): Ports {
  const ports: Ports = { exposed: {}, bindings: {} };
  for (const each of publish) {
    const { rest, allow } = splitAllow(each);
    addPublished(ports, rest.includes("=") ? fromLongForm(rest) : rest, allow);
  }
  for (const each of expose) addExposed(ports, each);
  return ports;
}

function splitAllow(value: string): { rest: string; allow: readonly string[] } {
  const [first = "", ...fields] = value.split(",");
  const allow = fields.filter((field) => field.startsWith("allow=")).map((field) => field.slice("allow=".length));
  for (const one of allow) if (asPrefix(one) === undefined) throw fail("invalid", `invalid allow ${JSON.stringify(one)}: expected an address or a prefix, such as 10.0.0.0/8`);
  const others = fields.filter((field) => !field.startsWith("allow="));
  if (others.length > 0 && !first.includes("=")) throw fail("invalid", `invalid publication ${JSON.stringify(value)}: behind the ports may stand allow=CIDR, not ${JSON.stringify(others[0])}`);
  return { rest: [first, ...others].join(","), allow };
}

function fromLongForm(value: string): string {
  const fields: Record<string, string> = { protocol: "tcp", published: "", target: "" };
  for (const field of value.split(",")) {
    const equals = field.indexOf("=");
    if (equals <= 0) throw fail("invalid", `invalid publish opts format (should be name=value but got '${field}')`);
    fields[field.slice(0, equals)] = field.slice(equals + 1);
  }
  return `${fields["published"]}:${fields["target"]}/${fields["protocol"]}`;
}

function addPublished(ports: Ports, value: string, allow: readonly string[]): void {
  const { address, host, container, protocol } = splitSpec(value);
  if (address !== "" && isIP(address) === 0) throw fail("invalid", `invalid IP address: ${address}`);
  if (container === "") throw fail("invalid", `no port specified: ${value}<empty>`);
  const inside = readRange(container, () => `invalid containerPort: ${container}`);
  const outside = host === "" ? undefined : readRange(host, () => `invalid hostPort: ${host}`);
  if (outside !== undefined && outside.last - outside.first !== inside.last - inside.first && inside.first !== inside.last) {
    throw fail("invalid", `invalid ranges specified for container and host Ports: ${container} and ${host}`);
  }
  if (!["tcp", "udp", "sctp"].includes(protocol)) throw fail("invalid", `invalid proto: ${protocol}`);
  for (let port = inside.first; port <= inside.last; port++) {
    const key = `${port}/${protocol}`;
    ports.exposed[key] ??= {};
    (ports.bindings[key] ??= []).push({ HostIp: address, HostPort: hostPort(outside, port - inside.first, inside.first === inside.last), ...(allow.length === 0 ? {} : { Allow: allow }) });
  }
}

/** One container port may take any of a range on the host. */
function hostPort(outside: Range | undefined, offset: number, single: boolean): string {
  if (outside === undefined) return "";
  return single && outside.first !== outside.last ? `${outside.first}-${outside.last}` : `${outside.first + offset}`;
}

function splitSpec(value: string): { address: string; host: string; container: string; protocol: string } {
  const parts = value.split(":");
  const last = parts.at(-1)!;
  const slash = last.indexOf("/");
  const container = slash < 0 ? last : last.slice(0, slash);
  const protocol = slash < 0 ? "tcp" : last.slice(slash + 1).toLowerCase() || "tcp";
  const address = parts.slice(0, -2).join(":");
  return { address: /^\[.*\]$/.test(address) ? address.slice(1, -1) : address, host: parts.at(-2) ?? "", container, protocol };
}

function addExposed(ports: Ports, value: string): void {
  if (value.includes(":")) throw fail("invalid", `invalid port format for --expose: ${value}`);
  const [port = "", protocol = "tcp"] = value.split("/");
  let range: Range;
  try {
    range = parseRange(port);
  } catch (error) {
    throw fail("invalid", `invalid range format for --expose: ${value}, error: ${messageOf(error)}`);
  }
  for (let each = range.first; each <= range.last; each++) ports.exposed[`${each}/${protocol}`] ??= {};
}

type Range = { readonly first: number; readonly last: number };

function readRange(text: string, message: () => string): Range {
  try {
    return parseRange(text);
  } catch {
    throw fail("invalid", message());
  }
}

function parseRange(text: string): Range {
  if (text === "") throw fail("invalid", "empty string specified for ports");
  const dash = text.indexOf("-");
  const first = parseInteger(dash < 0 ? text : text.slice(0, dash), { unsigned: true, bits: 16 });
  const last = dash < 0 ? first : parseInteger(text.slice(dash + 1), { unsigned: true, bits: 16 });
  if (last < first) throw fail("invalid", `invalid range specified for port: ${text}`);
  return { first, last };
}
