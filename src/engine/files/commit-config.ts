/** The configuration of an image that is made of a container. Pure. */
import type { ContainerConfig } from "#spec/docker.ts";
import { applyChanges } from "../images/changes.ts";

type Config = Readonly<Record<string, unknown>>;

/** Of a container's configuration, what an image says of those made from it. */
const FIELDS = [
  "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "StopTimeout", "Healthcheck", "ArgsEscaped", "OnBuild", "Shell",
] as const;

/**
 * `given`: the body of the request, which stands in for the container's where it says something; lists and maps are
 * joined, as Docker joins an image's configuration with a container's. `lines` come last.
 * @throws invalid, with Docker's words
 */
export function commitConfig(container: ContainerConfig, given: Config | undefined, lines: readonly string[]): Config {
  const own = pick(container as unknown as Config);
  const base = given === undefined ? own : joined(applyChanges(pick(given), lines), own);
  return given === undefined ? pick(applyChanges(own, lines)) : base;
}

function pick(config: Config): Config {
  return Object.fromEntries(FIELDS.flatMap((field) => (isEmpty(config[field]) ? [] : [[field, config[field]]])));
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function joined(given: Config, own: Config): Config {
  const command = given["Entrypoint"] === undefined && given["Cmd"] === undefined ? ["Entrypoint", "Cmd"] : given["Entrypoint"] === undefined ? ["Entrypoint"] : [];
  const plain = ["User", "WorkingDir", "StopSignal", "StopTimeout", "Healthcheck", "Shell", "ArgsEscaped", "OnBuild", ...command];
  return pick({
    ...given,
    ...Object.fromEntries(plain.filter((field) => given[field] === undefined && own[field] !== undefined).map((field) => [field, own[field]])),
    Env: joinedEnv((given["Env"] ?? []) as string[], (own["Env"] ?? []) as string[]),
    ...Object.fromEntries(["ExposedPorts", "Volumes", "Labels"].map((field) => [field, { ...(own[field] as object), ...(given[field] as object) }])),
  });
}

function joinedEnv(given: readonly string[], own: readonly string[]): string[] {
  const names = new Set(given.map((item) => item.split("=", 1)[0]));
  return [...given, ...own.filter((item) => !names.has(item.split("=", 1)[0]))];
}
