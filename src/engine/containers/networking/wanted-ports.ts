/** What stands in the way of the host ports that a new container asks for. See docs/decisions/0036-ports-told-early.md. */
import { fail } from "#base/errors.ts";
import type { ContainerRecord } from "../../engine.ts";
import type { Context } from "../context.ts";

/** Compose's, on a container that takes the place of another, which is stopped before the new one is started: its name, or what follows the project's. */
const REPLACES = "com.docker.compose.replace";
const PROJECT = "com.docker.compose.project";

/** Sentences for people. Nothing when all is free. */
export async function portWarnings(ctx: Context, record: ContainerRecord): Promise<string[]> {
  return (await busy(ctx, record)).map(({ text, holder }) => `${text}${holder === undefined ? "" : ` (${holder.name} has it)`}; the container cannot be started until it is free`);
}

/** For who starts the container as soon as it is made. @throws what the start would have said */
export async function requirePorts(ctx: Context, record: ContainerRecord): Promise<void> {
  const [first] = await busy(ctx, record);
  if (first === undefined) return;
  throw fail("internal", `failed to set up container networking: driver failed programming external connectivity on endpoint ${record.name}: ${first.text}`);
}

async function busy(ctx: Context, { config, hostConfig }: ContainerRecord) {
  const mode = hostConfig.NetworkMode;
  if (Object.keys(hostConfig.PortBindings).length === 0 || mode === "host" || mode === "none" || mode.startsWith("container:") || config.NetworkDisabled === true) return [];
  const found = await ctx.network.busyPorts(mode, hostConfig.PortBindings).catch((error: unknown) => {
    ctx.log.warn("look whether ports are free", { error });
    return [];
  });
  const { [REPLACES]: replaced, [PROJECT]: project } = config.Labels;
  const old = replaced === undefined ? [] : [replaced, `${project}-${replaced}`, `${project}_${replaced}`];
  return found.filter(({ holder }) => holder === undefined || !old.includes(holder.name));
}
