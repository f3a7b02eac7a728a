/**
 * Which endpoint of a container leads outside: it gives the default route, and published ports arrive there. Pure.
 * As Docker: the highest gwPriority; among equals the first by the network's name. A network without a way out is none.
 */
import type { NetworkRecord } from "./network.ts";

export type Candidate = { readonly networkName: string; readonly gwPriority?: number; readonly gateway: string; readonly gateway6: string };

/** undefined: none leads outside. The families are chosen one by one: a network may have a gateway in one only. */
export function gatewayOf<T extends Candidate>(candidates: readonly T[], family: 4 | 6 = 4): T | undefined {
  const field = family === 4 ? "gateway" : "gateway6";
  return candidates.filter((one) => one[field] !== "").toSorted(byPriority)[0];
}

/** The one that published ports lead to: IPv4's gateway, or IPv6's where there is no other. */
export function publisherOf<T extends Candidate>(candidates: readonly T[]): T | undefined {
  return gatewayOf(candidates, 4) ?? gatewayOf(candidates, 6);
}

export function byPriority(one: Candidate, other: Candidate): number {
  const difference = (other.gwPriority ?? 0) - (one.gwPriority ?? 0);
  if (difference !== 0) return difference;
  return one.networkName < other.networkName ? -1 : one.networkName > other.networkName ? 1 : 0;
}

/** What an endpoint in this network would be to `gatewayOf`. */
export function candidateOf(network: NetworkRecord, gwPriority = 0): Candidate {
  const of = (six: boolean) => network.ipam.configs.find(({ subnet }) => subnet.includes(":") === six);
  const gateway = (six: boolean) => (network.internal ? "" : (of(six)?.route ?? of(six)?.gateway ?? ""));
  return { networkName: network.name, gwPriority, gateway: gateway(false), gateway6: gateway(true) };
}
