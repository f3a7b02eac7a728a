/** Where a transcript goes: lines of JSON in an answer, as fast as the client reads them. */
import { type ApiCall, endAfterRequest } from "../../answer.ts";
import type { Message } from "./transcript.ts";

export type Out = {
  write(message: Message): void;
  /** Resolves when there is room for more, undefined if there is. */
  room(): Promise<void> | undefined;
  /** Of a quiet build: what was kept back. */
  flush(): void;
  /** Instead of what was kept back. */
  only(message: Message): void;
  end(): void;
};

/** Bytes that wait for a client before steps wait for it, too. */
const HIGH = 4 * 2 ** 20;
/** Others may wait for the same step: they do not wait for ever because one client does not read. */
const LONGEST_MS = 10_000;
/** What waits for a client that does not read at all; the rest is in the build's log. */
const MOST = 64 * 2 ** 20;
const MOST_KEPT = 10_000;

/** `quiet`: messages are kept back, for the case that the build fails. */
export function openOut({ response, signal }: Pick<ApiCall, "response" | "signal">, quiet: boolean): Out {
  const kept: Message[] = [];
  let lost = 0;
  let waiting: Promise<void> | undefined;

  const send = (message: Message): void => {
    if (response.destroyed) return;
    head();
    if (response.writableLength > MOST && "stream" in message) {
      lost += message.stream.length;
      return;
    }
    if (lost > 0) response.write(line({ stream: `\n[${lost} characters were not read in time: the build's log has them]\n` }));
    lost = 0;
    response.write(line(message));
  };
  const head = (): void => {
    if (!response.headersSent) response.writeHead(200, { "Content-Type": "application/json" });
  };
  return {
    write: quiet ? (message) => void (kept.push(message) > MOST_KEPT && kept.shift()) : send,
    room() {
      if (response.destroyed || response.writableLength < HIGH) return undefined;
      waiting ??= drained(response, signal).finally(() => (waiting = undefined));
      return waiting;
    },
    flush: () => kept.splice(0).forEach(send),
    only(message) {
      kept.length = 0;
      send(message);
    },
    end() {
      head();
      endAfterRequest(response);
    },
  };
}

function drained(response: ApiCall["response"], signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, LONGEST_MS);
    response.once("drain", done).once("close", done);
    signal.addEventListener("abort", done, { once: true });
    function done(): void {
      clearTimeout(timer);
      response.off("drain", done).off("close", done);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}

const line = (message: Message): string => `${JSON.stringify(message).replaceAll(/[<>&\u2028\u2029]/g, escaped)}\r\n`;

/** As Go writes them. */
const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
