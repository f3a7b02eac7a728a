/**
 * Names that limited containers may send to. When our DNS answers a container for a name of its policy, the addresses of
 * the answer are opened to that container before it hears of them, for as long as the answer lives. Connections that
 * have begun go on after that; new ones want a new answer.
 *
 *     const answers = openAnswers({ kernel, table, attachmentsOf, now });
 *     await answers.onAnswer({ container, name: "example.org", addresses: ["192.0.2.7"], ttlSeconds: 60 });
 *
 * What is open is remembered here too, so that it survives the table's replacement; and read back from the table when the
 * engine starts, so that it survives the engine's.
 */
import { ProgramError, type Kernel } from "#linux/linux.ts";
import type { Op } from "#linux/ops.ts";
import { NETFILTER, dumpElements, readElements, transaction, type Table } from "#linux/nftables.ts";
import { contains, parseAddress, parsePrefix } from "../ipam/addresses.ts";
import type { Attachment } from "../network.ts";
import { answerElements, targetsFor, targetsOf } from "./egress.ts";
import type { InSet } from "./elements.ts";
import { added, removed } from "./firewall.ts";
import { SETS, type SetKey } from "./sets.ts";

export type Answers = {
  /** Whether a container may ask the outside for a name: a limited one only for those of its policy, or a name would carry
   * out what it may not send. */
  mayAsk(container: string, name: string): boolean;
  /** Resolves when the addresses can be reached. Nothing for containers without a limit. */
  onAnswer(answer: Answer): Promise<void>;
  /** What is open at the moment, with what is left of its life: for `replaceTable`. */
  open(): InSet[];
  /** The endpoint has ended: what was open to it is closed, before its address is another's. */
  forget(attachment: Attachment): Op[];
  /** Reads what the table has open to endpoints that there are, before it is replaced: at start. */
  restore(): Promise<void>;
};

export type Answer = { readonly container: string; readonly name: string; readonly addresses: readonly string[]; readonly ttlSeconds: number };

export type AnswersOptions = {
  readonly kernel: Pick<Kernel, "perform">;
  readonly table: Table | undefined;
  readonly attachmentsOf: (container: string) => readonly Attachment[];
  readonly attachments: () => readonly Attachment[];
  /** Milliseconds, of a clock that does not jump. */
  readonly now?: () => number;
};

/** An answer that may not be kept is used at once: a program needs a moment for that. */
const LEAST = 10_000;
const MOST = 24 * 3600_000;
const ENOENT = 2;
const SETS_OF_NAMES = (["named", "namedProtocol", "namedPort"] as const).flatMap((name) => [`${name}4`, `${name}6`] as const);

export function openAnswers({ kernel, table, attachmentsOf, attachments, now = () => performance.now() }: AnswersOptions): Answers {
  const opened = new Map<string, { readonly element: InSet; readonly until: number }>();

  const left = (): InSet[] => {
    const at = now();
    for (const [id, { until }] of opened) if (until <= at) opened.delete(id);
    return [...opened.values()].map(({ element: [set, element], until }) => [set, { ...element, timeout: until - at }]);
  };

  return {
    open: left,
    mayAsk: (container, name) =>
      attachmentsOf(container).every(({ egress }) => {
        const targets = targetsOf(egress);
        return targets === undefined || targetsFor(targets, name).length > 0;
      }),
    async onAnswer({ container, name, addresses, ttlSeconds }) {
      if (table === undefined) return;
      const life = Math.min(Math.max(ttlSeconds * 1000, LEAST), MOST);
      const wanted = attachmentsOf(container).flatMap((attachment) => elementsFor(attachment, name, addresses, life));
      const until = now() + life;
      const due = wanted.filter((one) => (opened.get(idOf(one))?.until ?? 0) < until);
      if (due.length === 0) return;
      for (const element of due) opened.set(idOf(element), { element, until });
      left();
      // An element's life cannot be made longer on every kernel: it is made (if it is not there), taken out, made anew.
      const data = transaction([...added(table, due), ...removed(table, due), ...added(table, due)]);
      await kernel.perform([{ op: "netlink", proto: NETFILTER, acks: 1, data, note: `let ${name} through` }]);
    },
    forget(attachment) {
      const own = ownAddresses(attachment);
      const gone = [...opened].filter(([, { element: [, { key }] }]) => own.some((address) => startsWith(key, address)));
      for (const [id] of gone) opened.delete(id);
      if (table === undefined) return [];
      // One by one: those whose life ended meanwhile are not there any more.
      return gone.map(([, { element }]) => ({ op: "netlink", proto: NETFILTER, acks: 1, tolerate: ENOENT, data: transaction(removed(table, [element])) }));
    },
    async restore() {
      const limited = attachments().filter(({ egress }) => targetsOf(egress) !== undefined).flatMap(ownAddresses);
      if (table === undefined || limited.length === 0) return;
      const at = now();
      for (const set of SETS_OF_NAMES) {
        for (const { key, timeout = 0 } of await elementsIn(kernel, table, set)) {
          if (limited.some((own) => startsWith(key, own))) opened.set(idOf([set, { key }]), { element: [set, { key }], until: at + timeout });
        }
      }
    },
  };
}

function elementsFor(attachment: Attachment, name: string, addresses: readonly string[], life: number): InSet[] {
  const targets = targetsFor(targetsOf(attachment.egress) ?? [], name);
  if (targets.length === 0 || (attachment.driver ?? "bridge") !== "bridge") return [];
  const to = addresses.map(parseAddress).filter((address) => address !== undefined && !isNobodys(address)) as Buffer[];
  return ownAddresses(attachment).flatMap((own) => to.flatMap((address) => targets.flatMap((target) => answerElements(own, target, address, life))));
}

/**
 * A name's owner could answer with addresses that mean something else where the container is: the host's loopback, the
 * cloud's metadata service (169.254.169.254). No name opens these; an address in the policy can.
 */
const NOBODYS = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/127", "::ffff:0:0/96", "fe80::/10", "ff00::/8"];
const isNobodys = (address: Buffer) => NOBODYS.some((text) => contains(parsePrefix(text)!, address));

function ownAddresses({ address, address6 }: Attachment): Buffer[] {
  return [address, address6].map(parseAddress).filter((one) => one !== undefined);
}

async function elementsIn(kernel: Pick<Kernel, "perform">, table: Table, set: SetKey) {
  try {
    const seen = await kernel.perform([{ op: "netlink", proto: NETFILTER, acks: 1, collect: 1, data: dumpElements(table, SETS[set].name) }]);
    return readElements(seen.get(0) ?? Buffer.alloc(0));
  } catch (error) {
    if (error instanceof ProgramError && error.code === "ENOENT") return [];
    throw error;
  }
}

const startsWith = (key: Uint8Array, address: Buffer) => Buffer.compare(address, key.subarray(0, address.length)) === 0;
const idOf = ([set, { key }]: InSet): string => `${set} ${Buffer.from(key).toString("hex")}`;
