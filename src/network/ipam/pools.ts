/** Which subnet a network gets, and which address a container gets in it. Pure. */
import { fail } from "#base/errors.ts";
import { networkOf, parsePrefix, rangeOf, toAddress, toNumber, type Prefix } from "./addresses.ts";

export type Pool = { readonly base: string; readonly size: number };

/** Docker's: 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/16 in pieces of 20 bits. */
export const DEFAULT_POOLS: readonly Pool[] = [
  ...Array.from({ length: 15 }, (_, index) => ({ base: `172.${17 + index}.0.0/16`, size: 16 })),
  { base: "192.168.0.0/16", size: 20 },
];

/**
 * The first subnet of the pools that meets none of the given prefixes: routes and addresses of the host, other networks.
 * A default route (length 0) says nothing. What is taken is jumped over, so that a pool may have any number of subnets.
 */
export function chooseSubnet(pools: readonly Pool[], taken: readonly Prefix[]): Prefix {
  const ranges = new Map([4, 16].map((length) => [length, sortedRanges(taken, length)]));
  for (const { base, size } of pools) {
    const whole = parsePrefix(base);
    if (whole === undefined || whole.prefixLength > size) continue;
    const start = firstFree(whole, size, ranges.get(whole.address.length)!);
    if (start !== undefined) return { address: toAddress(start, whole.address.length), prefixLength: size };
  }
  throw fail("unavailable", "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network: set bip or default-address-pools");
}

type Range = { readonly first: bigint; readonly last: bigint };

function sortedRanges(prefixes: readonly Prefix[], length: number): Range[] {
  const ranges = prefixes.filter(({ address, prefixLength }) => address.length === length && prefixLength > 0).map(rangeOf);
  return ranges.sort((one, other) => (one.first < other.first ? -1 : one.first > other.first ? 1 : 0));
}

function firstFree(whole: Prefix, size: number, taken: readonly Range[]): bigint | undefined {
  const { first, last } = rangeOf(whole);
  const step = 1n << BigInt(whole.address.length * 8 - size);
  let start = first;
  for (const range of taken) {
    if (range.last < start) continue;
    if (range.first >= start + step) break;
    start = ((range.last + step) / step) * step;
  }
  return start <= last ? start : undefined;
}

/** Gives addresses of a range in turn, so that one that was given back is not given again at once. */
export type AddressTurn = { next: bigint };

/** undefined when all are used. `used` holds what must not be given: the gateway too. */
export function nextAddress(within: { readonly subnet: string; readonly range?: string }, used: ReadonlySet<bigint>, turn: AddressTurn): Buffer | undefined {
  const subnet = parsePrefix(within.subnet)!;
  const { first, last } = usable(subnet, within.range === undefined ? subnet : parsePrefix(within.range)!);
  const start = turn.next >= first && turn.next <= last ? turn.next : first;
  for (let candidate = start, tried = 0; tried <= used.size; tried++) {
    if (candidate < first || candidate > last) candidate = first;
    if (candidate > last) return undefined;
    if (!used.has(candidate)) {
      turn.next = candidate + 1n;
      return toAddress(candidate, subnet.address.length);
    }
    candidate++;
  }
  return undefined;
}

/** Without the subnet's own first address and, for IPv4, its broadcast address. */
function usable(subnet: Prefix, range: Prefix): { first: bigint; last: bigint } {
  const whole = rangeOf(subnet);
  const part = rangeOf(range);
  const broadcast = subnet.address.length === 4 && subnet.prefixLength < 31;
  const least = subnet.prefixLength < subnet.address.length * 8 - 1 ? whole.first + 1n : whole.first;
  const most = broadcast ? whole.last - 1n : whole.last;
  return { first: part.first < least ? least : part.first, last: part.last > most ? most : part.last };
}

/** A network's own prefix for IPv6 when none is configured: unique local, from its id, so that it stays the same. */
export function localSubnet6(networkId: string): Prefix {
  return networkOf({ address: Buffer.from(`fd${networkId.slice(0, 10)}0000${"0".repeat(16)}`, "hex"), prefixLength: 64 });
}

/** The gateway of a subnet for which none is given: its first address. */
export function firstAddress(subnet: Prefix): Buffer {
  return toAddress(toNumber(networkOf(subnet).address) + 1n, subnet.address.length);
}

