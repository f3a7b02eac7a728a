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
/** Ethernet's head and a VLAN's tag. */
const HEAD = 18;

export type Rate = NonNullable<Attachment["rate"]>;

/** What an interface that sends `bits` a second gets. */
export function tokenBucket(bits: number, mtu: number): TokenBucket {
  const rate = Math.max(1, Math.floor(bits / 8));
  const burst = Math.max(2 * (mtu + HEAD), Math.floor(rate * 0.01));
  return { rate, burst: Math.min(burst, 1 << 30), limit: Math.min(burst + Math.max(16 * mtu, Math.floor(rate * 0.05)), 1 << 30) };
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
