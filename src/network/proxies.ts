/** The proxies of endpoints: open while the container runs and the engine lives. */
import type { Attachment } from "./network.ts";
import { openProxy, type Proxy } from "./proxy.ts";

export type Proxies = {
  /** Resolves when all ports listen; those that are open already stay. Rejects with the first failure, none left open. */
  open(attachment: Attachment): Promise<void>;
  close(endpointId: string): void;
  closeAll(): void;
};

export function openProxies(): Proxies {
  const all = new Map<string, Proxy[]>();
  const close = (endpointId: string) => {
    for (const proxy of all.get(endpointId) ?? []) proxy.close();
    all.delete(endpointId);
  };
  return {
    close,
    closeAll: () => [...all.keys()].forEach(close),
    async open({ endpointId, ports, address, address6 }) {
      const wanted = ports.filter(({ by }) => by === "proxy" || by === "both");
      if (wanted.length === 0 || all.has(endpointId)) return;
      const mine: Proxy[] = [];
      all.set(endpointId, mine);
      const done = await Promise.allSettled(wanted.map(async (port) => openProxy({ ...port, address: port.by === "both" ? address6 : address })));
      const failed = done.find((result) => result.status === "rejected");
      for (const result of done) if (result.status === "fulfilled") mine.push(result.value);
      if (failed !== undefined) close(endpointId);
      else if (all.get(endpointId) !== mine) mine.forEach((proxy) => proxy.close());
      if (failed !== undefined) throw failed.reason;
    },
  };
}
