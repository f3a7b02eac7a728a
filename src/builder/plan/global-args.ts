/** Arguments that are there without being declared, those before the first FROM, and those that have a meaning of their own. */
import { formatPlatform, type Platform } from "#spec/platform.ts";
import { expandWord, openWork } from "../dockerfile/expand.ts";
import { argsOf } from "../dockerfile/arguments.ts";
import type { Dockerfile } from "../dockerfile/dockerfile.ts";
import { at } from "./failures.ts";

export type BuildArgs = Readonly<Record<string, string | undefined>>;

type Machines = { readonly host: Platform; readonly target: Platform; readonly stage: string };

/** What FROM sees, and what an ARG without a value takes. */
export function globalArgs(dockerfile: Dockerfile, buildArgs: BuildArgs, machines: Machines): Map<string, string> {
  const known = machineArgs(machines, buildArgs);
  const work = openWork();
  for (const instruction of dockerfile.meta) {
    at(instruction.lines, () => {
      for (const { key, value } of argsOf(instruction)) {
        const given = givenArg(buildArgs, key);
        const own = given ?? (value === undefined ? undefined : expandWord(value, { lookup: (name) => known.get(name), escape: dockerfile.escape, work }));
        if (own !== undefined) known.set(key, own);
      }
    });
  }
  return known;
}

/** An argument that was given on the command line. One that was named without a value is as if it were not. */
export const givenArg = (buildArgs: BuildArgs, key: string): string | undefined => (Object.hasOwn(buildArgs, key) ? buildArgs[key] : undefined);

function machineArgs({ host, target, stage }: Machines, buildArgs: BuildArgs): Map<string, string> {
  const parts: Record<string, string> = {
    BUILDPLATFORM: formatPlatform(host),
    BUILDOS: host.os,
    BUILDOSVERSION: host["os.version"] ?? "",
    BUILDARCH: host.architecture,
    BUILDVARIANT: host.variant ?? "",
    TARGETPLATFORM: formatPlatform(target),
    TARGETOS: target.os,
    TARGETOSVERSION: target["os.version"] ?? "",
    TARGETARCH: target.architecture,
    TARGETVARIANT: target.variant ?? "",
    TARGETSTAGE: stage === "" ? "default" : stage,
  };
  return new Map(Object.entries(parts).map(([key, value]) => [key, givenArg(buildArgs, key) ?? value]));
}

const PROXIES = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];

/** "HTTP_PROXY=…", in both spellings: RUN has them without any ARG. */
export function proxyVariables(buildArgs: BuildArgs): string[] {
  const values = new Map<string, string>();
  for (const [key, value] of Object.entries(buildArgs).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (isProxy(key) && value) values.set(key.toLowerCase(), value);
  }
  return PROXIES.flatMap((name) => (values.has(name) ? [`${name.toUpperCase()}=${values.get(name)}`, `${name}=${values.get(name)}`] : []));
}

const isProxy = (key: string): boolean => PROXIES.includes(key.toLowerCase());

/** Arguments that are the builder's: nobody has to declare them. */
export const isBuilders = (key: string): boolean => isProxy(key) || key.startsWith("BUILDKIT_") || key === "SOURCE_DATE_EPOCH";
