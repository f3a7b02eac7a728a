import { fail } from "#base/errors.ts";
import type { ContainerRecord } from "../engine.ts";
import { parseName } from "../names/names.ts";
import { publish, type Context } from "./context.ts";

export async function rename(ctx: Context, ref: string, wanted: string): Promise<void> {
  if (ref === "" || wanted === "") throw fail("invalid", "Neither old nor new names may be empty");
  const { id } = ctx.store.find(ref);
  const name = parseName(wanted);
  await ctx.lives.of(id).lock.run(async () => {
    const record = ctx.store.find(id);
    if (record.name === name) throw fail("invalid", "Renaming a container with the same name as its current name");
    ctx.store.reserve(name, id);
    const renamed = { ...record, name, endpoints: renamedEndpoints(record, name) };
    try {
      await ctx.store.put(renamed);
    } catch (error) {
      // The row has the old name still; so has what is seen.
      ctx.store.remember(record);
      ctx.store.release(name, id);
      ctx.store.reserve(record.name, id);
      throw error;
    }
    await ctx.network.rename(id, name);
    publish(ctx, renamed, "rename", { oldName: `/${record.name}` });
  });
}

/** Its names in networks, as inspect shows them. */
function renamedEndpoints({ name: before, endpoints }: ContainerRecord, name: string): ContainerRecord["endpoints"] {
  const changed = Object.entries(endpoints).map(([network, endpoint]) => {
    const { dnsNames } = endpoint;
    return [network, dnsNames === undefined ? endpoint : { ...endpoint, dnsNames: [...new Set(dnsNames.map((one) => (one === before ? name : one)))] }] as const;
  });
  return Object.fromEntries(changed);
}
