/**
 * Connection tracking: forgetting flows of a port that changed hands. A UDP flow that keeps going would otherwise keep
 * the translation (or the lack of one) that it began with. Protocol NETFILTER, needs no transaction.
 */
import { NLM_F, be16, message, nested, u32, u8 } from "./netlink.ts";

const DELETE = (1 << 8) | 2;
const TUPLE = { ORIG: 1, REPLY: 2, IP: 1, PROTO: 2 };
const PROTO = { NUM: 1, SOURCE_PORT: 2, DESTINATION_PORT: 3 };
const FILTER = 25;
const FILTER_ORIG = 1;
const FLAG = { PROTO_NUM: 8, DESTINATION_PORT: 32 };
const UDP = 17;

/**
 * Forgets UDP flows that were sent to this port of any address. A kernel that cannot filter here (before 5.8) refuses:
 * tolerate EINVAL and ENOENT.
 */
export function forgetUdp(family: "ip" | "ip6", port: number): Buffer {
  const header = Uint8Array.of(family === "ip" ? 2 : 10, 1, 0, 0);
  const tuple = nested(TUPLE.PROTO, u8(PROTO.NUM, UDP), be16(PROTO.DESTINATION_PORT, port));
  return message(
    DELETE,
    NLM_F.ACK,
    header,
    nested(TUPLE.ORIG, tuple),
    nested(FILTER, u32(FILTER_ORIG, FLAG.PROTO_NUM | FLAG.DESTINATION_PORT)),
  );
}
