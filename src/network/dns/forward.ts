/**
 * Names of the outside: what a container's resolver does not know is asked of its servers, and answers are remembered for
 * as long as they say. A query is passed on as it came, under an id and from a port that nobody can guess; so is the answer.
 */
import { readFile } from "node:fs/promises";
import { parseResolvConf } from "../files.ts";
import { openCache } from "./cache.ts";
import type { NamesOptions } from "./dns.ts";
import { exchange } from "./exchange.ts";
import { chooseServers } from "./servers.ts";
import { emptyAnswer, parseAnswer, parseQuery, RCODE, rcodeOf, type Query } from "./wire.ts";

export type Forwarder = {
  /** Never rejects. The answer has the query's id. */
  ask(asked: Asked): Promise<Buffer>;
  close(): void;
};

export type Asked = {
  readonly container: string;
  readonly packet: Buffer;
  readonly tcp: boolean;
  /** Empty: the host's. */
  readonly servers: readonly string[];
};

export type ForwarderOptions = Pick<NamesOptions, "log" | "mayAsk" | "onAnswer"> & {
  /** The host's resolv.conf. */
  readonly hostFile?: string;
  readonly port?: number;
};

/** Exchanges at a time, for all containers. */
const MOST_EXCHANGES = 512;
/** The host's file is read again after this long. */
const HOST_FILE_MS = 2000;

export function openForwarder({ log, mayAsk = () => true, onAnswer, hostFile = "/etc/resolv.conf", port = 53 }: ForwarderOptions): Forwarder {
  const cache = openCache();
  const closing = new AbortController();
  const under = new Map<string, Promise<Buffer>>();
  let exchanges = 0;
  let host: { readonly servers: Promise<readonly string[]>; readonly until: number } | undefined;
  const hostServers = () => {
    const now = performance.now();
    if (host === undefined || host.until < now) host = { servers: readServers(hostFile), until: now + HOST_FILE_MS };
    return host.servers;
  };

  return {
    async ask({ container, packet, tcp, servers }) {
      const query = parseQuery(packet);
      if (query === undefined) return formatError(packet);
      if (!mayAsk(container, query.name)) return emptyAnswer(query, RCODE.noSuchName);
      try {
        const answer = await find(query, tcp, await chooseServers(servers, hostServers));
        await tellAnswer(container, query, answer);
        return fit(query, tcp, answer);
      } catch (error) {
        if (!closing.signal.aborted) log.debug("a name of the outside is not known", { container, name: query.name, error });
        return emptyAnswer(query, RCODE.serverFailure);
      }
    },
    close: () => closing.abort(),
  };

  /** From the cache, from a server, or with somebody else who asks the same at this moment. */
  async function find(query: Query, tcp: boolean, servers: readonly string[]): Promise<Buffer> {
    if (query.manner === undefined) return await exchangeCounted(query, tcp, servers);
    const key = [servers.join(), query.manner, query.question.toString("latin1").toLowerCase()].join(" ");
    const known = cache.get(key);
    if (known !== undefined) return asAskedBy(query, known);
    const way = `${tcp ? "tcp" : query.room} ${key}`;
    let answer = under.get(way);
    if (answer === undefined) {
      answer = exchangeCounted(query, tcp, servers).finally(() => under.delete(way));
      under.set(way, answer);
      answer.then((packet) => cache.put(key, packet), () => {});
    }
    return asAskedBy(query, await answer);
  }

  async function exchangeCounted(query: Query, tcp: boolean, servers: readonly string[]): Promise<Buffer> {
    if (exchanges >= MOST_EXCHANGES) throw new Error("too many names are asked for at once");
    exchanges++;
    try {
      return await exchange(query, { servers, tcp, port, signal: closing.signal });
    } finally {
      exchanges--;
    }
  }

  /** Whoever has to let the addresses through has done so when the container learns them. */
  async function tellAnswer(container: string, { name }: Query, packet: Buffer): Promise<void> {
    if (onAnswer === undefined) return;
    const answer = rcodeOf(packet) === RCODE.none ? parseAnswer(packet) : undefined;
    if (answer !== undefined && answer.addresses.length > 0) await onAnswer({ container, name, addresses: answer.addresses, ttlSeconds: answer.ttl });
  }
}

/** The id and the letters as this asker wrote them. */
function asAskedBy({ packet, question }: Query, answer: Buffer): Buffer {
  const copy = Buffer.from(answer);
  packet.copy(copy, 0, 0, 2);
  if (copy.readUInt16BE(4) === 1) question.copy(copy, QUESTION_AT);
  return copy;
}

const QUESTION_AT = 12;

/** Others may have asked for more than this one takes. */
function fit(query: Query, tcp: boolean, answer: Buffer): Buffer {
  return tcp || answer.length <= query.room || query.manner === undefined ? answer : emptyAnswer(query, RCODE.none, { truncated: true });
}

/** To what is no query. */
function formatError(packet: Buffer): Buffer {
  const answer = Buffer.alloc(QUESTION_AT);
  packet.copy(answer, 0, 0, 2);
  answer[2] = 0x80;
  answer[3] = 0x81;
  return answer;
}

const readServers = async (path: string): Promise<readonly string[]> => parseResolvConf(await readFile(path, "utf8").catch(() => "")).servers;
