/**
 * The frames between a shim and its clients, as bytes: pure encode, pure decode. The page is docs/design/shim.md.
 *
 *     frame: u32 length of the payload, u8 type, payload          (little-endian)
 *     id:    u8 length, bytes; the container's own process is CONTAINER, the empty id
 */

/** The id of the container's own process. Exec'd ones have 64 hex characters. */
export const CONTAINER = "";

const HEADER = 5;
const TYPES = {
  control: 1, attach: 2, start: 10, exec: 11, execStart: 12, resize: 13, signal: 14, rotate: 15, closeStdin: 16, names: 17, answer: 18, ports: 19,
} as const;

/** What a client says. */
export type Order =
  | { readonly type: "control" | "start" | "rotate" }
  | ({ readonly type: "attach"; readonly id: string } & AttachWish)
  | { readonly type: "exec"; readonly id: string; readonly program: Uint8Array } & ExecStdio
  | { readonly type: "execStart" | "closeStdin"; readonly id: string }
  | { readonly type: "resize"; readonly id: string; readonly rows: number; readonly cols: number }
  | { readonly type: "signal"; readonly id: string; readonly signal: number }
  | ({ readonly type: "names" } & NamesTold)
  | { readonly type: "ports"; readonly ports: readonly PortSocket[] }
  | ({ readonly type: "answer"; readonly packet: Uint8Array } & Pick<ShimQuery, "place" | "serial">);

/** A port of the host, as the op `bindPort` takes it: family 2 or 10, type 1 TCP, 2 UDP, 5 SCTP. */
export type PortSocket = { readonly family: number; readonly type: number; readonly port: number; readonly address: string };

/** What a container's resolver knows, and that this connection answers what it does not. */
export type NamesTold = {
  /** Make the sockets, if there are none, in the network namespace of the running container. */
  readonly open?: boolean;
  /** Pass other names on; otherwise they are refused. */
  readonly forward: boolean;
  /** Files, in the order they are searched. */
  readonly zones: readonly string[];
  /** Names as in a DNS message, lower case: the first is another word for the second. */
  readonly links: readonly (readonly [Uint8Array, Uint8Array])[];
};

/** A query that the shim cannot answer. place and serial: whose answer it will be. */
export type ShimQuery = { readonly place: number; readonly serial: number; readonly tcp: boolean; readonly packet: Buffer };

export type AttachWish = {
  readonly stdin?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  /** Begin with the line that is not finished yet, and so not in the log: for a replay of the log that goes on live. */
  readonly unfinished?: boolean;
  /** Bytes in stdin that end the attachment (^P^Q: [16, 17]), at most 64. Empty or absent: none. */
  readonly detachKeys?: Uint8Array;
};

export type ExecStdio = {
  readonly tty?: boolean;
  readonly stdin?: boolean;
  readonly rows?: number;
  readonly cols?: number;
};

/** Which program failed: `program` is the init or exec'd one, `parent` the one the shim performs at `sync`. */
export type Failed = { readonly index: number; readonly errno: number; readonly program: "process" | "parent" };
/** `code` as Docker shows it: the exit status, or 128 + signal. `time`: unix nanoseconds. */
export type Exited = {
  readonly code: number;
  readonly signal: number;
  readonly time: bigint;
  readonly oom: boolean;
};
export type Attached = { readonly logOffset: bigint; readonly logGeneration: number };
export type ShimState = {
  /** 0: not started. */
  readonly pid: number;
  /** Field 22 of /proc/pid/stat: with the pid, the identity of the process. */
  readonly startTicks: bigint;
  readonly execs: ReadonlyMap<string, number>;
};

/** What a shim says. */
export type Message =
  | { readonly type: "ok" }
  | { readonly type: "error"; readonly errno: number }
  | ({ readonly type: "attached" } & Attached)
  | ({ readonly type: "state" } & ShimState)
  | { readonly type: "started"; readonly id: string; readonly pid: number; readonly time: bigint }
  | ({ readonly type: "failed"; readonly id: string } & Failed)
  | ({ readonly type: "exited"; readonly id: string } & Exited)
  | { readonly type: "detached" | "oom"; readonly id: string }
  | { readonly type: "logError"; readonly errno: number }
  | ({ readonly type: "query" } & ShimQuery);

/** One order as a frame. */
export function encodeOrder(order: Order): Buffer {
  const payload = encodePayload(order);
  const head = Buffer.alloc(HEADER);
  head.writeUInt32LE(payload.length, 0);
  head[4] = TYPES[order.type];
  return Buffer.concat([head, payload]);
}

function encodePayload(order: Order): Buffer {
  switch (order.type) {
    case "control":
    case "start":
    case "rotate":
      return Buffer.alloc(0);
    case "attach": {
      const keys = order.detachKeys ?? new Uint8Array();
      const flags = bits(order.stdin, order.stdout, order.stderr, order.unfinished);
      return Buffer.concat([encodeId(order.id), Buffer.from([flags, keys.length]), keys]);
    }
    case "exec":
      return Buffer.concat([
        encodeId(order.id), Buffer.from([bits(order.tty, order.stdin)]),
        u16(order.rows ?? 0), u16(order.cols ?? 0), order.program,
      ]);
    case "execStart":
    case "closeStdin":
      return encodeId(order.id);
    case "resize":
      return Buffer.concat([encodeId(order.id), u16(order.rows), u16(order.cols)]);
    case "signal": {
      const number = Buffer.alloc(4);
      number.writeUInt32LE(order.signal);
      return Buffer.concat([encodeId(order.id), number]);
    }
    case "ports":
      return Buffer.concat(order.ports.flatMap(({ family, type, port, address }) => [Buffer.from([family, type]), u16(port), Buffer.from([address.length]), Buffer.from(address)]));
    case "names":
      return encodeNames(order);
    case "answer": {
      const head = Buffer.alloc(6);
      head.writeUInt16LE(order.place, 0);
      head.writeUInt32LE(order.serial, 2);
      return Buffer.concat([head, order.packet]);
    }
  }
}

function encodeNames({ open, forward, zones, links }: NamesTold): Buffer {
  const paths = zones.map((path) => Buffer.from(`${path}\0`));
  return Buffer.concat([
    Buffer.from([bits(open, forward), paths.length]), u16(links.length),
    ...paths.flatMap((path) => [u16(path.length), path]),
    ...links.flatMap(([alias, target]) => [Buffer.from([alias.length, target.length]), alias, target]),
  ]);
}

function encodeId(id: string): Buffer {
  return Buffer.concat([Buffer.from([Buffer.byteLength(id)]), Buffer.from(id)]);
}

function u16(value: number): Buffer {
  const out = Buffer.alloc(2);
  out.writeUInt16LE(value);
  return out;
}

function bits(...set: (boolean | undefined)[]): number {
  return set.reduce((sum, bit, index) => sum | (bit ? 1 << index : 0), 0);
}

/** The first message of `bytes` and how many bytes it took; undefined while it is not all there. Throws a RangeError
 * for bytes that no shim sends. */
export function decodeMessage(bytes: Buffer): { message: Message; length: number } | undefined {
  if (bytes.length < HEADER) return undefined;
  const length = HEADER + bytes.readUInt32LE(0);
  if (length > HEADER + (1 << 16)) throw new RangeError("a shim's frame is too long");
  if (bytes.length < length) return undefined;
  return { message: decodePayload(bytes.readUInt8(4), bytes.subarray(HEADER, length)), length };
}

function decodePayload(type: number, payload: Buffer): Message {
  const next = fieldsOf(payload);
  switch (type) {
    case 20:
      return { type: "ok" };
    case 21:
      return { type: "error", errno: next.u32() };
    case 22:
      return { type: "attached", logOffset: next.u64(), logGeneration: next.u32() };
    case 30: {
      const [pid, startTicks, count] = [next.u32(), next.u64(), next.u16()];
      return { type: "state", pid, startTicks, execs: new Map(Array.from({ length: count }, () => [next.id(), next.u32()])) };
    }
    case 31:
      return { type: "started", id: next.id(), pid: next.u32(), time: next.u64() };
    case 32:
      return {
        type: "failed", id: next.id(), index: next.u32() | 0, errno: next.u32(),
        program: next.u8() === 1 ? "parent" : "process",
      };
    case 33:
      return { type: "exited", id: next.id(), code: next.u32(), signal: next.u32(), time: next.u64(), oom: next.u8() === 1 };
    case 34:
      return { type: "detached", id: next.id() };
    case 35:
      return { type: "oom", id: next.id() };
    case 36:
      return { type: "logError", errno: next.u32() };
    case 37:
      return { type: "query", place: next.u16(), serial: next.u32(), tcp: next.u8() === 1, packet: next.rest() };
    default:
      throw new RangeError(`a shim's frame has the unknown type ${type}`);
  }
}

function fieldsOf(payload: Buffer) {
  let at = 0;
  const take = (size: number) => (at += size) - size;
  return {
    u8: () => payload.readUInt8(take(1)),
    u16: () => payload.readUInt16LE(take(2)),
    u32: () => payload.readUInt32LE(take(4)),
    u64: () => payload.readBigUInt64LE(take(8)),
    rest: () => payload.subarray(at),
    id(): string {
      const length = this.u8();
      const from = take(length);
      return payload.toString("latin1", from, from + length);
    },
  };
}

/** What stands in a container's exit record, and in an exec'd process's. */
export type ExitRecord = {
  readonly code: number;
  readonly signal: number;
  /** RFC 3339 with nanoseconds, UTC. */
  readonly time: string;
  readonly oom: boolean;
  readonly pid: number;
  readonly startedAt: string;
  /** The errno with which the program `teardown` ended, when it failed. */
  readonly teardown?: number;
};

/** Reads an exit record. Throws a SyntaxError when it is not one. */
export function parseExitRecord(text: string): ExitRecord {
  const record = JSON.parse(text) as Partial<Record<keyof ExitRecord, unknown>> | null;
  const whole =
    typeof record?.code === "number" && typeof record.signal === "number" && typeof record.pid === "number" &&
    typeof record.time === "string" && typeof record.startedAt === "string" && typeof record.oom === "boolean";
  if (!whole) throw new SyntaxError("not an exit record");
  return record as ExitRecord;
}
