/**
 * Bandwidth limits of an endpoint, as programs. Pure.
 *
 * Each way is limited where it is sent: what goes to the container by the host's end of its pair, what comes from it by
 * its own interface. There packets wait in line and the sender's TCP feels it at once; policing where they arrive would
 * drop them after they have cost everything. A container with NET_ADMIN can lift the second, as it can change its address.
 */
import type { Op, Program } from "#linux/ops.ts";
import { removeQdisc, setTokenBucket, type TokenBucket } from "#linux/qdisc.ts";
import { ROUTE } from "#linux/rtnetlink.ts";
import type { Attachment } from "./network.ts";

const ENOENT = 2;
const EINVAL = 22;
/** Bytes of heads: Ethernet's; TCP's and IPv4's, with a timestamp. */
const ETHERNET = 14;
const TCP = 52;
/** What one write of TCP may bring. */
const LEAST_QUEUE = 1 << 16;
const MOST = 1 << 30;

export type Rate = NonNullable<Attachment["rate"]>;

/**
 * What an interface that sends `bits` a second gets. The rate is that of what full TCP packets carry, so that a transfer
 * is as fast as was asked for; their heads come on top. The bucket holds what comes in 40 ms: a host that is busy for so
 * long does not slow the container down. A tenth of a second may wait.
 */
export function tokenBucket(bits: number, mtu: number): TokenBucket {
  const rate = Math.max(1, Math.floor((bits / 8) * ((mtu + ETHERNET) / (mtu - TCP))));
  const burst = Math.max(2 * (mtu + ETHERNET), Math.floor(rate * 0.04));
  return { rate, burst: Math.min(burst, MOST), limit: Math.min(burst + Math.max(LEAST_QUEUE, Math.floor(rate * 0.1)), MOST) };
}

/** Sets or lifts (undefined) what an interface sends. To be performed in its namespace. */
export function rateOps(index: number, { bits, mtu, name }: { bits: number | undefined; mtu: number; name: string }): Program {
  const limited = bits !== undefined && bits > 0;
  const op: Op = {
    op: "netlink",
    proto: ROUTE,
    acks: 1,
    data: limited ? setTokenBucket(index, tokenBucket(bits, mtu)) : removeQdisc(index),
    note: limited ? `${name} sends ${bits} bits a second at most` : `${name} sends as fast as it can`,
  };
  return [limited ? op : { ...op, tolerate: ENOENT }];
}

/** The kernel's answers to a qdisc that it does not have. */
export const isMissingQdisc = (errno: number) => errno === ENOENT || errno === EINVAL;
