/**
 * Queueing disciplines: messages of NETLINK_ROUTE that say how fast an interface sends. One kind only, the token bucket
 * (tbf): what comes faster waits, and what finds no room to wait is dropped.
 */
import { NLM_F, attribute, message, nested, text, u32 } from "./netlink.ts";

const RTM = { NEWQDISC: 36, DELQDISC: 37, GETQDISC: 38 };
const TCA = { KIND: 1, OPTIONS: 2 };
const TBF = { PARMS: 1, RATE64: 4, BURST: 6 };
const ROOT = 0xffffffff;
const HANDLE = 0x10000;
const MOST_U32 = 0xffffffff;
const ETHERNET = 1;

export type TokenBucket = {
  /** Bytes per second. */
  readonly rate: number;
  /** Bytes that may go at once. A larger packet of several segments is cut into those; a larger segment is dropped. */
  readonly burst: number;
  /** Bytes that may wait. */
  readonly limit: number;
};

/** Gives an interface a token bucket in place of what it has, or changes the one that it has. */
export function setTokenBucket(index: number, { rate, burst, limit }: TokenBucket): Buffer {
  const parameters = Buffer.alloc(36);
  parameters[1] = ETHERNET;
  parameters.writeUInt32LE(Math.min(rate, MOST_U32), 8);
  parameters.writeUInt32LE(limit, 24);
  return message(
    RTM.NEWQDISC,
    NLM_F.ACK | NLM_F.CREATE | NLM_F.REPLACE,
    header(index, HANDLE),
    text(TCA.KIND, "tbf"),
    nested(TCA.OPTIONS, attribute(TBF.PARMS, parameters), u32(TBF.BURST, burst), ...(rate > MOST_U32 ? [wide(TBF.RATE64, rate)] : [])),
  );
}

/** The interface sends as it would without us. ENOENT when it does already. */
export function removeQdisc(index: number): Buffer {
  return message(RTM.DELQDISC, NLM_F.ACK, header(index, 0));
}

/** struct tcmsg, for the qdisc at the root. */
function header(index: number, handle: number): Buffer {
  const out = Buffer.alloc(20);
  out.writeInt32LE(index, 4);
  out.writeUInt32LE(handle, 8);
  out.writeUInt32LE(ROOT, 12);
  return out;
}

function wide(type: number, value: number) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(Math.floor(value)));
  return attribute(type, bytes);
}
