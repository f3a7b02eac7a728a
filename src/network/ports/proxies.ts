/** The proxies of endpoints: open while the container runs and the engine lives. */
import type { Attachment, PublishedPort } from "../network.ts";
import { openProxy, type Proxy } from "./proxy.ts";

export type Proxies = {
  /**
   * Makes an endpoint's proxies what its ports want: resolves when all listen; those that are open already stay, those that
   * nobody wants any more are closed. Rejects with the first failure: what was open before is open still, what is new is not.
   */
  open(attachment: Attachment): Promise<void>;
  close(endpointId: string): void;
  closeAll(): void;
};

export function openProxies(): Proxies {
  /** By endpoint, then by `keyOf`. A proxy that is being opened is there already. */
  const all = new Map<string, Map<string, Promise<Proxy>>>();
  const close = (endpointId: string) => {
    for (const proxy of all.get(endpointId)?.values() ?? []) end(proxy);
    all.delete(endpointId);
  };
  return {
    close,
    closeAll: () => [...all.keys()].forEach(close),
    async open({ endpointId, ports, address, address6 }) {
      const wanted = new Map(ports.filter(({ by }) => by === "proxy" || by === "both").map((port) => [keyOf(port), port]));
      const mine = all.get(endpointId) ?? new Map<string, Promise<Proxy>>();
      if (wanted.size === 0 && mine.size === 0) return;
      all.set(endpointId, mine);
      const fresh = [...wanted].filter(([key]) => !mine.has(key));
      for (const [key, port] of fresh) mine.set(key, openProxy({ ...port, address: port.by === "both" ? address6 : address }));
      const failed = (await Promise.allSettled(fresh.map(([key]) => mine.get(key)))).find((result) => result.status === "rejected");
      const over = failed === undefined ? [...mine.keys()].filter((key) => !wanted.has(key)) : fresh.map(([key]) => key);
      for (const key of over) {
        const proxy = mine.get(key);
        if (proxy !== undefined) end(proxy);
        mine.delete(key);
      }
      if (mine.size === 0 && all.get(endpointId) === mine) all.delete(endpointId);
      if (failed !== undefined) throw failed.reason;
    },
  };
}

const keyOf = ({ protocol, hostIp, hostPort, port, allow }: PublishedPort) => JSON.stringify([protocol, hostIp, hostPort, port, allow]);

/** Also one that is still being opened, or could not be. */
const end = (proxy: Promise<Proxy>) => void proxy.then((opened) => opened.close(), () => {});
