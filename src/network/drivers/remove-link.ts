/**
 * Taking an interface of the host away. The kernel answers only after grace periods, 15 to 40 ms, most of them when the
 * interface is long gone from every list and table and nothing can fail any more; nobody needs to wait for those.
 */
import type { Kernel } from "#linux/linux.ts";
import type { Op, Program } from "#linux/ops.ts";
import { ROUTE, deleteLink, getLink, readLinks } from "#linux/rtnetlink.ts";
import { setTimeout } from "node:timers/promises";

const ENODEV = 19;

export const removeLinkOp = (name: string): Op => ({ op: "netlink", proto: ROUTE, acks: 1, tolerate: ENODEV, data: deleteLink(name), note: `remove ${name}` });

/** Resolves when nobody sees the interface any more; it need not have been there. */
export async function removeLink(kernel: Kernel, name: string, program: Program = [removeLinkOp(name)]): Promise<void> {
  let answered = false;
  const removing = kernel.perform(program).finally(() => (answered = true));
  const unseen = async () => {
    while (!answered && (await isSeen(kernel, name))) await setTimeout(1);
  };
  await Promise.race([removing, unseen()]);
  removing.catch(() => {});
}

async function isSeen(kernel: Kernel, name: string): Promise<boolean> {
  const look: Op = { op: "netlink", proto: ROUTE, acks: 1, collect: 1, tolerate: ENODEV, data: getLink(name) };
  return readLinks((await kernel.perform([look])).get(0) ?? Buffer.alloc(0)).length > 0;
}
