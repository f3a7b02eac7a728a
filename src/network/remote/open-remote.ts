/**
 * Where networks meet plugins: a network's driver may be one, and so may be who gives it subnets and addresses (its IPAM),
 * one without the other. Nothing here is waited for by networks that have neither.
 */
import { fail, messageOf } from "#base/errors.ts";
import type { Log } from "#base/log.ts";
import type { Kernel } from "#linux/linux.ts";
import type { NetworkCreateRequest } from "#spec/docker.ts";
import type { NetworkDriver } from "../drivers/driver.ts";
import type { Attachment, JoinRequest, NetworkRecord } from "../network.ts";
import { leaseAddresses, returnAddresses } from "./leases.ts";
import { askPools, returnPools, type Pools } from "./pools.ts";
import { remoteDriver } from "./remote-driver.ts";
import type { Remotes } from "./remote.ts";

export type Remote = {
  /** Of a name that is none of ours; whether there is such a plugin is found out when it is used. */
  driver(name: string): NetworkDriver;
  /** Before a network is settled. @throws not-found `plugin "x" not found` */
  prepare(request: NetworkCreateRequest, driver: NetworkDriver | undefined): Promise<Prepared>;
  /** A network is gone. Never fails. */
  releasePools(pools: Pools | undefined): Promise<void>;
  /** undefined: no plugin has a say. A failure leaves nothing behind in a plugin. */
  join(attachment: Attachment, parts: JoinParts): Promise<Attachment> | undefined;
  /** Never fails. */
  leave(attachment: Attachment, parts: { readonly network: NetworkRecord | undefined; readonly driver: NetworkDriver }): Promise<void> | undefined;
};

export type JoinParts = {
  readonly network: NetworkRecord;
  readonly driver: NetworkDriver;
  readonly request: JoinRequest;
  /** Writes down what a plugin is about to be asked, so that an engine that comes after this one takes it back. */
  readonly reserve: (attachment: Attachment) => Promise<void>;
};

export type Prepared = {
  /** With the subnets that were given. */
  readonly request: NetworkCreateRequest;
  /** To be kept in the record. */
  readonly pools: Pools | undefined;
};

/** Gives addresses from a book of our own, or none at all. */
const OWN_IPAM: ReadonlySet<string> = new Set(["", "default", "null"]);

export const isRemoteIpam = (driver: string): boolean => !OWN_IPAM.has(driver);

const NOBODY: Remotes = {
  driver: async (name) => Promise.reject(fail("not-found", `plugin ${JSON.stringify(name)} not found`)),
  ipam: async (name) => Promise.reject(fail("not-found", `plugin ${JSON.stringify(name)} not found`)),
};

export function openRemote({ remotes = NOBODY, kernel, log }: { readonly remotes: Remotes | undefined; readonly kernel: Kernel; readonly log: Log }): Remote {
  const drivers = new Map<string, NetworkDriver>();
  /** Endpoints that have given back what they had. */
  const returned = new Set<string>();
  const quietly = (what: string, facts: Record<string, unknown>, work: Promise<unknown>) =>
    work.then(() => {}, (error: unknown) => log.warn(`${what}: the plugin could not be told`, { ...facts, error: messageOf(error) }));
  return {
    driver(name) {
      const driver = drivers.get(name) ?? remoteDriver(name, { remotes, kernel, log });
      drivers.set(name, driver);
      return driver;
    },
    async prepare(request, driver) {
      await driver?.prepare?.();
      if (request.ConfigOnly || !isRemoteIpam(request.IPAM.Driver)) return { request, pools: undefined };
      const pools = await askPools(await remotes.ipam(request.IPAM.Driver), request);
      return { request: { ...request, IPAM: { ...request.IPAM, Config: pools.configs } }, pools: { driver: request.IPAM.Driver, given: pools.given } };
    },
    async releasePools(pools) {
      if (pools === undefined) return;
      await quietly("release address pools", { plugin: pools.driver }, remotes.ipam(pools.driver).then((ipam) => returnPools(ipam, pools.given)));
    },
    join(attachment, { network, driver, request, reserve }) {
      const { driver: ipamName, pools } = network.ipam;
      const leases = pools !== undefined;
      if (!leases && driver.join === undefined) return undefined;
      return (async () => {
        await reserve(attachment);
        const ipam = leases ? await remotes.ipam(ipamName) : undefined;
        const leased = ipam === undefined ? attachment : await leaseAddresses(ipam, network, attachment).catch((error: unknown) => {
          returned.add(attachment.endpointId);
          throw error;
        });
        try {
          if (ipam !== undefined) await reserve(leased);
          return (await driver.join?.(leased, network, ipam?.needsMac === true ? withMac(request, attachment.mac) : request)) ?? leased;
        } catch (error) {
          returned.add(attachment.endpointId);
          if (ipam !== undefined) await quietly("return addresses", { plugin: ipamName }, returnAddresses(ipam, network, leased));
          throw error;
        }
      })();
    },
    leave(attachment, { network, driver }) {
      const pools = network?.ipam.pools;
      if (pools === undefined && driver.leave === undefined) return undefined;
      return (async () => {
        await driver.leave?.(attachment);
        if (returned.delete(attachment.endpointId) || network === undefined || pools === undefined) return;
        await quietly("return addresses", { container: attachment.name }, remotes.ipam(network.ipam.driver).then((ipam) => returnAddresses(ipam, network, attachment)));
      })();
    },
  };
}

/** Who wants to know a MAC when it gives an address must find it on the interface. */
function withMac(request: JoinRequest, mac: string): JoinRequest {
  return { ...request, settings: { ...request.settings, MacAddress: mac } };
}
