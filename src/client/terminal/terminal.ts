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

/** Every key goes to the container as it is typed, until the returned function is called. */
export function enterRawMode(): () => void {
  const input = process.stdin;
  if (!(input instanceof ReadStream)) return () => {};
  input.setRawMode(true);
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

/** Keeps the size of a container's terminal that of ours. `path`: "/containers/x" or "/exec/x". */
export function followSize(api: Api, path: string): () => void {
  let stopped = false;
  const send = async (tries: number): Promise<void> => {
    const size = terminalSize();
    if (size === undefined || stopped) return;
    try {
      await api.text("POST", `${path}/resize`, { query: { h: String(size.rows), w: String(size.columns) } });
    } catch {
      // A process that is just being started has no terminal for a moment.
      if (tries > 0 && !stopped) setTimeout(() => void send(tries - 1), 10 * (6 - tries)).unref();
    }
  };
  const onResize = () => void send(0);
  process.on("SIGWINCH", onResize);
  void send(5);
  return () => {
    stopped = true;
    process.off("SIGWINCH", onResize);
  };
}

/** All that can be caught and means something to another process; SIGWINCH is followed by size. */
const FORWARDED = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGTSTP", "SIGALRM"] as const;

/** Whoever insists three times wants out, whatever the container does. */
const PATIENCE = 3;

/** Sends the signals we get to a container instead of dying of them. */
export function forwardSignals(api: Api, id: string): () => void {
  let insisted = 0;
  const listeners = FORWARDED.map((signal) => {
    const listener = () => {
      if ((signal === "SIGINT" || signal === "SIGTERM") && ++insisted >= PATIENCE) {
        process.stderr.write(`\ngot ${PATIENCE} SIGTERM/SIGINTs, forcefully exiting\n`);
        process.exit(1);
      }
      // It may have ended in between: then there is nobody to tell.
      api.text("POST", `/containers/${id}/kill`, { query: { signal: signal.slice(3) } }).catch(() => {});
    };
    process.on(signal, listener);
    return () => process.off(signal, listener);
  });
  return () => {
    for (const stop of listeners) stop();
  };
}
