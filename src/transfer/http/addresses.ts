/** Which addresses a host that a server named may have. */
import { lookup as resolve, type LookupAddress, type LookupOptions } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { fail } from "#base/errors.ts";

const INNER_4 = [["0.0.0.0", 8], ["10.0.0.0", 8], ["100.64.0.0", 10], ["127.0.0.0", 8], ["169.254.0.0", 16], ["172.16.0.0", 12], ["192.0.0.0", 24], ["192.168.0.0", 16], ["198.18.0.0", 15], ["224.0.0.0", 3]] as const;
const INNER_6 = [["::", 127], ["64:ff9b::", 96], ["fc00::", 7], ["fe80::", 10], ["ff00::", 8]] as const;

const inner = new BlockList();
for (const [address, prefix] of INNER_4) inner.addSubnet(address, prefix, "ipv4");
for (const [address, prefix] of INNER_6) inner.addSubnet(address, prefix, "ipv6");

/** Loopback, private, link-local and the like; also of an IPv4 address that is written as IPv6. */
export function isInner(address: string): boolean {
  const family = isIP(address);
  if (family === 0) return false;
  return inner.check(address, family === 6 ? "ipv6" : "ipv4");
}

export const bareHost = (hostname: string): string => hostname.replace(/^\[|\]$/g, "");

export const refusal = (host: string): Error =>
  fail("forbidden", `${host} is at an address inside this network, and a server outside of it named it`, { facts: { inner: true } });

/** Looks a name up, and refuses addresses inside. */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  resolve(hostname, options as LookupOptions, (error: NodeJS.ErrnoException | null, found: string | LookupAddress[], family?: number) => {
    const all = typeof found === "string" ? [found] : (found ?? []).map(({ address }) => address);
    const failed = error ?? (all.some(isInner) ? refusal(hostname) : null);
    callback(failed as NodeJS.ErrnoException | null, found as string, family as number);
  });
};

/** A name whose address was looked up and judged before. */
export const pinned = (address: string): LookupFunction => (_hostname, options, callback) => {
  const family = isIP(address);
  if (options.all) callback(null, [{ address, family }]);
  else callback(null, address, family);
};
