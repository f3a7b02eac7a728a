/**
 * From BuildKit's words for a build to ours. Pure.
 *
 *     translate({ ref, attributes: { target: "app", "build-arg:V": "1" }, exporters, … })
 *     // { request: { target: "app", buildArgs: { V: "1" }, … }, folders: { context: "context", … }, … }
 */
import { fail } from "#base/errors.ts";
import { parseJson } from "#base/json.ts";
import type { BuildRequest, CacheWish, ExportWish, RunDefaults } from "#builder/builder.ts";
import { redacted } from "#builder/plan/scene.ts";
import { parsePlatform } from "#spec/platform.ts";
import { parseFields, parseList } from "./fields.ts";

export type Solve = {
  readonly ref: string;
  readonly frontend: string;
  readonly attributes: Attributes;
  readonly exporters: readonly Typed[];
  readonly entitlements: readonly string[];
  readonly cacheImports: readonly Typed[];
  readonly cacheExports: readonly Typed[];
  /** Of inputs that are other builds of this client: what they are called, and what they are. */
  readonly inputs?: Readonly<Record<string, string>>;
};

export type Attributes = Readonly<Record<string, string>>;
type Typed = { readonly type: string; readonly attrs: Attributes };

export type Translated = {
  readonly request: BuildRequest;
  /** What the builder's folders "context" and "dockerfile" are called by the client. */
  readonly folders: Readonly<Record<string, string>>;
  /** Folders that another session than the build's own has. */
  readonly sessions: Readonly<Record<string, string>>;
  /** The context is an archive that the client has ready under this name. */
  readonly upload: string | undefined;
  /** What is asked about the Dockerfile instead of building it. */
  readonly question: string | undefined;
  /** Attributes that mean nothing here. */
  readonly unknown: readonly string[];
};

/** A client's archive on its standard input. */
const UPLOAD = /^http:\/\/buildkit-session\/([A-Za-z0-9_-]{1,128})$/;

export function translate(solve: Solve): Translated {
  checkFrontend(solve);
  const { attributes: all } = solve;
  const contexts = contextsOf(all, solve.inputs ?? {});
  const { context: override, ...named } = contexts;
  const local = override?.startsWith("local:") === true ? override.slice("local:".length) : undefined;
  const upload = UPLOAD.exec(all["context"] ?? "")?.[1];
  const remote = upload === undefined && local === undefined ? (override ?? elsewhere(solve.inputs?.["context"]) ?? all["context"] ?? "") : "";
  const question = all["requestid"];
  const only = questionOf(question);
  return {
    request: {
      ref: solve.ref,
      dockerfile: { path: all["filename"] ?? "Dockerfile", separate: isSeparate(all, remote, upload) },
      context: remote,
      contexts: named,
      target: all["target"] ?? "",
      buildArgs: { ...hostnameArg(all), ...withPrefix(all, "build-arg:") },
      labels: withPrefix(all, "label:"),
      platforms: parseList(all["platform"] ?? "").map((one) => parsePlatform(one)),
      noCache: noCacheOf(all["no-cache"]),
      pull: all["image-resolve-mode"] === "pull",
      run: runOf(all),
      entitlements: solve.entitlements.map(checkEntitlement),
      exports: only === undefined ? solve.exporters.map(exportOf) : [],
      cacheFrom: cacheFromOf(solve),
      cacheTo: only === undefined ? solve.cacheExports.map((one) => cacheOf(one, "exporter")) : [],
      attestations: attestationsOf(all),
      squash: squashOf(all["squash"]),
      said: saidOf(all),
      ...(only !== undefined && { only }),
      ...(all["debug-on-fail"] === "true" && { debugOnFail: true }),
    },
    folders: { context: local ?? all["contextkey"] ?? "context", dockerfile: all["dockerfilekey"] ?? "dockerfile" },
    sessions: withPrefix(all, "local-sessionid:"),
    upload,
    question,
    unknown: Object.keys(all).filter((key) => !isKnown(key)),
  };
}

/** Other frontends are programs in images; the one that everybody means is built in. */
function checkFrontend({ frontend, attributes }: Solve): void {
  if (frontend === "dockerfile.v0") return;
  const source = attributes["source"] ?? "";
  if (frontend === "gateway.v0" && /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?:[:@].*)?$/.test(source)) return;
  throw fail("not-implemented", frontend === "gateway.v0" ? `frontend ${source}: frontends in images are not run; Dockerfiles are built without one` : `unknown frontend: ${JSON.stringify(frontend)}`);
}

const UNSAID = /^(?:context$|input:|input-metadata:|local-sessionid:|sharedkey:|frontend\.caps$|source$|cmdline$|contextkey$|dockerfilekey$|requestid$|cache-)/;
/** Arguments that are the builder's own settings. */
const SETTINGS = /^build-arg:(?:BUILDKIT_|SOURCE_DATE_EPOCH$)/;

/** Of arguments the values are kept nowhere (security BLD-13); of addresses not who asks. */
function saidOf(attributes: Attributes): Attributes {
  const said = Object.entries(attributes).filter(([key]) => !UNSAID.test(key));
  return Object.fromEntries(said.map(([key, value]) => [key, key.startsWith("build-arg:") && !SETTINGS.test(key) ? "" : /^oci-layout:/.test(value) ? value : redacted(value)]));
}

const KNOWN = new Set([
  "filename", "target", "context", "contextkey", "dockerfilekey", "platform", "multi-platform", "no-cache", "add-hosts", "force-network-mode", "user-network", "shm-size", "ulimit", "cgroup-parent",
  "hostname", "image-resolve-mode", "cache-imports", "cache-from", "source", "cmdline", "requestid", "frontend.caps", "squash", "debug-on-fail", "override-copy-image", "context-name",
]);
/** input-metadata: what a linked build's image says is found with the image; vcs: where the context's files come from. */
const KNOWN_PREFIXES = ["build-arg:", "label:", "context:", "local-sessionid:", "attest:", "input-metadata:", "input:", "vcs:"];
const isKnown = (key: string): boolean => KNOWN.has(key) || KNOWN_PREFIXES.some((prefix) => key.startsWith(prefix));

function withPrefix(attributes: Attributes, prefix: string): Record<string, string> {
  return Object.fromEntries(Object.entries(attributes).flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [])));
}

/** "input:NAME": another build, which is an image here, or an address. */
function contextsOf(attributes: Attributes, inputs: Readonly<Record<string, string>>): Record<string, string> {
  const resolved = Object.entries(withPrefix(attributes, "context:")).map(([name, value]) => {
    if (!value.startsWith("input:")) return [name, value];
    const input = inputs[value.slice("input:".length)];
    if (input === undefined) throw fail("invalid", `context ${name}: there is no input ${JSON.stringify(value.slice("input:".length))}`);
    return [name, input];
  });
  return Object.fromEntries(resolved) as Record<string, string>;
}

/** A context that the client has as a graph, which is an address. */
const elsewhere = (input: string | undefined): string | undefined => (input?.startsWith("docker-image:") === true ? undefined : input);

/** The Dockerfile of a remote context is in it, unless the client says that it has one; of a local one it is sent apart, unless the client says that they are one. */
function isSeparate(attributes: Attributes, remote: string, upload: string | undefined): boolean {
  const { dockerfilekey: own, contextkey: context = "context" } = attributes;
  if (remote !== "" || upload !== undefined) return own !== undefined;
  return own !== context || attributes["context:context"] !== undefined;
}

function questionOf(question: string | undefined): BuildRequest["only"] {
  if (question === undefined) return undefined;
  const questions = { "frontend.lint": "check", "frontend.outline": "outline", "frontend.targets": "targets", "frontend.plan": "plan" } as const;
  const only = Object.entries(questions).find(([name]) => name === question)?.[1];
  if (only === undefined) throw fail("not-implemented", `unsupported request ${question}`, { facts: { subrequest: question } });
  return only;
}

function noCacheOf(value: string | undefined): boolean | string[] {
  if (value === undefined) return false;
  return value === "" ? true : parseList(value);
}

function hostnameArg(attributes: Attributes): Record<string, string> {
  return attributes["hostname"] === undefined ? {} : { BUILDKIT_SANDBOX_HOSTNAME: attributes["hostname"] };
}

function runOf(attributes: Attributes): RunDefaults {
  return {
    network: userNetwork(attributes["user-network"]) ?? networkOf(attributes["force-network-mode"] ?? ""),
    extraHosts: parseList(attributes["add-hosts"] ?? "").map(extraHost),
    ulimits: parseList(attributes["ulimit"] ?? "").map(ulimit),
    shmSize: numberOf("shm-size", attributes["shm-size"] ?? "0"),
    cgroupParent: attributes["cgroup-parent"] ?? "",
    limits: {},
  };
}

/** A mode that is not known is refused: taking it for the default, or for no isolation, is how CVE-2024-23653 came about. */
function networkOf(mode: string): string {
  if (mode === "" || mode === "default" || mode === "sandbox") return "default";
  if (mode === "none" || mode === "host") return mode;
  throw fail("invalid", `invalid network mode ${JSON.stringify(mode)}`);
}

/** Ours alone: all steps in a network of the user's, as the classic builder has it. */
function userNetwork(name: string | undefined): string | undefined {
  if (name === undefined || /^[a-zA-Z0-9][\w.-]*$/.test(name)) return name;
  throw fail("invalid", `invalid network ${JSON.stringify(name)}`);
}

function extraHost(field: string): string {
  const at = field.indexOf("=");
  if (at <= 0 || at === field.length - 1) throw fail("invalid", `invalid key-value pair ${JSON.stringify(field)} in add-hosts`);
  return `${field.slice(0, at)}:${field.slice(at + 1)}`;
}

function ulimit(field: string): RunDefaults["ulimits"][number] {
  const [, name, soft, hard = soft] = /^([a-z]+)=(-?\d{1,15})(?::(-?\d{1,15}))?$/.exec(field) ?? [];
  if (name === undefined) throw fail("invalid", `invalid ulimit ${JSON.stringify(field)}`);
  return { Name: name, Soft: Number(soft), Hard: Number(hard) };
}

function numberOf(key: string, value: string): number {
  if (!/^\d{1,15}$/.test(value)) throw fail("invalid", `invalid ${key}: ${JSON.stringify(value)}`);
  return Number(value);
}

const ENTITLEMENTS = /^(?:network\.host|security\.insecure|device(?:=[\w./:=,-]+)?)$/;

function checkEntitlement(name: string): string {
  if (!ENTITLEMENTS.test(name)) throw fail("invalid", `invalid entitlement: ${JSON.stringify(name)}`);
  return name;
}

function exportOf({ type, attrs }: Typed): ExportWish {
  switch (type) {
    // Of an engine that keeps images as registries have them, clients expect that it pushes; older ones ask for it once more by the engine's API, when all is there.
    case "moby":
      return { type: "image", attributes: { ...attrs } };
    case "image":
    case "local":
    case "tar":
    case "oci":
    case "docker":
      return { type, attributes: { ...attrs } };
    default:
      throw fail("not-found", `exporter ${JSON.stringify(type)} could not be found`);
  }
}

function cacheFromOf({ attributes, cacheImports }: Solve): CacheWish[] {
  const listed = attributes["cache-imports"] === undefined ? cacheImports : importsOf(attributes["cache-imports"]);
  const references = parseList(attributes["cache-from"] ?? "").map((ref) => ({ type: "registry", attrs: { ref } }));
  return [...listed, ...references].map((one) => cacheOf(one, "importer"));
}

function importsOf(json: string): Typed[] {
  const list = parseJson(json);
  if (!Array.isArray(list)) throw fail("invalid", "cache-imports: a list was expected");
  return list.map((one) => {
    const { Type: type, Attrs: attrs = {} } = (one ?? {}) as { Type?: unknown; Attrs?: Record<string, unknown> };
    return { type: String(type), attrs: Object.fromEntries(Object.entries(attrs ?? {}).map(([key, value]) => [key, String(value)])) };
  });
}

function cacheOf({ type, attrs }: Typed, what: "importer" | "exporter"): CacheWish {
  if (!["inline", "registry", "local"].includes(type)) throw fail("invalid", `unknown cache ${what}: ${JSON.stringify(type)}`);
  return { type, attributes: { ...attrs } };
}

/** buildx asks for provenance by itself, in these words, unless it is told not to: here it is made when somebody wants it. */
const UNASKED = "mode=min,inline-only=true";

function attestationsOf(attributes: Attributes): BuildRequest["attestations"] {
  const wanted = Object.entries(withPrefix(attributes, "attest:")).filter(([name, value]) => name !== "provenance" || value !== UNASKED);
  const enabled = wanted.map(([name, value]) => [name, parseFields(value)] as const).filter(([, fields]) => fields["disabled"] !== "true");
  for (const [name] of enabled) if (name !== "sbom" && name !== "provenance") throw fail("invalid", `unknown attestation type ${JSON.stringify(name)}`);
  return Object.fromEntries(enabled);
}

function squashOf(value = "no"): BuildRequest["squash"] {
  if (value !== "no" && value !== "new" && value !== "all") throw fail("invalid", `invalid squash: ${JSON.stringify(value)}`);
  return value;
}
