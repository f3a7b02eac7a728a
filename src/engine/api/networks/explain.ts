/** What can reach a container, as the API shows it. */
import type { Finding, Reach } from "#network/explain-reach.ts";

export function reachJson({ container, name, mode, networks, from, to }: Reach): object {
  return {
    Container: container,
    Name: name,
    NetworkMode: mode,
    Networks: networks.map((one) => ({
      Name: one.name,
      Driver: one.driver,
      Interface: one.interface,
      Addresses: one.addresses,
      Gateway: one.gateway,
      ...(one.rate === undefined ? {} : { Rate: { Egress: one.rate.egress ?? 0, Ingress: one.rate.ingress ?? 0 } }),
    })),
    From: from.map(findingJson),
    To: to.map(findingJson),
  };
}

const findingJson = ({ who, reachable, where, because }: Finding) => ({ Who: who, Reachable: reachable, Where: where, Because: because });
