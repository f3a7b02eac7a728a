/**
 * What a limited container may send to. An entry of its policy is an address, a prefix or a name ("*.example.org" for all
 * names below), each with ":port" behind it, and "/tcp" or "/udp": "10.0.0.0/8:5432", "[2001:db8::1]:443",
 * "example.org:443/tcp". Without a protocol, a port is any protocol's.
 *
 * Addresses are elements for as long as the container runs; names become elements when our DNS answers for them, and
 * only as long as the answer lives (answers.ts).
 */
import { fail } from "#base/errors.ts";
import type { EgressPolicy } from "#spec/docker.ts";
import { parseAddress } from "../addresses.ts";
import type { Attachment } from "../network.ts";
import { portField, protocolField, type InSet } from "./elements.ts";
import { fieldRanges, outermost, parseRange, type Range } from "./ranges.ts";

export type EgressEntry = {
  readonly to: Range | { readonly name: string };
  /** undefined: every port, and what has none. */
  readonly port: number | undefined;
  readonly protocol: "tcp" | "udp" | "sctp" | undefined;
};

const PROTOCOL = { tcp: 6, udp: 17, sctp: 132 } as const;

/** @throws invalid, with a sentence */
export function parseEgress(text: string): EgressEntry {
  const [, bare = "", protocol] = /^(.*?)(?:\/(tcp|udp|sctp))?$/.exec(text.trim())!;
  const whole = parseRange(unbracketed(bare));
  const [, host = bare, digits] = whole === undefined ? (/^(.*):(\d{1,5})$/.exec(bare) ?? []) : [];
  const port = digits === undefined ? undefined : Number(digits);
  const to = whole ?? parseRange(unbracketed(host)) ?? nameOf(host);
  const wrong = to === undefined || (port !== undefined && (port < 1 || port > 65535));
  if (wrong) throw fail("invalid", `invalid egress rule "${text}": expected an address, a prefix or a name, with ":port" and "/protocol" if need be`);
  return { to, port, protocol: protocol as EgressEntry["protocol"] };
}

/** undefined: the container may send to everywhere. */
export function entriesOf(policy: EgressPolicy | undefined): EgressEntry[] | undefined {
  return policy?.Default === "deny" ? policy.Allow.map(parseEgress) : undefined;
}

/** Those entries whose name is this one. Names end without a dot, in small letters. */
export function entriesFor(entries: readonly EgressEntry[], asked: string): EgressEntry[] {
  const name = asked.toLowerCase().replace(/\.$/, "");
  return entries.filter(({ to }) => "name" in to && (to.name === name || (to.name.startsWith("*.") && name.endsWith(to.name.slice(1)))));
}

export function egressElements(attachment: Attachment): InSet[] {
  const entries = entriesOf(attachment.egress);
  if (entries === undefined) return [];
  return [attachment.address, attachment.address6].flatMap((text) => {
    const own = parseAddress(text);
    if (own === undefined) return [];
    return [[`limited${versionOf(own)}`, { key: own }] as const, ...kindsOf(entries, own.length).flatMap((kind) => addressElements(own, kind))];
  });
}

/** Elements that open an address to one container, for some milliseconds. */
export function answerElements(own: Buffer, entry: EgressEntry, address: Buffer, timeout: number): InSet[] {
  if (address.length !== own.length) return [];
  return keysOf(entry).map(({ set, key }) => [`named${set}${versionOf(own)}`, { key: Buffer.concat(key(own, address) as Buffer[]), timeout }]);
}

const versionOf = (address: Buffer) => (address.length === 4 ? 4 : 6);

/** Prefixes of entries with the same protocol and port: they may contain each other, and the kernel refuses overlaps. */
type Kind = { readonly entry: EgressEntry; readonly ranges: Range[] };

function kindsOf(entries: readonly EgressEntry[], length: number): Kind[] {
  const kinds = new Map<string, Kind>();
  for (const entry of entries) {
    if ("name" in entry.to || entry.to.first.length !== length) continue;
    for (const protocol of entry.port === undefined ? [entry.protocol] : protocolsOf(entry)) {
      const name = `${protocol} ${entry.port}`;
      const kind = kinds.get(name) ?? { entry: { ...entry, protocol }, ranges: [] };
      kinds.set(name, { ...kind, ranges: [...kind.ranges, entry.to] });
    }
  }
  return [...kinds.values()];
}

function addressElements(own: Buffer, { entry, ranges }: Kind): InSet[] {
  return keysOf(entry).flatMap(({ set, key }) => outermost(ranges).map((range): InSet => [`egress${set}${versionOf(own)}`, fieldRanges(key(own, range))]));
}

type KeyOf = { readonly set: "" | "Protocol" | "Port"; readonly key: (own: Buffer, to: Buffer | Range) => (Buffer | Range)[] };

function keysOf(entry: EgressEntry): KeyOf[] {
  const { port, protocol } = entry;
  if (port !== undefined) {
    return protocolsOf(entry).map((one) => ({ set: "Port", key: (own, to) => [own, protocolField(PROTOCOL[one]), to, portField(port)] }));
  }
  if (protocol === undefined) return [{ set: "", key: (own, to) => [own, to] }];
  return [{ set: "Protocol", key: (own, to) => [own, protocolField(PROTOCOL[protocol]), to] }];
}

const protocolsOf = ({ protocol }: EgressEntry) => (protocol === undefined ? (["tcp", "udp", "sctp"] as const) : [protocol]);

function unbracketed(text: string): string {
  return text.replace(/^\[([^\]]*)\](\/\d+)?$/, "$1$2");
}

const NAME = /^(\*\.)?[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*\.?$/;

function nameOf(text: string): { name: string } | undefined {
  const name = text.toLowerCase();
  return NAME.test(name) && name.length <= 253 && !/^[\d.]+$/.test(name) ? { name: name.replace(/\.$/, "") } : undefined;
}
