/**
 * Bandwidth limits of an endpoint, as programs. Pure.
 *
 * Each way is limited where it is sent: what goes to the container by the host's end of its pair, what comes from it by
 * its own interface. There packets wait in line and the sender's TCP feels it at once; policing where they arrive would
 * drop them after they have cost everything. A container with NET_ADMIN can lift the second, as it can change its address.
 */
import { fail } from "#base/errors.ts";
import type { Op, Program } from "#linux/ops.ts";
import { removeQdisc, setTokenBucket, type TokenBucket } from "#linux/qdisc.ts";
import { ROUTE } from "#linux/rtnetlink.ts";
import type { Attachment } from "./network.ts";

const ENOENT = 2;
const FAR = 0x10000000;
const USUAL_MTU = 1500;
/** Bytes of heads: Ethernet's; TCP's and IPv4's, with a timestamp. */
const ETHERNET = 14;
const TCP = 52;
/** What one write of TCP may bring. */
const LEAST_QUEUE = 1 << 16;
const MOST = 1 << 30;

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

/** In the program that makes the pair: its end in the host has the index that its name says. */
export function hostRateOps(attachment: Attachment): Program {
  const { rate, mtu, hostInterface } = attachment;
  return rate?.ingress === undefined ? [] : [limitOp(hostIndexOf(attachment), { bits: rate.ingress, mtu, name: hostInterface })];
}

/** In the container's namespace, when its interface is there. */
export function insideRateOps({ rate, mtu, interface: name = "eth0" }: Attachment, index: number): Program {
  return rate?.egress === undefined ? [] : [limitOp(index, { bits: rate.egress, mtu, name })];
}

/** Sets what an interface of this namespace sends; undefined: no limit. */
export function limitOp(index: number, { bits, mtu, name }: { bits: number | undefined; mtu: number; name: string }): Op {
  const op = { op: "netlink", proto: ROUTE, acks: 1 } as const;
  if (bits === undefined) return { ...op, tolerate: ENOENT, data: removeQdisc(index), note: `${name} sends as fast as it can` };
  return { ...op, data: setTokenBucket(index, tokenBucket(bits, mtu || USUAL_MTU)), note: `${name} sends ${bits} bits a second` };
}

/**
 * A qdisc is given to an index, and nothing is looked up in a start. So where there is a limit, the index of the host's end
 * is chosen: from the digits of its name, far above those that the kernel gives in turn. 0: the kernel chooses.
 */
export const hostIndexOf = ({ rate, hostInterface }: Pick<Attachment, "rate" | "hostInterface">): number =>
  rate?.ingress === undefined ? 0 : FAR + Number.parseInt(hostInterface.slice("veth".length), 16);

/** What comes in by an interface of the host's own is sent by none of ours: nothing can hold it. */
export function refuseIngressRate({ rate, networkName, driver }: Attachment): void {
  if (rate?.ingress === undefined) return;
  throw fail("invalid", `network-rate: what comes to a container cannot be limited in network ${networkName} (${driver}); limit what it sends only (up=RATE)`);
}
