/** Ranges of addresses as sets of nf_tables have them. Pure. */
import type { Element } from "#linux/nftables.ts";
import { parseAddress, parsePrefix, rangeOf, toAddress, toNumber, type Prefix } from "../ipam/addresses.ts";

/** First and last address, both in it. */
export type Range = { readonly first: Buffer; readonly last: Buffer };

/** "10.0.0.0/8", or one address. undefined: neither. */
export function parseRange(text: string): Range | undefined {
  const address = parseAddress(text);
  const prefix = address === undefined ? parsePrefix(text) : { address, prefixLength: address.length * 8 };
  return prefix === undefined ? undefined : rangeFor(prefix);
}

/** Those of some prefixes that no other contains: the kernel takes no ranges that overlap. */
export function outermost(ranges: readonly Range[]): Range[] {
  return ranges.filter((one, index) => !ranges.some((other, at) => at !== index && holds(other, one) && (!holds(one, other) || at < index)));
}

/** As two elements, for a set whose key is one field. What comes after the last address there is has no element. */
export function rangeElements({ first, last }: Range, data: Partial<Element> = {}): Element[] {
  const after = toNumber(last) + 1n;
  const end = after >> BigInt(last.length * 8) === 0n ? [{ key: toAddress(after, last.length), end: true }] : [];
  return [{ ...data, key: first }, ...end];
}

/** As one element, for a set of several fields: each a value or a range. */
export function fieldRanges(fields: readonly (Uint8Array | Range)[]): Element {
  const [firsts, lasts] = [fields.map((field) => ("first" in field ? field.first : field)), fields.map((field) => ("last" in field ? field.last : field))];
  return { key: Buffer.concat(firsts), keyEnd: Buffer.concat(lasts) };
}

function rangeFor(prefix: Prefix): Range {
  const { first, last } = rangeOf(prefix);
  return { first: toAddress(first, prefix.address.length), last: toAddress(last, prefix.address.length) };
}

function holds(one: Range, other: Range): boolean {
  return one.first.length === other.first.length && Buffer.compare(one.first, other.first) <= 0 && Buffer.compare(one.last, other.last) >= 0;
}
