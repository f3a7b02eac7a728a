/**
 * Sees when somebody takes our rules or bridges away (`nft flush ruleset`, a firewall that starts anew, `ip link delete`),
 * and has them put back within a second or two.
 *
 * The ruleset has a number that every change of anybody counts up. It is asked for once a second, which is one small
 * message; only when it has changed, our chains are looked at: are they all there, with their rules, and in the table
 * we made (a ruleset that was saved and is loaded again has chains like ours, but what is in its sets is old)? Polling beats
 * listening here: a listener is woken by each of our own changes, and by every interface that comes and goes.
 */
import type { Log } from "#base/log.ts";
import type { Kernel } from "#linux/linux.ts";
import { NETFILTER, askGeneration, askTable, dumpChains, readChains, readGeneration, readTableHandle, type Table } from "#linux/nftables.ts";
import { access } from "node:fs/promises";
import { honestChains } from "./honest.ts";
import { chains, type RuledChain } from "./rules.ts";

export type Watch = Disposable & {
  start(): void;
  /** We have replaced the table ourselves. */
  replaced(): void;
  /** Looks; resolves when what was missing has been put back. */
  look(): Promise<void>;
};

export type WatchOptions = {
  readonly kernel: Pick<Kernel, "perform">;
  readonly table: Table | undefined;
  readonly log: Pick<Log, "warn" | "error">;
  /** Interfaces of the host that must be there. */
  readonly bridges: () => readonly string[];
  /** Somebody is limited: the table that keeps him to his own name must be there, too. */
  readonly limits: () => boolean;
  readonly restore: (missing: "rules" | "bridges") => Promise<void>;
  /** Milliseconds. */
  readonly every?: number;
};

/** Interfaces looked at in one turn: with more, a turn takes the next ones. */
const BRIDGES_A_TURN = 16;
const MOST_REST = 60;

export function openWatch({ kernel, table, log, bridges, limits, restore, every = 1000 }: WatchOptions): Watch {
  let generation: number | undefined;
  /** The table that was made last by us. */
  let known: bigint | undefined;
  let turn = 0;
  let looking: Promise<void> | undefined;
  /** Turns in which bridges are not looked for. */
  let rest = 0;
  let failures = 0;
  let over = false;

  const missing = async (): Promise<"rules" | "bridges" | undefined> => {
    if (--rest <= 0) {
      if (await bridgeIsGone()) return "bridges";
      failures = 0;
    }
    return table !== undefined && (await rulesAreGone(table)) ? "rules" : undefined;
  };

  const bridgeIsGone = async (): Promise<boolean> => {
    const all = bridges();
    const some = Array.from({ length: Math.min(BRIDGES_A_TURN, all.length) }, (_, index) => all[(turn + index) % all.length]!);
    turn = all.length === 0 ? 0 : (turn + some.length) % all.length;
    const there = await Promise.all(some.map((name) => access(`/proc/sys/net/ipv4/conf/${name}`).then(() => true, () => false)));
    // One that was removed meanwhile is not missed.
    return some.some((name, index) => !there[index] && bridges().includes(name));
  };

  const rulesAreGone = async (wanted: Table): Promise<boolean> => {
    const now = readGeneration(await ask(kernel, askGeneration()));
    if (now !== undefined && now === generation) return false;
    const seen = readTableHandle(await ask(kernel, askTable(wanted)));
    const ours = readChains(await ask(kernel, dumpChains())).filter(({ table }) => table === wanted.name);
    const uses = new Map(ours.map(({ family, name, use }) => [`${family} ${name}`, use]));
    const has = (family: number, all: readonly RuledChain[]) => all.every(({ name, rules }) => (uses.get(`${family} ${name}`) ?? -1) >= rules.length);
    const whole = has(INET, chains()) && (!limits() || has(BRIDGE, honestChains()));
    if (seen === undefined || !whole || (known !== undefined && known !== seen)) return true;
    known = seen;
    generation = now;
    return false;
  };

  const look = async (): Promise<void> => {
    let what: "rules" | "bridges" | undefined;
    try {
      what = await missing();
      if (what === undefined || over) return;
      log.warn(`${what === "rules" ? "the firewall's rules were" : "a network's bridge was"} taken away: putting them back`);
      await restore(what);
      if ((await missing()) === "bridges") waitLonger();
    } catch (error) {
      if (over) return;
      if (what === "bridges") waitLonger();
      log.error("look after the firewall", { error });
    }
  };

  /** A bridge that cannot be had is not tried, and told, every second. Rules are looked at all the same. */
  const waitLonger = () => void (rest = Math.min(2 ** ++failures, MOST_REST));

  const lookOnce = () => (looking ??= look().finally(() => (looking = undefined)));
  let timer: ReturnType<typeof setInterval> | undefined;
  return {
    start: () => void (timer ??= setInterval(() => void lookOnce(), every).unref()),
    look: lookOnce,
    replaced() {
      generation = undefined;
      known = undefined;
      if (timer !== undefined) void lookOnce();
    },
    [Symbol.dispose]() {
      over = true;
      clearInterval(timer);
    },
  };
}

const [INET, BRIDGE] = [1, 7];
const ENOENT = 2;

async function ask(kernel: Pick<Kernel, "perform">, data: Buffer): Promise<Buffer> {
  return (await kernel.perform([{ op: "netlink", proto: NETFILTER, acks: 1, collect: 1, tolerate: ENOENT, data }])).get(0) ?? Buffer.alloc(0);
}
