/** One query, asked of servers in turn until one answers. */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect, isIPv4 } from "node:net";
import { answers, RCODE, rcodeOf, withId, type Query } from "./wire.ts";

export type ExchangeOptions = {
  /** Addresses. */
  readonly servers: readonly string[];
  readonly tcp: boolean;
  readonly port: number;
  readonly signal: AbortSignal;
};

/** A container's own resolver gives up after five seconds: before that it has to hear. */
const ALTOGETHER_MS = 4800;
const UDP_MS = 1500;
const TCP_MS = 3000;

/** The answer, with the query's id. One that says that the server is in trouble is only the last resort. */
export async function exchange(query: Query, { servers, tcp, port, signal }: ExchangeOptions): Promise<Buffer> {
  const deadline = performance.now() + ALTOGETHER_MS;
  let trouble: Buffer | undefined;
  let silent = [...servers];
  // Who is silent is asked again while there is time; who refuses is not.
  while (silent.length > 0) {
    const asked = silent;
    silent = [];
    for (const server of asked) {
      const left = deadline - performance.now();
      if (left <= 0) break;
      const outcome = await askOne(query, { server, tcp, port, signal, within: Math.min(left, tcp ? TCP_MS : UDP_MS) });
      signal.throwIfAborted();
      if (outcome === "silent") silent.push(server);
      else if (outcome !== "refused" && !isTrouble(outcome)) return withId(outcome, query.packet.readUInt16BE(0));
      else if (outcome !== "refused") trouble ??= outcome;
    }
    if (performance.now() >= deadline) break;
  }
  if (trouble !== undefined) return withId(trouble, query.packet.readUInt16BE(0));
  throw new Error(servers.length === 0 ? "there is no server to ask" : `ask ${servers.join(", ")}: no answer`);
}

const isTrouble = (packet: Buffer) => rcodeOf(packet) !== RCODE.none && rcodeOf(packet) !== RCODE.noSuchName;

type OneOptions = { readonly server: string; readonly tcp: boolean; readonly port: number; readonly signal: AbortSignal; readonly within: number };
type Outcome = Buffer | "silent" | "refused";

function askOne(query: Query, options: OneOptions): Promise<Outcome> {
  return options.tcp ? askByTcp(query, options) : askByUdp(query, options);
}

/** A socket for each query, connected: from a port of the kernel's choice, and only the server's packets reach it. */
function askByUdp(query: Query, { server, port, signal, within }: OneOptions): Promise<Outcome> {
  const id = randomInt(0x10000);
  const socket = createSocket(isIPv4(server) ? "udp4" : "udp6");
  return settle(signal, within, () => socket.close(), (done) => {
    socket.on("error", () => done("refused"));
    socket.on("message", (packet) => answers(packet, query, id) && done(packet));
    // Not as connect's callback: that is called after a failure, too.
    socket.on("connect", () => socket.send(withId(query.packet, id))).connect(port, server);
  });
}

function askByTcp(query: Query, { server, port, signal, within }: OneOptions): Promise<Outcome> {
  const id = randomInt(0x10000);
  const socket = connect({ host: server, port });
  return settle(signal, within, () => socket.destroy(), (done) => {
    let input: Buffer = Buffer.alloc(0);
    socket.on("error", () => done("refused")).on("end", () => done("refused"));
    socket.on("data", (chunk: Buffer) => {
      input = Buffer.concat([input, chunk]);
      if (input.length < 2 || input.length < 2 + input.readUInt16BE(0)) return;
      const packet = input.subarray(2, 2 + input.readUInt16BE(0));
      done(answers(packet, query, id) ? packet : "refused");
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.packet.length);
    socket.write(Buffer.concat([length, withId(query.packet, id)]));
  });
}

/** `begin` is told how to end; what it has opened is closed then, or after `within` ms, or by the signal. */
async function settle(signal: AbortSignal, within: number, close: () => void, begin: (done: (outcome: Outcome) => void) => void): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const give = () => resolve("silent");
  const timer = setTimeout(give, within);
  signal.addEventListener("abort", give, { once: true });
  try {
    begin(resolve);
    return await promise;
  } catch {
    return "refused";
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", give);
    close();
  }
}
