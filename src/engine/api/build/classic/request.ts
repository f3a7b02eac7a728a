/** The query of POST /build: what dockerd's classic builder takes, as a request of the builder's. */
import { fail, messageOf } from "#base/errors.ts";
import { type Json, parseJson } from "#base/json.ts";
import type { BuildRequest, RunDefaults } from "#builder/builder.ts";
import { parsePlatform } from "#spec/platform.ts";
import { familiar, parseReference, withDefaultTag } from "#spec/reference.ts";
import { flag, integer, text } from "../../query.ts";

export type ClassicRequest = {
  readonly request: BuildRequest;
  /** As they are told when they are tagged: "name:tag". */
  readonly tags: readonly string[];
  readonly quiet: boolean;
  /** Containers of steps are removed (which they are, anyway): it is told. */
  readonly told: { readonly removed: boolean; readonly removedOnFailure: boolean };
};

/** @throws invalid, with Docker's texts */
export function classicRequest(query: URLSearchParams, ref: string): ClassicRequest {
  refuseOthers(query);
  const tags = tagsOf(query);
  const labels = stringMap(query, "labels", "error reading labels");
  const removedOnFailure = flag(query, "forcerm");
  return {
    tags,
    quiet: flag(query, "q"),
    told: { removed: removedOnFailure || text(query, "rm") === "" || flag(query, "rm"), removedOnFailure },
    request: {
      ref,
      dockerfile: { path: dockerfileOf(query), separate: false },
      context: remoteOf(query),
      contexts: {},
      target: text(query, "target"),
      buildArgs: nullableMap(query, "buildargs", "error reading build args"),
      labels,
      platforms: platformsOf(query),
      noCache: flag(query, "nocache"),
      pull: flag(query, "pull"),
      run: runDefaults(query),
      // Who may ask for it is who may ask for a container of it.
      entitlements: text(query, "networkmode") === "host" ? ["network.host"] : [],
      exports: [{ type: "image", attributes: { name: tags.join(",") } }],
      cacheFrom: stringList(query, "cachefrom").map((name) => ({ type: "image", attributes: { ref: name } })),
      cacheTo: [],
      attestations: {},
      squash: flag(query, "squash") ? "new" : "no",
      classic: true,
    },
  };
}

function refuseOthers(query: URLSearchParams): void {
  const isolation = text(query, "isolation");
  if (!["", "default", "process"].includes(isolation)) throw fail("invalid", `Unsupported isolation: ${JSON.stringify(isolation)}`);
  if (!["", "null", "[]"].includes(text(query, "securityopt"))) throw fail("invalid", "The daemon on this platform does not support setting security options on build");
}

function tagsOf(query: URLSearchParams): string[] {
  const names = query.getAll("t").filter((name) => name !== "").map((name) => {
    const reference = parseReference(name);
    if (reference.digest !== undefined) throw fail("invalid", "build tag cannot contain a digest");
    return familiar(withDefaultTag(reference));
  });
  return [...new Set(names)];
}

function dockerfileOf(query: URLSearchParams): string {
  const path = text(query, "dockerfile") || "Dockerfile";
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw fail("invalid", `forbidden path outside the build context: ${path} ()`);
  return parts.join("/") || "Dockerfile";
}

/** "client-session" is a session's folder, which nobody without a session has. */
function remoteOf(query: URLSearchParams): string {
  const remote = text(query, "remote");
  if (remote === "" || /^(https?|git|ssh):\/\/|^git@|^github\.com\//.test(remote)) return remote;
  throw fail("invalid", `remoteURL (${remote}) could not be recognized as URL`);
}

function platformsOf(query: URLSearchParams): BuildRequest["platforms"] {
  const platform = text(query, "platform");
  return platform === "" ? [] : [parsePlatform(platform)];
}

function runDefaults(query: URLSearchParams): RunDefaults {
  const number = (name: string): number => lenient(query, name);
  const limits = {
    ...named("Memory", number("memory")),
    ...named("MemorySwap", number("memswap")),
    ...named("CpuShares", number("cpushares")),
    ...named("CpuPeriod", number("cpuperiod")),
    ...named("CpuQuota", number("cpuquota")),
    ...named("CpusetCpus", text(query, "cpusetcpus")),
    ...named("CpusetMems", text(query, "cpusetmems")),
  };
  return {
    network: text(query, "networkmode") || "default",
    extraHosts: query.getAll("extrahosts").filter((host) => host !== ""),
    ulimits: ulimitsOf(query),
    shmSize: integer(query, "shmsize") ?? 0,
    cgroupParent: text(query, "cgroupparent"),
    limits,
    quietStart: true,
  };
}

const named = (name: string, value: number | string): Record<string, number | string> => (value === 0 || value === "" ? {} : { [name]: value });

/** As in Docker, a number that is none is not there. */
function lenient(query: URLSearchParams, name: string): number {
  const value = text(query, name);
  return /^[+-]?\d{1,15}$/.test(value) ? Number(value) : 0;
}

function ulimitsOf(query: URLSearchParams): RunDefaults["ulimits"] {
  const list = json(query, "ulimits", "error reading ulimit settings") ?? [];
  if (!Array.isArray(list)) throw fail("invalid", "error reading ulimit settings: expected a list");
  return list.map((item) => {
    const { Name, Soft = 0, Hard = 0 } = (item ?? {}) as { Name?: Json; Soft?: Json; Hard?: Json };
    if (typeof Name !== "string" || typeof Soft !== "number" || typeof Hard !== "number") throw fail("invalid", "error reading ulimit settings: expected Name, Soft and Hard");
    return { Name, Soft, Hard };
  });
}

function nullableMap(query: URLSearchParams, name: string, doing: string): Record<string, string | undefined> {
  const object = json(query, name, doing) ?? {};
  if (typeof object !== "object" || Array.isArray(object)) throw fail("invalid", `${doing}: expected an object`);
  return Object.fromEntries(Object.entries(object).map(([key, value]) => {
    if (value !== null && typeof value !== "string") throw fail("invalid", `${doing}: ${JSON.stringify(key)} is no string`);
    return [key, value ?? undefined];
  }));
}

function stringMap(query: URLSearchParams, name: string, doing: string): Record<string, string> {
  return Object.fromEntries(Object.entries(nullableMap(query, name, doing)).map(([key, value]) => [key, value ?? ""]));
}

function stringList(query: URLSearchParams, name: string): string[] {
  const list = json(query, name, `error reading ${name}`) ?? [];
  if (!Array.isArray(list) || list.some((item) => typeof item !== "string")) throw fail("invalid", `error reading ${name}: expected a list of strings`);
  return list as string[];
}

function json(query: URLSearchParams, name: string, doing: string): Json | undefined {
  const value = text(query, name);
  if (value === "") return undefined;
  try {
    return parseJson(value);
  } catch (error) {
    throw fail("invalid", `${doing}: ${messageOf(error)}`, { cause: error });
  }
}
