/** Our own terminal: raw mode, its size, and the signals that come from it. */
import { isatty, ReadStream, WriteStream } from "node:tty";
import { fail } from "#base/errors.ts";
import type { Api } from "../connect/connect.ts";

export function stdinIsTerminal(): boolean {
  return isatty(0);
}

/** What `-it` needs: a container's terminal cannot be fed from a pipe. */
export function checkInput(attachesInput: boolean, tty: boolean): void {
  if (attachesInput && tty && !stdinIsTerminal()) throw fail("invalid", "the input device is not a TTY", { facts: { bare: true } });
}

/**
 * Every key goes to the container as it is typed, and every byte from it to the screen as it was sent, until the
 * returned function is called. Node's raw mode still makes "\r\n" of "\n" on output, which full-screen programs do not
 * stand; stty turns that off, and going back restores what was before both.
 */
export function enterRawMode(): () => void {
  const input = process.stdin;
  if (!(input instanceof ReadStream)) return () => {};
  input.setRawMode(true);
  process.getBuiltinModule("node:child_process").spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
  const restore = () => {
    process.off("exit", restore);
    input.setRawMode(false);
  };
  process.on("exit", restore);
  return restore;
}

export type Size = { readonly rows: number; readonly columns: number };

export function terminalSize(): Size | undefined {
  const output = process.stdout;
  if (!(output instanceof WriteStream)) return undefined;
  const [columns, rows] = output.getWindowSize();
  return columns === 0 && rows === 0 ? undefined : { rows, columns };
}

/**
 * Keeps the size of a container's terminal that of ours. `path`: "/containers/x" or "/exec/x". `redraw`: another size
 * first, so that a program that runs already draws its screen again.
 */
export function followSize(api: Api, path: string, { redraw = false } = {}): () => void {
  let stopped = false;
  const send = async (tries: number, more = 0): Promise<void> => {
    const size = terminalSize();
    if (size === undefined || stopped) return;
    try {
      await api.text("POST", `${path}/resize`, { query: { h: String(size.rows + more), w: String(size.columns + more) } });
    } catch {
      // A process that is just being started has no terminal for a moment.
      if (tries > 0 && !stopped) setTimeout(() => void send(tries - 1), 10 * (6 - tries)).unref();
    }
  };
  const onResize = () => void send(0);
  process.on("SIGWINCH", onResize);
  void (redraw ? send(0, 1) : Promise.resolve()).then(() => send(5));
  return () => {
    stopped = true;
    process.off("SIGWINCH", onResize);
  };
}

/** All that can be caught and means something to another process; SIGWINCH is followed by size. */
const FORWARDED = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGTSTP", "SIGALRM"] as const;

/** Whoever insists three times wants out, whatever the container does. */
const PATIENCE = 3;

/** Ends with the exit code a shell gives for the signal, as docker does, rather than by the signal. */
export function exitOnSignals(): void {
  process.once("SIGINT", () => process.exit(130)).once("SIGTERM", () => process.exit(143));
}

export type ForwardOptions = {
  /** False: only does not die of them. */
  readonly forward?: boolean;
  /** Before it runs, nobody can be sent a signal: those that come earlier wait for this. */
  readonly running?: Promise<void>;
};

/** Sends the signals we get to a container instead of dying of them. */
export function forwardSignals(api: Api, id: string, { forward = true, running = Promise.resolve() }: ForwardOptions = {}): () => void {
  let insisted = 0;
  const listeners = FORWARDED.map((signal) => {
    const listener = () => {
      if ((signal === "SIGINT" || signal === "SIGTERM") && ++insisted >= PATIENCE) {
        process.stderr.write(`\ngot ${PATIENCE} SIGTERM/SIGINTs, forcefully exiting\n`);
        process.exit(1);
      }
      if (!forward) return;
      // It may have ended in between: then there is nobody to tell.
      running.then(() => api.text("POST", `/containers/${id}/kill`, { query: { signal: signal.slice(3) } })).catch(() => {});
    };
    process.on(signal, listener);
    return () => process.off(signal, listener);
  });
  return () => {
    for (const stop of listeners) stop();
  };
}
