/**
 * The engine's side of a shim: one control connection for orders and events, one more for each attachment.
 *
 *     const shim = await connectShim("/run/gantry/c/sock", { onEvent: (event) => … });
 *     await using _ = shim;
 *     const { stream } = await shim.attach(CONTAINER, { stdin: true, stdout: true, stderr: true });
 *     const { pid } = await shim.start();
 *     await shim.exec(id, { program, tty: true, stdin: true });
 *     await shim.startExec(id);
 *
 * Closing a Shim closes the connection; the container lives on. Losing it (the event `lost`) means that the shim is
 * gone or going: its exit record says the rest.
 */
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { onAbort } from "#base/abort.ts";
import { fail, type Kind } from "#base/errors.ts";
import { describeOp } from "./describe.ts";
import { encodeProgram, flatten } from "./encode.ts";
import { errnoName } from "./host.ts";
import { ProgramError } from "./linux.ts";
import type { Program } from "./ops.ts";
import { openChannel, type Channel } from "./shim-channel.ts";
import {
  CONTAINER, encodeOrder,
  type Attached, type AttachWish, type ExecStdio, type Exited, type Failed, type Message, type NamesTold, type Order, type PortSocket, type ShimQuery, type ShimState,
} from "./shim-protocol.ts";

export { CONTAINER, parseExitRecord } from "./shim-protocol.ts";
export type { AttachWish, Exited, ExecStdio, ExitRecord, Failed, NamesTold, PortSocket, ShimQuery, ShimState } from "./shim-protocol.ts";

export type Shim = AsyncDisposable & {
  /** As it was when the connection was made. */
  readonly state: ShimState;
  /** Starts the container; resolves when its executable runs. Rejects with a ProgramError when an op failed. */
  start(programs?: StartPrograms): Promise<Started>;
  /** Makes an exec'd process, not started: it may be attached to. Forgotten when this connection goes before its start. */
  exec(id: string, wish: ExecWish): Promise<void>;
  /** Starts it; resolves when its executable runs. Rejects with a ProgramError when an op failed. */
  startExec(id: string): Promise<Started>;
  /** Joins the streams of a process, started or not. The stream is the socket: raw bytes of a terminal, else Docker's
   * frames; `end()` is the end of stdin, its own end is the end of the outputs. It stays half open:
   * destroy it. Without data, `end` may come before anybody listens: use `pipeline`, `finished` or `for await`. */
  attach(id: string, wish: AttachWish, options?: { signal?: AbortSignal }): Promise<Attachment>;
  resize(id: string, size: { rows: number; cols: number }): Promise<void>;
  signal(id: string, signal: number): Promise<void>;
  closeStdin(id: string): Promise<void>;
  /** Opens the log file anew: somebody has moved it. */
  rotate(): Promise<void>;
  /** It holds these ports of the host, and no others, until the container has ended. On failure it holds what it held. */
  hold(ports: readonly PortSocket[]): Promise<void>;
  /** What the container's resolver knows from now on. What it does not know comes to this connection, as `query`. */
  names(told: NamesTold): Promise<void>;
  /** The answer to a query: a DNS message with the query's own id. */
  answer(query: Pick<ShimQuery, "place" | "serial">, packet: Uint8Array): void;
};

export type Started = { readonly pid: number; readonly time: bigint };
/** Only to name the op in an error: what was handed to the op `shim`. */
export type StartPrograms = { readonly init?: Program; readonly parent?: Program };
export type ExecWish = ExecStdio & { readonly program: Program };
export type Attachment = Attached & { readonly stream: Duplex };

/** What happens by itself. `exited` is the container, and comes when its record is durable. */
export type ShimEvent =
  | ({ readonly type: "exited" } & Exited)
  | { readonly type: "execStarted"; readonly id: string; readonly pid: number; readonly time: bigint }
  | ({ readonly type: "execFailed"; readonly id: string } & Failed)
  | ({ readonly type: "execExited"; readonly id: string } & Exited)
  | { readonly type: "detached"; readonly id: string }
  | { readonly type: "oom" }
  | { readonly type: "logError"; readonly errno: number }
  | ({ readonly type: "query" } & ShimQuery)
  | { readonly type: "lost" };

export type ConnectOptions = {
  readonly signal?: AbortSignal;
  /** Called with every event from the first on, in order; must not throw. */
  readonly onEvent?: (event: ShimEvent) => void;
};

/** Connects to the shim that listens at `path`. Rejects with `unavailable` when there is none. */
export async function connectShim(path: string, { signal, onEvent }: ConnectOptions = {}): Promise<Shim> {
  const channel = await openChannel(path, encodeOrder({ type: "control" }), signal);
  const state = await firstMessage(channel, signal);
  if (state?.type !== "state") {
    channel.socket.destroy();
    throw refusal(state, "connect to the shim");
  }
  const control = new Control(channel, onEvent ?? (() => undefined));
  return {
    state,
    start: (programs = {}) => control.start(CONTAINER, { type: "start" }, programs),
    exec: async (id, { program, ...stdio }) => {
      await control.order({ type: "exec", id, program: encodeProgram(program), ...stdio });
      control.programs.set(id, program);
    },
    startExec: (id) => {
      const init = control.programs.get(id);
      control.programs.delete(id);
      return control.start(id, { type: "execStart", id }, init === undefined ? {} : { init });
    },
    attach: (id, wish, options) => attach(path, { type: "attach", id, ...wish }, options?.signal),
    resize: (id, { rows, cols }) => control.order({ type: "resize", id, rows, cols }),
    signal: (id, signal) => control.order({ type: "signal", id, signal }),
    closeStdin: (id) => control.order({ type: "closeStdin", id }),
    rotate: () => control.order({ type: "rotate" }),
    hold: (ports) => control.order({ type: "ports", ports }),
    names: (told) => control.order({ type: "names", ...told }),
    answer: ({ place, serial }, packet) => control.send({ type: "answer", place, serial, packet }),
    [Symbol.asyncDispose]: () => control.close(),
  };
}

async function attach(path: string, order: Order & { type: "attach" }, signal?: AbortSignal): Promise<Attachment> {
  const channel = await openChannel(path, encodeOrder(order), signal);
  const answer = await firstMessage(channel, signal);
  if (answer?.type === "attached") {
    const { logOffset, logGeneration } = answer;
    return { stream: channel.release(), logOffset, logGeneration };
  }
  channel.socket.destroy();
  throw refusal(answer, "attach");
}

async function firstMessage(channel: Channel, signal: AbortSignal | undefined): Promise<Message | undefined> {
  using _ = onAbort(signal, () => channel.socket.destroy());
  try {
    return await channel.receive();
  } finally {
    if (signal?.aborted) channel.socket.destroy();
    signal?.throwIfAborted();
  }
}

type Waiting<T> = { resolve: (value: T) => void; reject: (error: unknown) => void };
type Starting = Waiting<Started> & { programs: StartPrograms };

/** The control connection: answers come in the order of the orders, events in between. */
class Control {
  /** Of exec'd processes that are made and not started. */
  readonly programs = new Map<string, Program>();
  readonly #channel: Channel;
  readonly #onEvent: (event: ShimEvent) => void;
  readonly #orders: (Waiting<void> & { what: string })[] = [];
  readonly #starts = new Map<string, Starting>();
  #lost = false;

  constructor(channel: Channel, onEvent: (event: ShimEvent) => void) {
    this.#channel = channel;
    this.#onEvent = onEvent;
    void this.#run();
  }

  order(order: Order): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#lost) return reject(refusal(undefined, order.type));
      this.#orders.push({ resolve, reject, what: order.type });
      this.#channel.socket.write(encodeOrder(order));
    });
  }

  /** Without an answer. */
  send(order: Order): void {
    if (!this.#lost) this.#channel.socket.write(encodeOrder(order));
  }

  /** The order, and then what comes of it. */
  async start(id: string, order: Order, programs: StartPrograms): Promise<Started> {
    if (this.#starts.has(id)) throw fail("conflict", `start ${id || "the container"}: it is being started`);
    const started = Promise.withResolvers<Started>();
    started.promise.catch(() => undefined);
    this.#starts.set(id, { ...started, programs });
    try {
      await this.order(order);
    } catch (error) {
      this.#starts.delete(id);
      throw error;
    }
    return started.promise;
  }

  async close(): Promise<void> {
    const { socket } = this.#channel;
    if (socket.closed) return;
    const closed = once(socket, "close");
    socket.destroy();
    await closed;
  }

  async #run(): Promise<void> {
    for (;;) {
      const message = await this.#channel.receive().catch(() => undefined);
      if (message === undefined) break;
      this.#take(message);
    }
    this.#lost = true;
    this.#channel.socket.destroy();
    for (const order of this.#orders.splice(0)) order.reject(refusal(undefined, order.what));
    for (const start of this.#starts.values()) start.reject(refusal(undefined, "start"));
    this.#starts.clear();
    this.#onEvent({ type: "lost" });
  }

  #take(message: Message): void {
    switch (message.type) {
      case "ok":
        return this.#orders.shift()?.resolve();
      case "error": {
        const order = this.#orders.shift();
        return order?.reject(refusal(message, order.what));
      }
      case "started":
        return this.#started(message);
      case "failed":
        return this.#failed(message);
      case "exited": {
        const { id, type: _, ...exited } = message;
        return this.#onEvent(id === CONTAINER ? { type: "exited", ...exited } : { type: "execExited", id, ...exited });
      }
      case "oom":
        return this.#onEvent({ type: "oom" });
      case "detached":
        return this.#onEvent({ type: "detached", id: message.id });
      case "logError":
      case "query":
        return this.#onEvent(message);
    }
  }

  #started({ id, pid, time }: Message & { type: "started" }): void {
    this.#starts.get(id)?.resolve({ pid, time });
    this.#starts.delete(id);
    if (id !== CONTAINER) this.#onEvent({ type: "execStarted", id, pid, time });
  }

  #failed({ type: _, ...failed }: Message & { type: "failed" }): void {
    const start = this.#starts.get(failed.id);
    this.#starts.delete(failed.id);
    start?.reject(startError(failed, start.programs));
    if (failed.id !== CONTAINER) this.#onEvent({ type: "execFailed", ...failed });
  }
}

function startError({ index, errno, program }: Failed, { init, parent }: StartPrograms): ProgramError {
  const ops = flatten((program === "parent" ? parent : init) ?? []);
  const op = ops[index];
  const code = errnoName(errno);
  const what = index < 0 ? "start a process" : op === undefined ? `operation ${index}` : describeOp(op);
  const where = op === undefined ? "" : `, operation ${index} of ${ops.length}`;
  return new ProgramError({ index, total: ops.length, errno, code, op, text: `${what}: ${code}${where}` });
}

const KINDS: Readonly<Record<string, Kind>> = {
  ESRCH: "conflict", EALREADY: "conflict", EEXIST: "already-exists", EINVAL: "invalid", ENOTTY: "invalid",
  ENOSYS: "not-implemented", EMFILE: "exhausted",
};
const REASONS: Readonly<Record<string, string>> = {
  ESRCH: "no such process is running", EALREADY: "it is started already", EEXIST: "there is one with this id",
  ENOTTY: "it has no terminal", EMFILE: "there are too many",
};

/** Of an order that was answered with an error, or never. */
function refusal(message: Message | undefined, what: string) {
  if (message?.type !== "error") return fail("unavailable", `${what}: the shim is gone`);
  const code = errnoName(message.errno);
  return fail(KINDS[code] ?? "internal", `${what}: ${REASONS[code] ?? code}`, { facts: { errno: message.errno, code } });
}
