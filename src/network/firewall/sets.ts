/** The sets and maps of the firewall's table. What is in them is in elements.ts, who asks them in rules.ts. */
import type { Field, SetShape } from "#linux/nftables.ts";

/** The same set for IPv4 and IPv6. */
type Both = (address: Field, version: 4 | 6) => SetShape;

const both = {
  // Published ports: where to. `any`: on every address of the host.
  ports: (ip) => ({ name: "ports", key: ["protocol", ip, "port"], data: [ip, "port"] }),
  portsAny: (ip) => ({ name: "portsany", key: ["protocol", "port"], data: [ip, "port"] }),
  // Those that only some may use, and by whom: the last field of `allow`.
  fenced: (ip) => ({ name: "fenced", key: ["protocol", ip, "port"] }),
  fencedAny: (ip) => ({ name: "fencedany", key: ["protocol", "port"] }),
  allow: (ip) => ({ name: "allow", key: ["protocol", ip, "port", ip], data: [ip, "port"], interval: true }),
  allowAny: (ip) => ({ name: "allowany", key: ["protocol", "port", ip], data: [ip, "port"], interval: true }),
  /** A container's published ports under its own address: routed networks, trusted interfaces. */
  open: (ip) => ({ name: "open", key: ["protocol", ip, "port"] }),
  // Networks.
  /** Interfaces from which published ports are reached under the containers' addresses, and subnets. */
  trusted: (ip) => ({ name: "trusted", key: ["ifname", ip], interval: true }),
  /** What comes into a bridge. */
  into: () => ({ name: "into", key: ["ifname"], data: "verdict" }),
  /** Sources that leave with the host's address, or with one that the network names. */
  leaving: (ip) => ({ name: "leaving", key: [ip], interval: true }),
  leavingAs: (ip) => ({ name: "leavingas", key: [ip], data: [ip], interval: true }),
  /** A bridge and its subnets. */
  homes: (ip) => ({ name: "homes", key: ["ifname", ip], interval: true }),
  /** Interfaces that were there when forwarding was switched on. */
  guarded: () => ({ name: "guarded", key: ["ifname"] }),
  // Containers that may not send anywhere.
  limited: (ip) => ({ name: "limited", key: [ip] }),
  // From, protocol, to, port: addresses and prefixes they may send to.
  egress: (ip) => ({ name: "egress", key: [ip, ip], interval: true }),
  egressProtocol: (ip) => ({ name: "egressprotocol", key: [ip, "protocol", ip], interval: true }),
  egressPort: (ip) => ({ name: "egressport", key: [ip, "protocol", ip, "port"], interval: true }),
  // The same: addresses that an allowed name stood for lately.
  named: (ip) => ({ name: "named", key: [ip, ip], timeout: true }),
  namedProtocol: (ip) => ({ name: "namedprotocol", key: [ip, "protocol", ip], timeout: true }),
  namedPort: (ip) => ({ name: "namedport", key: [ip, "protocol", ip, "port"], timeout: true }),
} as const satisfies Record<string, Both>;

const single = {
  bridges: { name: "bridges", key: ["ifname"] },
  internal: { name: "internal", key: ["ifname"] },
  /** From a bridge into the same: as `icc` says. */
  within: { name: "within", key: ["ifname", "ifname"], data: "verdict" },
} as const satisfies Record<string, SetShape>;

type Kind = keyof typeof both;
export type SetKey = `${Kind}${4 | 6}` | keyof typeof single;
export type NumberedSet = SetShape & { readonly id: number };

const shapes: [string, SetShape][] = [
  ...Object.entries<Both>(both).flatMap(([key, of]) => ([4, 6] as const).map((version): [string, SetShape] => {
    const shape = of(version === 4 ? "ipv4" : "ipv6", version);
    return [`${key}${version}`, { ...shape, name: `${shape.name.replace("any", "")}${version}${shape.name.endsWith("any") ? "any" : ""}` }];
  })),
  ...Object.entries<SetShape>(single),
];

export const SETS = Object.fromEntries(shapes.map(([key, shape], index) => [key, { ...shape, id: index + 1 }])) as unknown as Readonly<Record<SetKey, NumberedSet>>;
