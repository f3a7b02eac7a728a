/** From the flags of a line to what is asked of the engine. What is on the disk is looked at, and nothing is read yet. */
import { Failure, fail } from "#base/errors.ts";
import { parseReference, withDefaultTag, canonical } from "#spec/reference.ts";
import type { Cli } from "../../client.ts";
import type { BuildOptions } from "../../commands/build/flags.ts";
import { proxyVariables } from "../../connect/proxies.ts";
import type { SolveWish } from "../build.ts";
import { spellPlatform } from "../../request/platform.ts";
import { newId } from "../id.ts";
import { parseAnnotations } from "./annotations.ts";
import { parseAttestations } from "./attestations.ts";
import { cacheStores, parseCaches, resolveImports } from "./caches.ts";
import { findSources } from "./contexts.ts";
import { parsePairs } from "./fields.ts";
import { parseOutputs } from "./outputs.ts";
import { openAgent, parseAgents, parseSecrets } from "./secrets.ts";

export type Wish = {
  readonly solve: SolveWish;
  readonly sharedKey: string;
  /** To be pushed afterwards. */
  readonly push: readonly string[];
  readonly dockerfile: string;
  /** Asked of the Dockerfile instead of building it: "check", "outline", "targets", "plan". */
  readonly question: Question | undefined;
};

export type Question = { readonly kind: "check" | "outline" | "targets" | "plan"; readonly format: string };

/** `connect`: resolves to the engine's address; called once the line is known to mean something. */
type Meant = { readonly context: string; readonly connect: () => Promise<string> };

/** @throws invalid, not-found: what is wrong with the line */
export async function readWish(cli: Cli, options: BuildOptions, { context, connect }: Meant): Promise<Wish> {
  const question = questionOf(options);
  const attestations = parseAttestations(options);
  const names = inBuild(() => options.tag.map(checkedName));
  const outputs = inBuild(() => (question === undefined ? parseOutputs({ ...options, names, isTerminal: cli.out.isTerminal }) : { exporters: [], targets: [], push: [] }));
  const secrets = parseSecrets(options.secret, cli.env);
  const agents = inBuild(() => new Map([...parseAgents(options.ssh, cli.env)].map(([id, source]) => [id, openAgent(source)])));
  const annotations = inBuild(() => parseAnnotations(options.annotation));
  const cacheImports = resolveImports(parseCaches(options["cache-from"]), (text) => cli.err.write(text));
  const cacheExports = question === undefined ? [...parseCaches(options["cache-to"]), ...inlineCache(options)] : [];
  const sources = await findSources({ context, file: options.file, contexts: options["build-context"] }).catch((error: unknown) => Promise.reject(asBuild(error)));
  // A folder that was found is read meanwhile.
  const address = await connect();
  return {
    solve: {
      ref: newId(),
      attributes: { ...sources.attributes, ...inBuild(() => attributesOf(cli, options, { question, address })), ...attestations, ...importsAttribute(cacheImports) },
      exporters: outputs.exporters.map(({ type, attributes }) => ({ type, attributes: type === "local" || type === "tar" ? attributes : { ...attributes, ...annotations } })),
      cacheExports,
      cacheImports,
      entitlements: [...options.allow, ...(options.network === "host" ? ["network.host"] : [])],
      internal: question !== undefined,
      session: { folders: sources.folders, secrets, agents, targets: outputs.targets, uploads: sources.uploads, stores: new Map([...sources.stores, ...cacheStores(cacheImports, cacheExports)]) },
    },
    sharedKey: sources.sharedKey,
    push: outputs.push,
    dockerfile: sources.dockerfile,
    question,
  };
}

function inBuild<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw asBuild(error);
  }
}

/** What docker's clients find out when they begin to build they say so; a flag that says nothing is told without that. */
function asBuild(error: unknown): unknown {
  if (!(error instanceof Failure) || error.facts["bare"] === true) return error;
  return fail(error.kind, `failed to build: ${error.message}`, { cause: error, facts: error.facts });
}

type Asked = { readonly question: Question | undefined; readonly address: string };

function attributesOf(cli: Cli, options: BuildOptions, { question, address }: Asked): Record<string, string> {
  const platforms = options.platform.length > 0 ? options.platform : [cli.env["DOCKER_DEFAULT_PLATFORM"] ?? ""];
  const values: Record<string, string | undefined> = {
    target: options.target,
    platform: platforms.flatMap((text) => text.split(",")).filter((text) => text !== "").map((text) => spellPlatform(text.trim())).join(","),
    "image-resolve-mode": options.pull ? "pull" : "local",
    "no-cache": options["no-cache"] ? undefined : options["no-cache-filter"].join(","),
    "cgroup-parent": options["cgroup-parent"],
    ...networkOf(options.network),
    "add-hosts": options["add-host"].map(extraHost).join(","),
    "shm-size": options["shm-size"] === 0 ? "" : String(options["shm-size"]),
    ulimit: options.ulimit.map(({ Name, Soft, Hard }) => `${Name}=${Soft}:${Hard}`).join(","),
    squash: squashOf(options.squash),
    "debug-on-fail": options["debug-on-fail"] ? "true" : "",
    requestid: question === undefined ? "" : REQUESTS[question.kind],
  };
  return {
    ...Object.fromEntries(Object.entries(values).filter((pair): pair is [string, string] => pair[1] !== undefined && pair[1] !== "")),
    // All stages, when it is said without names.
    ...(options["no-cache"] ? { "no-cache": "" } : {}),
    ...prefixed("build-arg:", buildArgs(cli, options, address)),
    ...prefixed("label:", parsePairs(options.label)),
  };
}

const REQUESTS = { check: "frontend.lint", outline: "frontend.outline", targets: "frontend.targets", plan: "frontend.plan" } as const;

function questionOf({ call, check, "dry-run": dryRun }: BuildOptions): Question | undefined {
  if (dryRun !== "") {
    if (dryRun !== "text" && dryRun !== "svg") throw fail("invalid", `invalid format of --dry-run: ${JSON.stringify(dryRun)}: there are "text" and "svg"`);
    return { kind: "plan", format: dryRun };
  }
  const [kind = "", ...fields] = (check ? "check" : call).split(",");
  const format = fields.map((field) => /^format=(.*)$/.exec(field)?.[1]).find((value) => value !== undefined) ?? "";
  if (kind === "build") return undefined;
  if (kind === "lint") return { kind: "check", format };
  if (kind === "check" || kind === "outline" || kind === "targets") return { kind, format };
  throw fail("invalid", `invalid value ${JSON.stringify(kind)} for --call: there are build, check, outline and targets`);
}

/** Values of the line, of the environment for those without; the proxies of config.json; SOURCE_DATE_EPOCH. */
function buildArgs(cli: Cli, options: BuildOptions, address: string): Record<string, string> {
  const epoch = cli.env["SOURCE_DATE_EPOCH"];
  return { ...parsePairs(proxyVariables(cli.config().proxies, address)), ...(epoch ? { SOURCE_DATE_EPOCH: epoch } : {}), ...parsePairs(options["build-arg"], cli.env) };
}

function inlineCache({ "build-arg": args }: BuildOptions): SolveWish["cacheExports"] {
  const value = parsePairs(args)["BUILDKIT_INLINE_CACHE"] ?? "";
  return /^(?:1|t|true)$/i.test(value) ? [{ type: "inline", attributes: {} }] : [];
}

/** BuildKit's frontend reads it here, and not in the request. */
function importsAttribute(imports: SolveWish["cacheImports"]): Record<string, string> {
  return imports.length === 0 ? {} : { "cache-imports": JSON.stringify(imports.map(({ type, attributes }) => ({ Type: type, Attrs: attributes }))) };
}

function checkedName(name: string): string {
  try {
    return canonical(withDefaultTag(parseReference(name)));
  } catch (error) {
    const isLoud = isReference(name.toLowerCase());
    throw fail("invalid", `invalid tag ${JSON.stringify(name)}: ${isLoud ? "repository name must be lowercase" : "invalid reference format"}`, { cause: error });
  }
}

function isReference(name: string): boolean {
  try {
    return parseReference(name) !== undefined;
  } catch {
    return false;
  }
}

/** BuildKit knows three modes; our engine the networks of its users, too, by a word of our own. */
function networkOf(mode: string): Record<string, string> {
  if (mode === "" || mode === "default") return { "force-network-mode": "" };
  if (mode === "host" || mode === "none") return { "force-network-mode": mode };
  return { "user-network": mode };
}

/** "name:address" and "name=address"; an address in brackets is without them; "host-gateway" is the engine's to know. */
function extraHost(text: string): string {
  const match = /^([^=:]+)[=:](.+)$/.exec(text);
  if (match === null) throw fail("invalid", `invalid host ${text}`);
  const address = match[2]!.replace(/^\[(.*)\]$/, "$1");
  if (address !== "host-gateway" && !/^(?:[\d.]+|[\da-fA-F:.]*:[\da-fA-F:.]*)$/.test(address)) throw fail("invalid", `invalid host ${text}`);
  return `${match[1]}=${address}`;
}

function squashOf(value: string): string {
  if (value === "" || value === "false" || value === "no") return "";
  if (value === "true" || value === "new") return "new";
  if (value === "all") return "all";
  throw fail("invalid", `invalid value ${JSON.stringify(value)} for --squash: there are "new" and "all"`);
}

function prefixed(prefix: string, pairs: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(pairs).map(([key, value]) => [prefix + key, value]));
}
