/**
 * A zone as bytes: a hash table of names, which shims search in place. Pure. Little-endian; addresses and names as in
 * DNS messages.
 *
 *     header:  u32 "GNZ1", u32 superseded (0; 1: open the file anew), u32 bytes of the file, u32 slots (a power of two)
 *     slots:   u32 hash (FNV-1a of the name's bytes), u32 place of the entry (0: none); probing is linear
 *     entry:   u16 IPv4 addresses, u16 IPv6 addresses, u8 length of the name, u8 length of the target (0: none),
 *              name (lower case), target (of a PTR record), IPv4 addresses, IPv6 addresses
 */
import { parseAddress } from "../ipam/addresses.ts";
import type { Attachment } from "../network.ts";
import { encodeName, reverseName } from "./wire.ts";

const MAGIC = 0x315a4e47;
const HEADER = 16;
const SLOT = 8;
const ENTRY = 6;
/** As many as an answer over TCP can hold, nearly. */
const MOST_ADDRESSES = 2048;

type Entry = { readonly name: Buffer; readonly addresses: Buffer[]; readonly addresses6: Buffer[]; target?: Buffer };
export type ZoneEndpoint = Pick<Attachment, "name" | "container" | "networkName" | "address" | "address6" | "dnsNames">;

/** The beginning of a zone in whose place there is another. */
export const SUPERSEDED = words(MAGIC, 1);

/** The zone of a network with these endpoints. A name that several have leads to all of them. */
export function buildZone(endpoints: readonly ZoneEndpoint[]): Buffer {
  const entries = new Map<string, Entry>();
  for (const endpoint of endpoints) {
    const addresses = [endpoint.address, endpoint.address6].filter((address) => address !== "");
    for (const name of namesOf(endpoint)) {
      for (const full of [name, `${name}.${endpoint.networkName}`]) addAddresses(entries, full, addresses);
    }
    for (const address of addresses) addTarget(entries, reverseName(address), `${endpoint.name}.${endpoint.networkName}`);
  }
  return encodeZone([...entries.values()]);
}

/** Records from before there were such names have none. */
export const namesOf = ({ name, container, dnsNames }: Pick<ZoneEndpoint, "name" | "container" | "dnsNames">): ReadonlySet<string> =>
  new Set(dnsNames ?? [name, container.slice(0, 12)]);

function addAddresses(entries: Map<string, Entry>, name: string, addresses: readonly string[]): void {
  const entry = entryOf(entries, name);
  for (const address of entry === undefined ? [] : addresses) {
    const bytes = parseAddress(address)!;
    const family = bytes.length === 4 ? entry!.addresses : entry!.addresses6;
    if (family.length < MOST_ADDRESSES && !family.some((one) => one.equals(bytes))) family.push(bytes);
  }
}

function addTarget(entries: Map<string, Entry>, name: string, target: string): void {
  const bytes = encodeName(target);
  const entry = bytes === undefined ? undefined : entryOf(entries, name);
  if (entry !== undefined) entry.target ??= bytes!;
}

/** undefined: what cannot be asked for. */
function entryOf(entries: Map<string, Entry>, name: string): Entry | undefined {
  const bytes = encodeName(name);
  if (bytes === undefined) return undefined;
  const key = bytes.toString("latin1");
  let entry = entries.get(key);
  if (entry === undefined) entries.set(key, (entry = { name: bytes, addresses: [], addresses6: [] }));
  return entry;
}

function encodeZone(entries: readonly Entry[]): Buffer {
  let slots = 16;
  while (slots < entries.length * 2) slots *= 2;
  const table = Buffer.alloc(HEADER + slots * SLOT);
  const parts: Buffer[] = [table];
  let at = table.length;
  for (const entry of entries) {
    place(table, slots, hashName(entry.name), at);
    const bytes = encodeEntry(entry);
    parts.push(bytes);
    at += bytes.length;
  }
  words(MAGIC, 0, at, slots).copy(table);
  return Buffer.concat(parts, at);
}

function place(table: Buffer, slots: number, hash: number, at: number): void {
  const slotAt = (index: number) => HEADER + (index & (slots - 1)) * SLOT;
  let index = hash;
  while (table.readUInt32LE(slotAt(index) + 4) !== 0) index++;
  table.writeUInt32LE(hash, slotAt(index));
  table.writeUInt32LE(at, slotAt(index) + 4);
}

function encodeEntry({ name, target = Buffer.alloc(0), addresses, addresses6 }: Entry): Buffer {
  const head = Buffer.alloc(ENTRY);
  head.writeUInt16LE(addresses.length, 0);
  head.writeUInt16LE(addresses6.length, 2);
  head[4] = name.length;
  head[5] = target.length;
  return Buffer.concat([head, name, target, ...addresses, ...addresses6]);
}

function hashName(name: Buffer): number {
  let hash = 0x811c9dc5;
  for (const byte of name) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32LE(value, 4 * index));
  return bytes;
}
