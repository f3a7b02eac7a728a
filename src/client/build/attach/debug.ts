/** `build --debug-on-fail`: a step has failed; the engine opens a shell in it, if it can, and we are its terminal. */
import { fail, Failure, kindOf } from "#base/errors.ts";
import { failureOf } from "#base/grpc/status.ts";
import { HEADROOM, frame } from "#base/grpc/frames.ts";
import type { In, Of } from "#base/protobuf.ts";
import { debugMessage, METHODS } from "#spec/buildkit/session.ts";
import type { Cli } from "../../client.ts";
import { enterRawMode, stdinIsTerminal, terminalSize } from "../../terminal/terminal.ts";
import type { Incoming, Method } from "../rpc/serve.ts";
import type { Status } from "../solve.ts";

export type Debugging = {
  readonly methods: ReadonlyMap<string, Method>;
  /** After it was shown. */
  onStatus(status: Status): void;
  /** What is left to say of what the build ends with. */
  after(error: unknown): unknown;
};

const END_AGAIN_MS = 300;
/** What is told comes on another connection. */
const LAST_WORDS_MS = 3000;

/** `show`: the end of the progress, and the failure. */
export function openDebugging(cli: Pick<Cli, "out" | "err">, show: (failure: Failure) => void): Debugging {
  const told = openWatch();
  let shown: Failure | undefined;
  const debug: Method = async (call) => {
    call.head();
    const shell = openShell(cli, call);
    const over = call.receive((message) => {
      const { begin, data } = debugMessage.decode(message);
      return begin === undefined ? shell.write(data) : begins(begin, shell);
    });
    await Promise.race([over, shell.refused]).finally(shell.close);
  };
  async function begins({ vertex, step, shell: path, reason, status }: NonNullable<Of<typeof debugMessage>["begin"]>, shell: Shell): Promise<void> {
    await told.ended(vertex);
    shown = failureOf(status ?? { code: 2, message: "a step failed", details: [] }, "build");
    show(shown);
    const why = path === "" ? reason : (await shell.input()) ? "" : "standard input has ended";
    cli.err.write(lineOf(path, { step, why, columns: cli.err.columns }));
    if (why === "") shell.open();
    else shell.refuse();
  }
  function after(error: unknown): unknown {
    if (!(error instanceof Failure)) return error;
    if (shown?.message === error.message) return fail(error.kind, "", { cause: error, facts: { ...error.facts, bare: true } });
    return shown !== undefined || kindOf(error) === "cancelled" ? error : fail(error.kind, `${error.message}\nNo shell: ${isOfStep(error) ? "the engine opens none" : "it was not a step that failed"}.`, { cause: error, facts: error.facts });
  }
  return { methods: new Map([[METHODS.debug, debug]]), onStatus: told.onStatus, after };
}

/** An engine that knows nothing of shells says which step it was, and no more. */
const isOfStep = ({ facts }: Failure): boolean => ((facts["grpcDetails"] ?? []) as readonly { readonly typeUrl: string }[]).some(({ typeUrl }) => /errdefs[./]Vertex\b/.test(typeUrl));

const LEAST_NAME = 20;

/** One line, if it fits: of a step's name as much as there is room for. */
function lineOf(path: string, { step, why, columns }: { readonly step: string; readonly why: string; readonly columns: number }): string {
  const [before, after] = why === "" ? ["A shell in ", `: ${path}; what it changes is forgotten.`] : ["No shell in ", `: ${why}.`];
  const room = columns === 0 ? Infinity : Math.max(LEAST_NAME, columns - before.length - after.length - 1);
  const name = step.replace(/[\0-\x1f\x7f-\x9f]/g, " ");
  return `${before}${name.length <= room ? name : `${name.slice(0, room - 1)}…`}${after}\n`;
}

type Watch = { onStatus(status: Status): void; /** This one has failed, and nothing else goes on. */ ended(vertex: string): Promise<void> };

function openWatch(): Watch {
  const open = new Set<string>();
  const failed = new Set<string>();
  let wake = () => {};
  return {
    onStatus({ vertexes }) {
      for (const { digest, started, completed, error } of vertexes) {
        if (completed !== undefined) open.delete(digest);
        else if (started !== undefined) open.add(digest);
        if (error !== "") failed.add(digest);
      }
      wake();
    },
    async ended(vertex) {
      const all = Promise.withResolvers<void>();
      const timer = setTimeout(all.resolve, LAST_WORDS_MS);
      wake = () => void (failed.has(vertex) && open.size === 0 && all.resolve());
      wake();
      await all.promise;
      clearTimeout(timer);
    },
  };
}

type Shell = {
  /** False: nothing comes from it any more. Of a terminal that is known only when it is read. */
  input(): Promise<boolean>;
  open(): void;
  write(data: Buffer): void;
  /** It is not wanted. */
  refuse(): void;
  readonly refused: Promise<void>;
  close(): void;
};

function openShell({ out }: Pick<Cli, "out">, call: Incoming): Shell {
  const { stdin } = process;
  const undo = new DisposableStack();
  const early: Buffer[] = [];
  let isOpen = false;
  const say = (message: In<typeof debugMessage>) => call.send(frame(debugMessage.encode(message, HEADROOM)));
  const send = (data: Buffer) => {
    if (say({ data })) return;
    stdin.pause();
    void call.room().then(() => stdin.resume());
  };
  // The end of our input is the terminal's own key for it; again, for it is lost on a shell that does not read yet.
  const end = () => {
    send(END);
    const timer = setInterval(() => send(END), END_AGAIN_MS);
    undo.defer(() => clearInterval(timer));
  };
  const resize = () => {
    const size = terminalSize();
    if (size !== undefined) say({ size });
  };
  const refusal = Promise.withResolvers<void>();
  const hasEnded = () => stdin.readableEnded || stdin.destroyed;
  return {
    async input() {
      if (stdinIsTerminal()) return true;
      return await new Promise((resolve) => {
        if (hasEnded()) return resolve(false);
        stdin.once("data", (data: Buffer) => (stdin.pause(), early.push(data), resolve(true)));
        stdin.once("end", () => resolve(false)).once("error", () => resolve(false));
        call.signal.addEventListener("abort", () => resolve(false));
      });
    },
    open() {
      isOpen = true;
      if (stdinIsTerminal()) undo.defer(enterRawMode());
      resize();
      process.on("SIGWINCH", resize);
      for (const data of early) send(data);
      undo.defer(() => void process.off("SIGWINCH", resize));
      undo.defer(() => void stdin.off("data", send).off("end", end).pause());
      if (hasEnded()) return end();
      stdin.on("data", send).once("end", end);
    },
    // What a shell says that is not wanted is nobody's.
    write: (data) => void (isOpen && out.write(data)),
    refuse: refusal.resolve,
    refused: refusal.promise,
    close: () => undo.dispose(),
  };
}

const END = Buffer.from([4]);
