/** update: the published ports and the bandwidth limits of a container. */
import { fail } from "#base/errors.ts";
import { failpoint } from "#base/failpoint.ts";
import type { Attachment, PublishedPort } from "#network/network.ts";
import type { HostConfig, PortBinding } from "#spec/docker.ts";
import type { ContainerRecord, ContainerUpdate } from "../../engine.ts";
import { isRunning, type Context } from "../context.ts";
import { rateOf, withAttachments } from "./endpoints.ts";
import type { Live } from "../live.ts";

type Bindings = HostConfig["PortBindings"];
export type PortRemovals = NonNullable<ContainerUpdate["PublishRemove"]>;

/** With the lock held; the record that is written holds `hostConfig`. True when it is on the disk with what came of it. */
export async function updateNetwork(ctx: Context, live: Live, change: ContainerUpdate, hostConfig: HostConfig): Promise<boolean> {
  const before = ctx.store.find(live.id);
  if (!isRunning(before) || live.task === undefined) return false;
  const { NetworkRate, PublishAdd: add = {}, PublishRemove: remove = {} } = change;
  const save = (attachments: readonly Attachment[]) => ctx.store.put(withAttachments({ ...ctx.store.find(live.id), hostConfig }, attachments));
  if (NetworkRate !== undefined) await ctx.network.changeRate(live.id, before.state.pid, rateOf(NetworkRate), () => save(ctx.network.attachmentsOf(live.id)));
  if (Object.keys(add).length === 0 && Object.keys(remove).length === 0) return NetworkRate !== undefined;
  const { shim } = live.task;
  const owner = {
    async hold(ports: Parameters<typeof shim.hold>[0]) {
      await shim.hold(ports);
      await failpoint("ports.held");
    },
    async save(attachments: readonly Attachment[]) {
      await save(attachments);
      await failpoint("ports.saved");
    },
  };
  await ctx.network.changePorts(live.id, { add, remove: (port) => isNamed(port, remove) }, owner);
  return true;
}

/** Pure: what a container asks for after the change, and from its next start on. @throws not-found, conflict */
export function mergePorts({ name, hostConfig, ports }: Pick<ContainerRecord, "name" | "hostConfig" | "ports">, change: Pick<ContainerUpdate, "PublishAdd" | "PublishRemove">): Bindings {
  const { PublishAdd: add = {}, PublishRemove: remove = {} } = change;
  const result: Record<string, PortBinding[]> = { ...hostConfig.PortBindings };
  for (const [port, named] of Object.entries(remove)) {
    const asked = result[port] ?? [];
    const inForce = (ports[port] ?? []).some((one) => isMatch(one, named));
    const staying = asked.filter((one) => !isMatch(one, named) && !(inForce && isOpen(one)));
    if (staying.length === asked.length && !inForce) throw fail("not-found", `No public port '${port}' published for ${name}`);
    if (staying.length === 0) delete result[port];
    else result[port] = staying;
  }
  for (const [port, bindings] of Object.entries(add)) result[port] = [...(result[port] ?? []), ...bindings];
  return result;
}

const isNamed = ({ port, protocol, hostIp, hostPort }: PublishedPort, removals: PortRemovals): boolean => {
  const named = removals[`${port}/${protocol}`];
  return named !== undefined && isMatch({ HostIp: hostIp, HostPort: String(hostPort) }, named);
};

/** Nothing named: all. What is left out of a name fits everything. */
function isMatch(port: PortBinding, named: readonly PortBinding[]): boolean {
  const fits = (asked: string, value: string) => asked === "" || asked === value;
  return named.length === 0 || named.some(({ HostIp, HostPort }) => fits(HostIp, port.HostIp) && fits(HostPort, port.HostPort));
}

/** The engine chooses the host port. */
const isOpen = ({ HostPort }: PortBinding) => HostPort === "" || HostPort === "0" || HostPort.includes("-");

/** A container that shares another's network, or the host's, has nothing of its own to publish or to limit. */
export function refuseForeignNetwork({ id, hostConfig, config }: ContainerRecord, change: ContainerUpdate): void {
  const asks = change.NetworkRate !== undefined || change.PublishAdd !== undefined || change.PublishRemove !== undefined;
  const mode = hostConfig.NetworkMode;
  if (!asks || (mode !== "host" && mode !== "none" && !mode.startsWith("container:") && config.NetworkDisabled !== true)) return;
  throw fail("conflict", `Cannot update container ${id}: conflicting options: published ports, limits and the network mode ${mode}`);
}
