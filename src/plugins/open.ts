/** Plugins at work: looked up when needed, connected to once, remembered while their file says the same. */
import { setTimeout as pause } from "node:timers/promises";
import { fail, kindOf, messageOf } from "#base/errors.ts";
import type { Log } from "#base/log.ts";
import type { Address } from "./address.ts";
import { exchange, isUnanswered } from "./exchange.ts";
import { field, parseAnswer, stringsIn } from "./answer.ts";
import { lookUp, scan } from "./folders.ts";
import type { PluginFolders } from "./places.ts";
import type { Plugin, Plugins, Subsystem } from "./plugins.ts";

export type PluginsOptions = {
  readonly folders: PluginFolders;
  readonly log: Log;
  /** The longest that one exchange takes, in milliseconds: as it is then. */
  readonly deadlineMs?: () => number;
  /** How long to wait for a plugin that is expected, and for one that refuses connections. */
  readonly connectMs?: number;
  /**
   * Whether something the engine keeps belongs to this plugin: then it is waited for, as it may be starting beside the
   * engine. Any other name that no file knows is misspelt.
   */
  readonly expected?: (name: string) => boolean;
};

const DEADLINE_MS = 30_000;
const CONNECT_MS = 15_000;
/** `all` asks those it does not know only for so long, and those that have not answered somebody not again for a while. */
const GREETING_MS = 5000;
const RESENTMENT_MS = 60_000;
const LOOK_PAUSE_MS = 250;

export function openPlugins({ folders, log, deadlineMs = () => DEADLINE_MS, connectMs = CONNECT_MS, expected = () => false }: PluginsOptions): Plugins {
  const active = new Map<string, Plugin>();
  const coming = new Map<string, Promise<Plugin>>();
  const failed = new Map<string, number>();

  const locate = async (name: string): Promise<Address> => {
    const giveUp = Date.now() + connectMs;
    for (;;) {
      const address = await lookUp(folders, name);
      if (address !== undefined) return address;
      if (!(active.has(name) || expected(name)) || Date.now() + LOOK_PAUSE_MS > giveUp) break;
      await pause(LOOK_PAUSE_MS);
    }
    active.delete(name);
    throw fail("not-found", `plugin ${JSON.stringify(name)} not found`);
  };

  const activate = async (name: string, address: Address, deadline: number): Promise<Plugin> => {
    const call = async (method: string, body: object | undefined, { deadlineMs: own = deadlineMs() }: { deadlineMs?: number } = {}) => {
      const text = body === undefined ? {} : { body: `${JSON.stringify(body)}\n` };
      const connect = own < deadlineMs() ? 0 : connectMs;
      const answer = await exchange({ address, method, ...text, deadlineMs: own, connectMs: connect, log }).catch((error: unknown) => {
        if (isUnanswered(error)) failed.set(name, Date.now() + RESENTMENT_MS);
        throw error;
      });
      failed.delete(name);
      return parseAnswer(answer);
    };
    const manifest = await call("Plugin.Activate", undefined, { deadlineMs: deadline });
    log.info("plugin", { name, address: address.text, implements: stringsIn(field(manifest, "Implements")).join(" ") });
    return { name, address: address.text, implements: stringsIn(field(manifest, "Implements")), call };
  };

  const open = async (name: string, deadline: number): Promise<Plugin> => {
    const address = await locate(name);
    const known = active.get(name);
    if (known?.address === address.text) return known;
    active.delete(name);
    const plugin = await activate(name, address, deadline);
    active.set(name, plugin);
    return plugin;
  };

  /** Who asks at the same time shares one look. */
  const get = (name: string, deadline: number): Promise<Plugin> => {
    const key = `${deadline} ${name}`;
    const under = coming.get(key);
    if (under !== undefined) return under;
    const promise = open(name, deadline).finally(() => coming.delete(key));
    coming.set(key, promise);
    return promise;
  };

  const tryGet = async (name: string): Promise<Plugin | undefined> => {
    if ((failed.get(name) ?? 0) > Date.now()) return undefined;
    try {
      return await get(name, Math.min(GREETING_MS, deadlineMs()));
    } catch (error) {
      failed.set(name, Date.now() + RESENTMENT_MS);
      log.warn("a plugin does not answer", { plugin: name, error: messageOf(error) });
      return undefined;
    }
  };

  return {
    async find(name, subsystem) {
      const plugin = await get(name, deadlineMs()).catch((error: unknown) => {
        if (kindOf(error) === "not-found") throw error;
        const facts = isUnanswered(error) ? { facts: { unanswered: true } } : {};
        throw fail("internal", `legacy plugin: ${messageOf(error)}`, { cause: error, ...facts });
      });
      if (plugin.implements.includes(subsystem)) return plugin;
      throw fail("internal", "legacy plugin: Plugin does not implement the requested driver");
    },
    async all(subsystem) {
      const found = await Promise.all((await scan(folders)).map(tryGet));
      return found.filter((plugin) => plugin !== undefined && does(plugin, subsystem)) as Plugin[];
    },
    known: (subsystem) => [...active.values()].filter((plugin) => does(plugin, subsystem)).map(({ name }) => name).sort(),
  };
}

const does = (plugin: Plugin, subsystem: Subsystem): boolean => plugin.implements.includes(subsystem);
