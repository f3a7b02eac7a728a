/**
 * The hosts file of a running container follows its endpoints. It is changed where it is, line by line: it is mounted in
 * the container, who may have written to it.
 */
import type { Op } from "#linux/ops.ts";
import { type Attachment, withHosts, withoutHosts } from "#network/network.ts";
import type { Context } from "../containers/context.ts";
import type { ContainerRecord } from "../engine.ts";

const LARGEST = 1 << 20;
const O_TRUNC = 0o1000;

export async function changeHosts(ctx: Context, record: ContainerRecord, { add = [], remove = [] }: { add?: readonly Attachment[]; remove?: readonly Attachment[] }): Promise<void> {
  const { hostsPath: path, config } = record;
  if (path === "") return;
  const addresses = (list: readonly Attachment[]) => list.flatMap(({ address, address6 }) => [address, address6]).filter((one) => one !== "");
  const read: Op = { op: "readFile", path, max: LARGEST };
  try {
    const text = (await ctx.kernel.perform([read])).get(0)?.toString("utf8") ?? "";
    const after = withHosts(withoutHosts(text, addresses(remove)), addresses(add), config);
    if (after !== text) await ctx.kernel.perform([{ op: "writeFile", path, flags: O_TRUNC, data: after }]);
  } catch (error) {
    ctx.log.warn("change the hosts file of a container", { container: record.id, error });
  }
}
