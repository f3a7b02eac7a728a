/** All endpoints, in memory, found by container and by network. */
import type { Attachments } from "./join.ts";
import type { Attachment } from "./network.ts";

export function openAttachments(): Attachments {
  const all = new Map<string, Attachment>();
  const byContainer = new Map<string, Set<string>>();
  const byNetwork = new Map<string, Set<string>>();
  const interfaces = new Set<string>();
  const found = (ids: ReadonlySet<string> | undefined) => [...(ids ?? [])].map((id) => all.get(id)!);
  return {
    all: () => [...all.values()],
    of: (container) => found(byContainer.get(container)),
    in: (networkId) => found(byNetwork.get(networkId)),
    hasInterface: (name) => interfaces.has(name),
    put(attachment) {
      const { endpointId, container, networkId, hostInterface } = attachment;
      all.set(endpointId, attachment);
      interfaces.add(hostInterface);
      add(byContainer, container, endpointId);
      add(byNetwork, networkId, endpointId);
    },
    delete(endpointId) {
      const attachment = all.get(endpointId);
      if (attachment === undefined) return false;
      all.delete(endpointId);
      interfaces.delete(attachment.hostInterface);
      drop(byContainer, attachment.container, endpointId);
      drop(byNetwork, attachment.networkId, endpointId);
      return true;
    },
  };
}

function add(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key) ?? new Set();
  index.set(key, ids.add(id));
}

function drop(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key);
  ids?.delete(id);
  if (ids?.size === 0) index.delete(key);
}
