/**
 * What a limited container may send to, as elements. Addresses and prefixes of its policy are elements for as long as it
 * runs; names become elements when our DNS answers for them, for as long as the answer lives (answers.ts).
 */
import type { EgressPolicy } from "#spec/docker.ts";
import { parseEgress, type EgressTarget } from "#spec/egress.ts";
import { parseAddress } from "../ipam/addresses.ts";
import type { Attachment } from "../network.ts";
import { portField, protocolField, type InSet } from "./elements.ts";
import { fieldRanges, outermost, parseRange, type Range } from "./ranges.ts";

type Protocol = "tcp" | "udp";

const PROTOCOL = { tcp: 6, udp: 17 } as const satisfies Record<Protocol, number>;

/** undefined: the container may send to everywhere. What does not parse was refused when the container was made. */
export function targetsOf(policy: EgressPolicy | undefined): EgressTarget[] | undefined {
  if (policy?.Default !== "deny") return undefined;
  return policy.Allow.map(parseEgress).filter((target) => target !== undefined);
}

/** Those whose name is this one, which is in small letters and ends without a dot. */
export function targetsFor(targets: readonly EgressTarget[], asked: string): EgressTarget[] {
  return targets.filter(({ name }) => name !== undefined && (name === asked || (name.startsWith("*.") && asked.endsWith(name.slice(1)))));
}

export function egressElements(attachment: Attachment): InSet[] {
  const targets = targetsOf(attachment.egress);
  if (targets === undefined) return [];
  return [attachment.address, attachment.address6].flatMap((text) => {
    const own = parseAddress(text);
    if (own === undefined) return [];
    return [[`limited${versionOf(own)}`, { key: own }] as const, ...kindsOf(targets, own.length).flatMap((kind) => addressElements(own, kind))];
  });
}

/** Elements that open an address to one container, for some milliseconds. */
export function answerElements(own: Buffer, target: EgressTarget, address: Buffer, timeout: number): InSet[] {
  if (address.length !== own.length) return [];
  return keysOf(target).map(({ set, key }) => [`named${set}${versionOf(own)}`, { key: Buffer.concat(key(own, address) as Buffer[]), timeout }]);
}

const versionOf = (address: Buffer) => (address.length === 4 ? 4 : 6);

/** Prefixes of targets with the same protocol and port: they may contain each other, and the kernel refuses overlaps. */
type Kind = { readonly target: EgressTarget; readonly ranges: readonly Range[] };

function kindsOf(targets: readonly EgressTarget[], length: number): Kind[] {
  const kinds = new Map<string, Kind>();
  for (const target of targets) {
    const range = target.prefix === undefined ? undefined : parseRange(target.prefix);
    if (range?.first.length !== length) continue;
    for (const protocol of target.port === undefined ? [target.protocol] : protocolsOf(target)) {
      const name = `${protocol} ${target.port}`;
      const one = { ...(protocol && { protocol }), ...(target.port === undefined ? {} : { port: target.port }) };
      kinds.set(name, { target: one, ranges: [...(kinds.get(name)?.ranges ?? []), range] });
    }
  }
  return [...kinds.values()];
}

function addressElements(own: Buffer, { target, ranges }: Kind): InSet[] {
  return keysOf(target).flatMap(({ set, key }) => outermost(ranges).map((range): InSet => [`egress${set}${versionOf(own)}`, fieldRanges(key(own, range))]));
}

type KeyOf = { readonly set: "" | "Protocol" | "Port"; readonly key: (own: Buffer, to: Buffer | Range) => (Buffer | Range)[] };

function keysOf(target: EgressTarget): KeyOf[] {
  const { port, protocol } = target;
  if (port !== undefined) {
    return protocolsOf(target).map((one) => ({ set: "Port", key: (own, to) => [own, protocolField(PROTOCOL[one]), to, portField(port)] }));
  }
  if (protocol === undefined) return [{ set: "", key: (own, to) => [own, to] }];
  return [{ set: "Protocol", key: (own, to) => [own, protocolField(PROTOCOL[protocol]), to] }];
}

const protocolsOf = ({ protocol }: EgressTarget): readonly Protocol[] => (protocol === undefined ? ["tcp", "udp"] : [protocol]);
