/** The image of a stage while its instructions change it, in place: configuration, variables of its RUNs, history. */
import type { Platform } from "#spec/platform.ts";
import type { BaseImage, PlannedHistory } from "./plan.ts";

export type Json = Readonly<Record<string, unknown>>;

export type ImageState = {
  /** Docker's `config`, without what says nothing. */
  config: Record<string, unknown>;
  /** Where in `config.Env` a name stands. */
  readonly places: Map<string, number>;
  /** What RUN has in its environment: ENV and ARG, in the order in which they were last set. */
  readonly variables: Map<string, string>;
  /** Names of ARGs that were declared, with the values that variables do not have (any more). */
  readonly args: Map<string, string | undefined>;
  author: string;
  readonly baseHistory: readonly Json[];
  history: PlannedHistory[];
  base: { readonly name: string; readonly digest: BaseImage["digest"] } | undefined;
  platform: Platform;
  /** What its base says that it is for, whatever was asked for. */
  readonly madeFor: Platform;
  /** The step of the graph that the next one goes on from. */
  step: number;
};

export const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const COMMENT = "buildkit.dockerfile.v0";

/** In the order in which BuildKit writes them. */
const FIELDS = [
  "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "ArgsEscaped", "Healthcheck", "OnBuild", "Shell",
] as const;
const SORTED: ReadonlySet<string> = new Set(["ExposedPorts", "Volumes", "Labels"]);

export function scratchState(platform: Platform, step: number): ImageState {
  return openState({ WorkingDir: "/", Env: [`PATH=${PATH}`] }, { platform, madeFor: platform, step, author: "", baseHistory: [], base: undefined });
}

export function baseState(image: BaseImage, platform: Platform, step: number): ImageState {
  const { document, reference, digest } = image;
  const author = typeof document["author"] === "string" ? document["author"] : "";
  const baseHistory = Array.isArray(document["history"]) ? (document["history"] as Json[]) : [];
  return openState((document["config"] ?? {}) as Json, { platform, madeFor: image.platform, step, author, baseHistory, base: { name: reference, digest } });
}

type Rest = Pick<ImageState, "platform" | "madeFor" | "step" | "author" | "baseHistory" | "base">;

function openState(config: Json, rest: Rest): ImageState {
  const copy = structuredClone(pick(config)) as Record<string, unknown>;
  const env = [...((copy["Env"] ?? []) as string[])];
  if (!env.some((item) => item.startsWith("PATH=")) && rest.platform.os !== "windows") env.push(`PATH=${PATH}`);
  copy["Env"] = env;
  const places = new Map(env.map((item, place) => [splitPair(item)[0], place] as const).toReversed());
  return { config: copy, places, variables: new Map(env.map(splitPair)), args: new Map(), history: [], ...rest };
}

/** A stage's own, made of the one it is based on. Triggers do not go further than one stage; and what ENV said counts again, whatever ARG made of it. */
export function childState(state: ImageState): ImageState {
  const config = structuredClone(state.config);
  delete config["OnBuild"];
  const child = { ...state, config, places: new Map(state.places), variables: new Map(state.variables), args: new Map(state.args), history: [...state.history] };
  for (const item of config["Env"] as string[]) setVariable(child, ...splitPair(item));
  return child;
}

/** How much a copy of it has: entries of all kinds. */
export function entriesOf({ config, variables, args, history }: ImageState): number {
  const fields = Object.values(config).reduce<number>((sum, value) => sum + (typeof value === "object" && value !== null ? Object.keys(value).length : 1), 0);
  return fields + variables.size + args.size + history.length;
}

/** Members of one of the configuration's maps. A name may be any: "__proto__", too. */
export function putInto({ config }: ImageState, field: "Labels" | "ExposedPorts" | "Volumes", members: readonly (readonly [string, unknown])[]): void {
  const map = (config[field] ??= {}) as object;
  for (const [name, value] of members) Object.defineProperty(map, name, { value, enumerable: true, writable: true, configurable: true });
}

export function note(state: ImageState, createdBy: string, options: { step?: number; instruction: string }): void {
  state.history.push({ createdBy, comment: COMMENT, ...options });
}

/** ENV: where it stood, if it was there. */
export function setEnv(state: ImageState, key: string, value: string): void {
  const env = state.config["Env"] as string[];
  const place = state.places.get(key) ?? env.length;
  state.places.set(key, place);
  env[place] = `${key}=${value}`;
  setVariable(state, key, value);
}

/** The last one set stands last. */
export function setVariable({ variables }: ImageState, key: string, value: string): void {
  variables.delete(key);
  variables.set(key, value);
}

/** The finished configuration: fields and maps in a fixed order, nothing that says nothing. */
export function finishConfig(config: Json): Json {
  return Object.fromEntries(Object.entries(pick(config)).map(([field, value]) => [field, SORTED.has(field) ? sorted(value as Json) : value]));
}

const pick = (config: Json): Json => Object.fromEntries(FIELDS.flatMap((field) => (isEmpty(config[field]) ? [] : [[field, config[field]]])));

/** SHELL [] and the like are as if they were not there. */
function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === "" || value === false || (typeof value === "object" && Object.keys(value).length === 0);
}

const sorted = (map: Json): Json => Object.fromEntries(Object.keys(map).sort().map((name) => [name, map[name]]));

export function splitPair(item: string): [key: string, value: string] {
  const at = item.indexOf("=");
  return at < 0 ? [item, ""] : [item.slice(0, at), item.slice(at + 1)];
}
