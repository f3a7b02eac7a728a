/** What is known of the vertices that a classic build's steps wait for, and what they print until it is their turn. */
import { StringDecoder } from "node:string_decoder";
import type { BuildEvent } from "#builder/events.ts";

export type Work = {
  started: boolean;
  completed: boolean;
  cached: boolean;
  failed: boolean;
  result: string;
};

export type Works = {
  of(vertex: string): Work;
  tell(event: Extract<BuildEvent, { kind: "vertex" }>): void;
  log(event: Extract<BuildEvent, { kind: "log" }>): void;
  /** Gives out what the vertex has printed. */
  drain(vertex: string): void;
  end(): void;
};

/** Characters of steps whose turn has not come. What is more is given out at once, out of its order, rather than not at all. */
const MAX_WAITING = 16 * 2 ** 20;

type Entry = Work & { logs: string[]; readonly decoders: readonly [StringDecoder, StringDecoder] };

export function openWorks(say: (text: string) => void): Works {
  const works = new Map<string, Entry>();
  let waiting = 0;
  const of = (vertex: string): Entry => {
    const work = works.get(vertex) ?? { started: false, completed: false, cached: false, failed: false, result: "", logs: [], decoders: [new StringDecoder("utf8"), new StringDecoder("utf8")] };
    works.set(vertex, work);
    return work;
  };
  const drain = (work: Entry): void => {
    const { logs } = work;
    work.logs = [];
    for (const text of logs) {
      waiting -= text.length;
      say(text);
    }
  };
  return {
    of,
    tell({ id, started, completed, cached, error, result }) {
      const work = of(id);
      work.started ||= started !== undefined;
      work.completed ||= completed !== undefined;
      work.cached ||= cached === true;
      work.failed ||= error !== undefined;
      work.result = result ?? work.result;
    },
    log({ vertex, stream, data }) {
      const work = of(vertex);
      const text = work.decoders[stream - 1]!.write(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
      if (text === "") return;
      // What goes to the standard error is red, piece by piece.
      work.logs.push(stream === 2 ? `\u001b[91m${text}\u001b[0m` : text);
      if ((waiting += text.length) > MAX_WAITING) for (const other of works.values()) drain(other);
    },
    drain: (vertex) => drain(of(vertex)),
    end: () => {
      for (const work of works.values()) work.completed = true;
    },
  };
}
