/**
 * Links of the default network (--link): what a container is told of another one, in its hosts file and its environment.
 * Kept as Docker shows them: "/other:/self/alias". In user-defined networks links are names of DNS instead (names.ts).
 */
import { fail, kindOf, messageOf } from "#base/errors.ts";
import type { HostConfig } from "#spec/docker.ts";
import type { ContainerRecord } from "../../engine.ts";
import { isRunning, type Context } from "../context.ts";
import { networkOf } from "./endpoints.ts";

/** @throws invalid, with Docker's texts */
export function settleLinks({ store }: Pick<Context, "store">, hostConfig: HostConfig, self: string): HostConfig {
  const links = hostConfig.Links ?? [];
  if (links.length === 0 || networkOf(hostConfig.NetworkMode) !== "bridge") return hostConfig;
  const settled = links.map((link) => {
    const [ref = "", alias = ref] = link.split(":");
    return `/${owner(store, ref).name}:/${self}/${alias.replace(/^.*\//, "")}`;
  });
  return { ...hostConfig, Links: settled };
}

/** Who has the network: a container in another one's is reached there. */
function owner(store: Context["store"], ref: string): ContainerRecord {
  const found = find(store, ref);
  const mode = found.hostConfig.NetworkMode;
  if (mode === "host") throw fail("invalid", "conflicting options: host type networking can't be used with links. This would result in undefined behavior");
  return mode.startsWith("container:") ? owner(store, mode.slice("container:".length)) : found;
}

function find(store: Context["store"], ref: string): ContainerRecord {
  try {
    return store.find(ref);
  } catch (error) {
    throw fail(kindOf(error) === "not-found" ? "invalid" : kindOf(error), `could not get container for ${ref}: ${messageOf(error)}`);
  }
}

export type Linked = { readonly alias: string; readonly address: string; readonly record: ContainerRecord };

/** @throws internal: one of them does not run (as Docker, with `strict`; else it is left out) */
export function linkedContainers({ store }: Pick<Context, "store">, { hostConfig }: ContainerRecord, { strict }: { strict: boolean }): Linked[] {
  const links = networkOf(hostConfig.NetworkMode) === "bridge" ? (hostConfig.Links ?? []) : [];
  return links.flatMap((link) => {
    const [other = "", path = ""] = link.split(":");
    const record = strict ? store.find(other) : store.all().find(({ name }) => `/${name}` === other);
    if (strict && !isRunning(record!)) throw fail("internal", `Cannot link to a non running container: ${other} AS ${path}`);
    const address = record?.endpoints["bridge"]?.address ?? "";
    if (strict && address === "") throw fail("internal", `Cannot link to ${other}, as it does not belong to the default network`);
    return record === undefined || address === "" ? [] : [{ alias: path.replace(/^.*\//, ""), address, record }];
  });
}

/** Lines of the hosts file: address, alias, host name, name. */
export function linkLines(ctx: Pick<Context, "store">, record: ContainerRecord): string[] {
  return linkedContainers(ctx, record, { strict: false }).map(({ alias, address, record: other }) => {
    const names = new Set([alias, other.config.Hostname, other.name].filter((name) => name !== ""));
    return `${address}\t${[...names].join(" ")}`;
  });
}

const HIDDEN: ReadonlySet<string> = new Set(["HOME", "PATH"]);

/** DB_PORT_80_TCP=tcp://172.17.0.2:80 and so on, for each exposed port; DB_NAME; DB_ENV_X for its environment. */
export function linkEnvironment(ctx: Pick<Context, "store">, self: ContainerRecord): string[] {
  return linkedContainers(ctx, self, { strict: false }).flatMap(({ alias, address, record }) => {
    const prefix = alias.toUpperCase().replaceAll("-", "_");
    const ports = Object.keys(record.config.ExposedPorts).flatMap(portOf).toSorted((one, other) => one.port - other.port || (one.protocol === "tcp" ? -1 : 1));
    const first = ports.find(({ protocol }) => protocol === "tcp") ?? ports[0];
    return [
      ...(first === undefined ? [] : [`${prefix}_PORT=${first.protocol}://${address}:${first.port}`]),
      ...ports.flatMap(({ port, protocol }) => {
        const name = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
        return [`${name}=${protocol}://${address}:${port}`, `${name}_ADDR=${address}`, `${name}_PORT=${port}`, `${name}_PROTO=${protocol}`];
      }),
      `${prefix}_NAME=/${self.name}/${alias}`,
      ...record.config.Env.filter((line) => line.includes("=") && !HIDDEN.has(line.split("=", 1)[0]!)).map((line) => `${prefix}_ENV_${line}`),
    ];
  });
}

function portOf(spec: string): { port: number; protocol: string }[] {
  const [port, protocol = "tcp"] = spec.split("/");
  return /^\d+$/.test(port!) ? [{ port: Number(port), protocol }] : [];
}
