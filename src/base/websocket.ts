/**
 * The server's side of WebSocket (RFC 6455), as far as a byte stream needs it: what the client's data frames hold is read,
 * what is written goes out as binary frames. Nothing is gathered: a frame of any length passes piece by piece.
 *
 *     const stream = acceptWebSocket(call);   // throws a Failure that is an HTTP error
 */
import { createHash } from "node:crypto";
import { Duplex } from "node:stream";
import { fail } from "./errors.ts";
import type { Call } from "./http.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

export function acceptWebSocket(call: Call): Duplex {
  const { "sec-websocket-key": key, "sec-websocket-version": version, upgrade } = call.headers;
  if (!call.upgrade || upgrade?.toLowerCase() !== "websocket" || typeof key !== "string" || version !== "13") {
    throw fail("invalid", "this endpoint speaks WebSocket, version 13, only");
  }
  const accept = createHash("sha1").update(key + GUID).digest("base64");
  return frameStream(call.upgradeTo("websocket", { "Sec-WebSocket-Accept": accept }));
}

/** A byte stream over a raw one that carries frames. */
function frameStream(raw: Duplex): Duplex {
  const decode = frameDecoder();
  const stream = new Duplex({
    read: () => void raw.resume(),
    write: (chunk: Buffer, _, done) => {
      raw.write(frameHead(BINARY, chunk.length));
      raw.write(chunk, done);
    },
    final: (done) => void raw.end(closeFrame(1000), done),
    destroy(error, done) {
      raw.destroy();
      done(error);
    },
  });
  raw.on("data", (chunk: Buffer) => {
    for (const part of decode(chunk)) {
      if (part.kind === "data") stream.push(part.bytes) || raw.pause();
      else if (part.kind === "ping") raw.write(Buffer.concat([frameHead(PONG, part.bytes.length), part.bytes]));
      else stream.push(null), part.kind === "error" && raw.end(closeFrame(1002));
    }
  });
  raw.on("end", () => stream.push(null));
  raw.on("error", () => stream.destroy());
  raw.on("close", () => stream.destroy());
  return stream;
}

const [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] = [0, 1, 2, 8, 9, 10];

function frameHead(opcode: number, length: number): Buffer {
  const first = 0x80 | opcode;
  if (length < 126) return Buffer.from([first, length]);
  const head = Buffer.alloc(length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = length < 65_536 ? 126 : 127;
  if (length < 65_536) head.writeUInt16BE(length, 2);
  else head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}

function closeFrame(code: number): Buffer {
  return Buffer.from([0x80 | CLOSE!, 2, code >> 8, code & 255]);
}

export type FramePart = { readonly kind: "data" | "ping"; readonly bytes: Buffer } | { readonly kind: "close" | "error" };

/**
 * Takes the client's bytes as they come, gives what they mean. After "close" or "error" nothing means anything any more.
 * Frames of a client are masked, control frames short and whole; anything else is an error.
 */
export function frameDecoder(): (chunk: Buffer) => FramePart[] {
  let head = Buffer.alloc(0);
  let frame: { opcode: number; left: number; mask: Buffer; at: number; control: Buffer[] } | undefined;
  let over = false;
  let fragmented = false;

  function readHead(chunk: Buffer): { rest: Buffer } | undefined | "error" {
    head = Buffer.concat([head, chunk]);
    if (head.length < 2) return undefined;
    const [first, second] = [head[0]!, head[1]!];
    const opcode = first & 0x0f;
    const short = second & 0x7f;
    const size = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + 4;
    const control = opcode >= 8;
    if ((first & 0x70) !== 0 || (second & 0x80) === 0 || (control && (short > 125 || (first & 0x80) === 0))) return "error";
    if (![CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG].includes(opcode)) return "error";
    if (!control && (opcode === CONTINUATION) !== fragmented) return "error";
    if (head.length < size) return undefined;
    const left = short === 126 ? head.readUInt16BE(2) : short === 127 ? Number(head.readBigUInt64BE(2)) : short;
    if (left > Number.MAX_SAFE_INTEGER) return "error";
    if (!control) fragmented = (first & 0x80) === 0;
    frame = { opcode, left, mask: Buffer.from(head.subarray(size - 4, size)), at: 0, control: [] };
    const rest = head.subarray(size);
    head = Buffer.alloc(0);
    return { rest };
  }

  return (chunk) => {
    const parts: FramePart[] = [];
    let rest = chunk;
    while (!over) {
      if (frame === undefined) {
        const read = readHead(rest);
        if (read === undefined) break;
        if (read === "error") return (over = true), [...parts, { kind: "error" }];
        rest = read.rest;
      }
      const current = frame!;
      const piece = unmask(rest.subarray(0, current.left), current);
      rest = rest.subarray(piece.length);
      current.left -= piece.length;
      if (current.opcode >= 8) current.control.push(piece);
      else if (piece.length > 0) parts.push({ kind: "data", bytes: piece });
      if (current.left > 0) break;
      frame = undefined;
      if (current.opcode === PING) parts.push({ kind: "ping", bytes: Buffer.concat(current.control) });
      if (current.opcode === CLOSE) return (over = true), [...parts, { kind: "close" }];
    }
    return parts;
  };
}

/** A copy: the chunk may be somebody else's. */
function unmask(masked: Buffer, frame: { mask: Buffer; at: number }): Buffer {
  const bytes = Buffer.from(masked);
  for (let i = 0; i < bytes.length; i++) bytes[i]! ^= frame.mask[(frame.at + i) & 3]!;
  frame.at += bytes.length;
  return bytes;
}
