/**
 * Networks and addresses that are a plugin's: what a plugin is to this folder, whatever it is spoken to with. Docker's
 * verbs, one method each; src/plugins has this shape, and bin joins the two.
 *
 * What a plugin says is taken as an offer: names, addresses and routes are checked (check.ts) before anything is made of
 * them, and a plugin never does anything in a container's namespace: its interface is moved there by `cell`.
 */
import { Failure } from "#base/errors.ts";

export type RemoteDriver = {
  scope(): Promise<"local" | "global">;
  createNetwork(network: RemoteNetwork): Promise<void>;
  deleteNetwork(network: string): Promise<void>;
  /** What the plugin wants otherwise than asked for, or what was left to it. */
  createEndpoint(endpoint: RemoteEndpoint): Promise<{ readonly address: string; readonly address6: string; readonly mac: string }>;
  deleteEndpoint(network: string, endpoint: string): Promise<void>;
  join(endpoint: RemoteEndpoint): Promise<RemoteJoined>;
  leave(network: string, endpoint: string): Promise<void>;
  programExternal(endpoint: RemoteEndpoint): Promise<void>;
  revokeExternal(network: string, endpoint: string): Promise<void>;
};

export type RemoteNetwork = {
  readonly id: string;
  readonly options: Readonly<Record<string, string>>;
  readonly internal: boolean;
  readonly ipv6: boolean;
  readonly subnets: readonly RemoteSubnet[];
};

/** All with their prefix length: "10.0.0.0/24", "10.0.0.1/24". */
export type RemoteSubnet = { readonly space: string; readonly subnet: string; readonly gateway: string; readonly aux: Readonly<Record<string, string>> };

export type RemoteEndpoint = {
  readonly network: string;
  readonly endpoint: string;
  /** "10.0.0.2/24", or "" where there is none. */
  readonly address: string;
  readonly address6: string;
  /** "" when the user asked for none. */
  readonly mac: string;
  readonly exposed: readonly { readonly protocol: "tcp" | "udp" | "sctp"; readonly port: number }[];
  readonly bindings: readonly { readonly protocol: "tcp" | "udp" | "sctp"; readonly port: number; readonly hostIp: string; readonly hostPort: number }[];
  readonly options: Readonly<Record<string, string>>;
};

/** Everything as the plugin says it: not checked. */
export type RemoteJoined = {
  /** The interface in the host's namespace, and what it is to be called in the container's: a number is put behind the prefix. */
  readonly source: string;
  readonly prefix: string;
  readonly gateway: string;
  readonly gateway6: string;
  /** `nextHop` "": whoever is on the interface. */
  readonly routes: readonly { readonly destination: string; readonly nextHop: string }[];
};

export type RemoteIpam = {
  readonly needsMac: boolean;
  requestPool(pool: { readonly subnet: string; readonly range: string; readonly options: Readonly<Record<string, string>>; readonly ipv6: boolean }): Promise<RemotePool>;
  releasePool(id: string): Promise<void>;
  /** `address` "": any. "10.0.0.2/24" */
  requestAddress(pool: string, address: string, options: Readonly<Record<string, string>>): Promise<string>;
  releaseAddress(pool: string, address: string): Promise<void>;
};

export type RemotePool = { readonly id: string; readonly space: string; readonly subnet: string; readonly data: Readonly<Record<string, string>> };

/** The plugin cannot be reached, or has not answered in time: then it is not asked for anything else that can wait. */
export const isUnanswered = (error: unknown): boolean => error instanceof Failure && error.facts["unanswered"] === true;

/** Found anew each time: a plugin may come and go. @throws not-found `plugin "x" not found` */
export type Remotes = {
  driver(name: string): Promise<RemoteDriver>;
  ipam(name: string): Promise<RemoteIpam>;
};

