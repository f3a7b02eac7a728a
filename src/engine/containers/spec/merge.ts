/** A container's configuration: what was asked for, and where nothing was, what the image says. Pure. */
import { fail } from "#base/errors.ts";
import type { ContainerConfig, HealthConfig } from "#spec/docker.ts";
import { mergeHealth } from "../../health/health.ts";

/** The part of an image's configuration that containers take over. */
export type ImageDefaults = Readonly<Record<string, unknown>>;

/** @throws invalid when there is nothing to run. */
export function mergeConfig(asked: ContainerConfig, image: ImageDefaults): ContainerConfig {
  const config: ContainerConfig = {
    ...asked,
    ...commandOf(asked, image),
    User: asked.User || text(image["User"]),
    WorkingDir: asked.WorkingDir || text(image["WorkingDir"]),
    Env: mergeEnv(asked.Env, list(image["Env"]) ?? []),
    Labels: { ...(image["Labels"] as object | null), ...asked.Labels },
    ExposedPorts: { ...(image["ExposedPorts"] as object | null), ...asked.ExposedPorts },
    Volumes: { ...(image["Volumes"] as object | null), ...asked.Volumes },
  };
  const signal = asked.StopSignal || text(image["StopSignal"]);
  if (signal !== "") config.StopSignal = signal;
  const shell = asked.Shell ?? list(image["Shell"]);
  if (shell != null) config.Shell = shell;
  const health = mergeHealth(asked.Healthcheck, image["Healthcheck"] as HealthConfig | undefined);
  if (health !== undefined) config.Healthcheck = health;
  const onBuild = asked.OnBuild ?? list(image["OnBuild"]);
  if (onBuild != null) config.OnBuild = onBuild;
  return config;
}

/** Docker's rule: a new entrypoint drops the image's command, and [""] stands for none at all. */
function commandOf(asked: ContainerConfig, image: ImageDefaults): Pick<ContainerConfig, "Cmd" | "Entrypoint"> {
  const given = asked.Entrypoint ?? [];
  let cmd = asked.Cmd;
  let entrypoint = asked.Entrypoint;
  if (given.length === 0) {
    if (cmd === null || cmd.length === 0) cmd = list(image["Cmd"]);
    entrypoint ??= list(image["Entrypoint"]);
  }
  if (entrypoint?.length === 1 && entrypoint[0] === "") entrypoint = null;
  if ((entrypoint ?? []).length + (cmd ?? []).length === 0) throw fail("invalid", "no command specified");
  return { Cmd: cmd, Entrypoint: entrypoint };
}

/** The user's first; the image's for names that the user did not give. An image sets variables, it does not pass any on. */
function mergeEnv(asked: readonly string[], image: readonly string[]): string[] {
  const names = new Set(asked.map(nameOf));
  return [...asked, ...image.filter((entry) => entry.indexOf("=") > 0 && !names.has(nameOf(entry)))];
}

const nameOf = (entry: string) => entry.split("=", 1)[0]!;
const text = (value: unknown) => (typeof value === "string" ? value : "");
const list = (value: unknown) => (Array.isArray(value) ? (value as string[]) : null);

/** Path and Args of inspect: entrypoint, then command. */
export function commandLine({ Entrypoint, Cmd }: Pick<ContainerConfig, "Entrypoint" | "Cmd">): { path: string; args: string[] } {
  const [path = "", ...args] = [...(Entrypoint ?? []), ...(Cmd ?? [])];
  return { path, args };
}
