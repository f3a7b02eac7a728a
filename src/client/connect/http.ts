/** HTTP/1.1 for a client: one exchange at a time on a socket, streamed both ways. */
import type { Duplex, Readable } from "node:stream";
import { fail } from "#base/errors.ts";
import { createUnchunker } from "./unchunk.ts";

export type Head = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
};

export type Exchange = Head & {
  readonly body: AsyncGenerator<Buffer, void, void>;
  /** Resolves true when the body was read to its end and the socket can carry another exchange. */
  reusable(): boolean;
};

export type Request = {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly repeated?: readonly (readonly [name: string, value: string])[];
  readonly body?: string;
  readonly upload?: Readable;
};

const MAX_HEAD = 256 * 1024;

/** Sends a request and reads the answer's head. */
export async function exchange(socket: Duplex, request: Request): Promise<Exchange> {
  const sending = send(socket, request);
  const head = await readHead(socket);
  let whole = false;
  const body = readBody(socket, request.method, head, () => {
    whole = true;
  });
  if (request.upload !== undefined) sending.stop();
  return {
    ...head,
    body,
    reusable: () => whole && sending.complete() && !/close/i.test(head.headers["connection"] ?? ""),
  };
}

/** Sends a request that asks for an upgrade. The socket is the stream when the status is 101, or 200 as of old. */
export async function upgrade(socket: Duplex, request: Request): Promise<Head> {
  const headers = { Upgrade: "tcp", ...request.headers, Connection: "Upgrade" };
  send(socket, { ...request, headers });
  return readHead(socket);
}

function send(socket: Duplex, request: Request): { complete(): boolean; stop(): void } {
  let text = `${request.method} ${request.target} HTTP/1.1\r\n`;
  for (const [name, value] of [...Object.entries(request.headers), ...(request.repeated ?? [])]) text += `${name}: ${value.replace(/[\r\n]/g, " ")}\r\n`;
  if (request.upload === undefined) {
    if (request.body !== undefined) text += `Content-Length: ${Buffer.byteLength(request.body)}\r\n`;
    else if (request.method === "POST" || request.method === "PUT") text += "Content-Length: 0\r\n";
    socket.write(`${text}\r\n${request.body ?? ""}`);
    return { complete: () => true, stop: () => {} };
  }
  socket.write(`${text}Transfer-Encoding: chunked\r\n\r\n`);
  return upload(socket, request.upload);
}

/** Sends the upload until it ends, or until the engine has answered, which it may do before. */
function upload(socket: Duplex, source: Readable): { complete(): boolean; stop(): void } {
  let complete = false;
  const onData = (chunk: Buffer) => {
    socket.cork();
    socket.write(`${chunk.length.toString(16)}\r\n`);
    socket.write(chunk);
    const more = socket.write("\r\n");
    socket.uncork();
    if (more) return;
    source.pause();
    socket.once("drain", () => source.resume());
  };
  source.on("data", onData);
  source.once("end", () => {
    complete = true;
    socket.write("0\r\n\r\n");
  });
  source.once("error", (error) => socket.destroy(error));
  return {
    complete: () => complete,
    stop: () => {
      if (complete) return;
      source.off("data", onData);
      source.destroy();
    },
  };
}

async function readHead(socket: Duplex): Promise<Head> {
  let seen: Buffer = Buffer.alloc(0);
  for (;;) {
    const chunk = await next(socket);
    if (chunk === null) throw fail("unavailable", "unexpected EOF", { facts: { eof: true } });
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
    const end = seen.indexOf("\r\n\r\n");
    if (end < 0) {
      if (seen.length > MAX_HEAD) throw fail("internal", "the engine's answer has no end of its headers");
      continue;
    }
    const rest = seen.subarray(end + 4);
    if (rest.length > 0) socket.unshift(rest);
    const head = parseHead(seen.toString("latin1", 0, end));
    if (head.status === 100) {
      seen = Buffer.alloc(0);
      continue;
    }
    return head;
  }
}

function parseHead(text: string): Head {
  const lines = text.split("\r\n");
  const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(lines[0]!);
  if (status === null) {
    throw fail("internal", `malformed HTTP response ${JSON.stringify(lines[0]!.slice(0, 80))}`, { facts: { malformed: true } });
  }
  const headers: Record<string, string> = Object.create(null);
  for (const line of lines.slice(1)) {
    const colon = line.indexOf(":");
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return { status: Number(status[1]), headers };
}

async function* readBody(
  socket: Duplex,
  method: string,
  head: Head,
  onWhole: () => void,
): AsyncGenerator<Buffer, void, void> {
  let whole = false;
  try {
    if (method !== "HEAD" && head.status !== 204 && head.status !== 304) {
      const length = head.headers["content-length"];
      if (/chunked/i.test(head.headers["transfer-encoding"] ?? "")) yield* readChunks(socket);
      else if (length !== undefined) yield* readLength(socket, Number(length));
      else {
        yield* readToEnd(socket);
        return;
      }
    }
    whole = true;
    onWhole();
  } finally {
    if (!whole) socket.destroy();
  }
}

async function* readToEnd(socket: Duplex): AsyncGenerator<Buffer, void, void> {
  for (let chunk = await next(socket); chunk !== null; chunk = await next(socket)) yield chunk;
}

async function* readLength(socket: Duplex, length: number): AsyncGenerator<Buffer, void, void> {
  for (let left = length; left > 0; ) {
    const chunk = await next(socket);
    if (chunk === null) throw fail("unavailable", "unexpected EOF", { facts: { eof: true } });
    if (chunk.length > left) socket.unshift(chunk.subarray(left));
    yield chunk.length > left ? chunk.subarray(0, left) : chunk;
    left -= chunk.length;
  }
}

async function* readChunks(socket: Duplex): AsyncGenerator<Buffer, void, void> {
  const decoder = createUnchunker();
  while (!decoder.done()) {
    const chunk = await next(socket);
    if (chunk === null) throw fail("unavailable", "unexpected EOF", { facts: { eof: true } });
    const payload = decoder.push(chunk);
    if (payload.length > 0) yield payload;
  }
  if (decoder.rest().length > 0) socket.unshift(decoder.rest());
}

/** The next bytes, null at the end. Reads only when asked, so that the socket may change hands between two reads. */
function next(socket: Duplex): Promise<Buffer | null> | Buffer {
  const ready: Buffer | null = socket.read();
  if (ready !== null) return ready;
  return new Promise((resolve, reject) => {
    if (socket.errored) return reject(socket.errored);
    if (socket.readableEnded || socket.destroyed) return resolve(null);
    const settle = (act: () => void) => {
      socket.off("readable", onReadable).off("end", onEnd).off("error", onError).off("close", onEnd);
      act();
    };
    const onReadable = () => {
      const chunk: Buffer | null = socket.read();
      if (chunk !== null) settle(() => resolve(chunk));
    };
    const onEnd = () => settle(() => resolve(null));
    const onError = (error: Error) => settle(() => reject(error));
    socket.on("readable", onReadable).on("end", onEnd).on("error", onError).on("close", onEnd);
  });
}
