/** Other bandwidth limits for a container that runs. */
import type { Op } from "#linux/ops.ts";
import { ROUTE, getLink, readLinks } from "#linux/rtnetlink.ts";
import { interfaceOf } from "./drivers/endpoint.ts";
import type { Attachment } from "./network.ts";
import { limitOp, refuseIngressRate } from "./rate.ts";
import type { State } from "./state.ts";

const NEWNET = 0x40000000;
const ENODEV = 19;
const OWN = 1;

/** For all its endpoints; undefined lifts the limits. `save`: the container's row, in the same transaction. */
export async function changeRate(state: State, { container, pid, rate }: { container: string; pid: number; rate: Attachment["rate"] }, save: () => Promise<void>): Promise<void> {
  const before = state.attachments.of(container);
  const after = before.map(({ rate: _, ...one }): Attachment => (rate === undefined ? one : { ...one, rate }));
  for (const one of after) if (one.driver === "macvlan" || one.driver === "ipvlan") refuseIngressRate(one);
  try {
    await limit(state, after, pid);
    for (const one of after) state.attachments.put(one);
    await Promise.all([state.store.putAttachments(after), save()]);
  } catch (error) {
    for (const one of before) state.attachments.put(one);
    await limit(state, before, pid).catch((problem: unknown) => state.log.warn("take back a change of limits", { container, error: problem }));
    throw error;
  }
}

/** Indexes are looked up: only those of endpoints that were limited from the start are known. */
async function limit({ kernel }: State, attachments: readonly Attachment[], pid: number): Promise<void> {
  const enter = [{ op: "openNs", slot: OWN, pid, path: "net" }, { op: "setns", slot: OWN, flags: NEWNET }] as const;
  const look = (name: string): Op => ({ op: "netlink", proto: ROUTE, acks: 1, collect: 1, tolerate: ENODEV, data: getLink(name), note: `look for ${name}` });
  const seen = await kernel.perform([...attachments.map(({ hostInterface }) => look(hostInterface)), ...enter, ...attachments.map((one) => look(interfaceOf(one)))], { forked: true });
  const indexAt = (at: number) => readLinks(seen.get(at) ?? Buffer.alloc(0))[0]?.index;
  const limits = (offset: number, of: (one: Attachment) => { name: string; bits: number | undefined }) =>
    attachments.flatMap((one, at): Op[] => {
      const index = indexAt(offset + at);
      return index === undefined ? [] : [limitOp(index, { ...of(one), mtu: one.mtu })];
    });
  const host = limits(0, ({ hostInterface, rate }) => ({ name: hostInterface, bits: rate?.ingress }));
  const own = limits(attachments.length + enter.length, (one) => ({ name: interfaceOf(one), bits: one.rate?.egress }));
  await kernel.perform([...host, ...enter, ...own], { forked: true });
}
