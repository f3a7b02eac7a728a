/**
 * A network driver: how a kind of network is made of the kernel's parts. Drivers are values in the table of `drivers.ts`;
 * those of plugins are handed in when networks are opened. One suite runs all of them: test/suites/network-driver.ts.
 *
 * Names, ids, subnets, addresses, host ports, routes and rows are the same for all drivers and not a driver's matter: it
 * says what its options mean, makes what the host needs, and gives a container its interface.
 */
import type { Kernel } from "#linux/linux.ts";
import type { HostView } from "./bridge.ts";
import type { Program } from "#linux/ops.ts";
import type { NetworkCreateRequest } from "#spec/docker.ts";
import type { Attachment, JoinRequest, NetworkRecord } from "../network.ts";

export type NetworkDriver = {
  /**
   * Pure. The record that a request makes: `base` has what is common to all (id, names, addresses, labels, options as
   * asked for), the driver checks its options and fills in the fields they stand for.
   * @throws invalid, with Docker's texts
   */
  settle(request: NetworkCreateRequest, base: NetworkRecord, others: readonly NetworkRecord[]): NetworkRecord;
  /** Before anything: a plugin is looked for. @throws not-found, unavailable */
  prepare?(): Promise<void>;
  /** A plugin is told of a new network; it keeps it over restarts of the engine. A failure leaves nothing. */
  create?(network: NetworkRecord): Promise<void>;
  /**
   * Makes or corrects what the network has in the host; gives the index of the interface that endpoints are attached to
   * (0: none). Idempotent: it is called for every network at start. Leaves nothing when it fails.
   */
  up(network: NetworkRecord, host: DriverHost): Promise<number>;
  /** Takes it away; absent is fine. */
  down(network: NetworkRecord, host: DriverHost): Promise<void>;
  /**
   * In the host's network namespace, with the container's open in slot `own`: an interface named `attachment.interface`,
   * down, with its MAC, in the container's namespace. Its peer, if any, is `attachment.hostInterface`. One netlink op where
   * it can be. It must be the only interface that is made there: what follows counts on its index being the next one.
   */
  attach(attachment: Attachment, place: Place): Program;
  /** Takes the interface of a running container away: in the host's namespace, or in the container's. Absent is fine. */
  detach(attachment: Attachment): { readonly host: Program; readonly inside: Program };
  /** A plugin is asked: its addresses, MAC, gateways and interface take the place of those in `attachment`. */
  join?(attachment: Attachment, network: NetworkRecord, request: JoinRequest): Promise<Attachment>;
  leave?(attachment: Attachment): Promise<void>;
  /** Published ports and masquerading are the firewall's (bridge); others have none. */
  readonly publishes: boolean;
};

export type DriverHost = {
  readonly kernel: Kernel;
  /** The interface is the engine's own: addresses that are not the network's are taken off it. */
  readonly owned: boolean;
  /** The host a moment ago, when many networks are brought up at once. */
  readonly view?: HostView;
  /** The other networks: one may use the same interface of the host. */
  readonly others: readonly NetworkRecord[];
};

export type Place = {
  /** Slot of the container's network namespace. */
  readonly own: number;
  /** What `up` gave. */
  readonly index: number;
  readonly network: NetworkRecord;
  /** Index that the interface is to have in the container's namespace; absent: it is looked up afterwards. */
  readonly inside?: number;
};
