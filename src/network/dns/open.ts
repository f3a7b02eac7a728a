/** Names at work: zones on the disk, resolvers told of them, queries of the outside passed on. */
import type { Shim } from "#linux/shim.ts";
import { hasNames, type Names, type NamesOptions, type ResolverWish } from "./dns.ts";
import type { Forwarder } from "./forward.ts";
import { encodeName } from "./wire.ts";
import { openZones } from "./zones.ts";

/** A shim has room for so many; who is in more networks does not know the names of the last. */
const MOST_ZONES = 64;

export function openNames(options: NamesOptions): Names {
  const zones = openZones(options);
  const served = new Map<string, { readonly shim: Shim; readonly servers: readonly string[] }>();
  // Loaded when the first name of the outside is asked for.
  let forwarder: Promise<Forwarder> | undefined;
  const openForwarder = () => (forwarder ??= import("./forward.ts").then(({ openForwarder }) => openForwarder(options)));
  return {
    publish: zones.publish,
    restore: zones.restore,
    async serve(shim, wish) {
      served.set(wish.container, { shim, servers: wish.servers });
      await shim.names({
        open: wish.running ?? false,
        forward: !wish.internal,
        zones: wish.attachments.filter(hasNames).slice(0, MOST_ZONES).map(({ networkId }) => zones.path(networkId)),
        links: encodeLinks(wish),
      });
    },
    async query(container, query) {
      const { shim, servers } = served.get(container) ?? {};
      if (shim === undefined) return;
      const { ask } = await openForwarder();
      shim.answer(query, await ask({ container, servers: servers!, packet: query.packet, tcp: query.tcp }));
    },
    end: (container) => void served.delete(container),
    async [Symbol.asyncDispose]() {
      (await forwarder)?.close();
    },
  };
}

function encodeLinks({ links }: ResolverWish): [Uint8Array, Uint8Array][] {
  return links.flatMap(({ alias, target }): [Uint8Array, Uint8Array][] => {
    const [one, other] = [encodeName(alias), encodeName(target)];
    return one === undefined || other === undefined ? [] : [[one, other]];
  });
}
