/** A plugin that gives subnets and addresses: what `src/network/remote` calls an IPAM, by shape. */
import { field, flag, text, type Answer } from "./answer.ts";
import { isUnanswered } from "./exchange.ts";
import type { Plugin } from "./plugins.ts";
import { verbs } from "./verbs.ts";

type Options = Readonly<Record<string, string>>;

export async function ipamDriver(plugin: Plugin) {
  const call = verbs(plugin, "IpamDriver", "remote: ");
  // Not every plugin has this verb: then it needs nothing.
  const abilities = await call("GetCapabilities", {}).catch((error: unknown): Answer => {
    if (isUnanswered(error)) throw error;
    return {};
  });
  return {
    needsMac: flag(abilities, "RequiresMACAddress"),
    async requestPool({ subnet, range, options, ipv6 }: { readonly subnet: string; readonly range: string; readonly options: Options; readonly ipv6: boolean }) {
      const space = text(await call("GetDefaultAddressSpaces", {}), "LocalDefaultAddressSpace");
      const answer = await call("RequestPool", { AddressSpace: space, Pool: subnet, SubPool: range, Options: options, V6: ipv6 });
      return { id: text(answer, "PoolID"), space, subnet: text(answer, "Pool"), data: stringsOf(field(answer, "Data")) };
    },
    async releasePool(id: string): Promise<void> {
      await call("ReleasePool", { PoolID: id });
    },
    async requestAddress(pool: string, address: string, options: Options): Promise<string> {
      const asked = Object.keys(options).length === 0 ? null : options;
      return text(await call("RequestAddress", { PoolID: pool, Address: address, Options: asked }), "Address");
    },
    async releaseAddress(pool: string, address: string): Promise<void> {
      await call("ReleaseAddress", { PoolID: pool, Address: address });
    },
  };
}

function stringsOf(value: unknown): Options {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}
