/**
 * Names: DNS at 127.0.0.11 in every user-defined network. The page is docs/design/dns.md.
 *
 *     const names = openNames({ kernel, log, folder: `${execRoot}/names`, attachments: (network) => […] });
 *     await names.publish(networkId);                  // after an endpoint came, went or got other names
 *     …                                                // the container's `inside` program has `resolverOp`
 *     await names.serve(task.shim, wish);              // before the start, at connect and disconnect, and when adopted
 *     names.query(container, event);                   // what its resolver does not know: an event of the shim
 *     names.end(container);                            // after the exit
 *
 * Words: a *zone* is what a network's resolvers know: names and addresses of its endpoints, a file of the exec root. A
 * *resolver* is two sockets in the container's network namespace; its shim answers there from the zones, which it maps
 * into its memory, and needs the engine only for names of the outside, which the *forwarder* asks for.
 */
import type { Log } from "#base/log.ts";
import type { Kernel } from "#linux/linux.ts";
import type { Op } from "#linux/ops.ts";
import type { Shim, ShimQuery } from "#linux/shim.ts";
import type { Attachment } from "../network.ts";

export type Names = AsyncDisposable & {
  /** Writes the zone of a network as its attachments are now; resolves when whoever asks from then on hears of it. Many at
   * once are one write. The zone of a network without attachments goes. */
  publish(networkId: string): Promise<void>;
  /** Tells a container's shim what its resolver knows, and hears its queries from then on. */
  serve(shim: Shim, wish: ResolverWish): Promise<void>;
  /** Never rejects: a name that cannot be asked for is answered with SERVFAIL. */
  query(container: string, query: ShimQuery): Promise<void>;
  /** The container has ended. */
  end(container: string): void;
  /** Zones of all networks that have attachments, and of no others: at start. */
  restore(): Promise<void>;
};

/** What one container's resolver knows beyond the zones. */
export type ResolverWish = {
  readonly container: string;
  /** Its endpoints in the order in which their zones are searched. Those of networks without names are no matter. */
  readonly attachments: readonly Attachment[];
  /** Names only it knows: alias and the name it stands for ("db" of --link web:db is web). */
  readonly links: readonly { readonly alias: string; readonly target: string }[];
  /** Who is asked for names of the outside (--dns, or the engine's own); empty: who the host asks. */
  readonly servers: readonly string[];
  /** All of its networks are internal: nobody is asked. */
  readonly internal: boolean;
  /** The container runs and may have no resolver yet: it is made in its network namespace. */
  readonly running?: boolean;
};

export type NamesOptions = {
  readonly kernel: Pick<Kernel, "perform">;
  readonly log: Pick<Log, "debug">;
  /** A folder of our own in the exec root. */
  readonly folder: string;
  /** Of a network, or of all. */
  readonly attachments: (networkId?: string) => readonly Attachment[];
  /** Whether the container's queries for a name may leave the host; absent: all may. What may not does not exist for it. */
  readonly mayAsk?: (container: string, name: string) => boolean;
  /** Before an answer of the outside is passed on. `addresses`: of its A and AAAA records. When it rejects, the answer is
   * SERVFAIL. */
  readonly onAnswer?: OnAnswer;
};

export type OnAnswer = (answer: {
  readonly container: string;
  /** As asked, lower case, without the last dot. */
  readonly name: string;
  readonly addresses: readonly string[];
  readonly ttlSeconds: number;
}) => Promise<void>;

/** Where every resolver listens, on UDP and TCP. */
export const RESOLVER = "127.0.0.11";

const NAMELESS: ReadonlySet<string> = new Set(["bridge", "host", "none"]);

/** User-defined networks have names; Docker's own do not. */
export const hasNames = ({ networkName }: Pick<Attachment, "networkName">): boolean => !NAMELESS.has(networkName);

/** A container that may send to some names only asks through us, in every network. */
export const hasResolver = (endpoint: Pick<Attachment, "networkName" | "egress">): boolean => hasNames(endpoint) || endpoint.egress?.Default === "deny";

/** In a container's `inside` program, when the loopback interface is up: makes the resolver's sockets and hands them to the shim. */
export const resolverOp: Op = { op: "resolver", note: `names at ${RESOLVER}` };

export { openNames } from "./open.ts";
