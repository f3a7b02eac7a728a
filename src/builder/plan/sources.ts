/** Where files come from: the main context, named contexts, stages and images. Each becomes a step of the graph when first asked for. */
import { fail, Failure } from "#base/errors.ts";
import type { GitOp, HttpOp } from "../graph.ts";
import { formatPlatform, normalizePlatform, type Platform } from "#spec/platform.ts";
import { quote } from "#spec/go-template-quote.ts";
import { canonical, familiar, parseReference, tryReference, withDefaultTag } from "#spec/reference.ts";
import { didYouMean } from "../dockerfile/suggest.ts";
import { gitStep } from "./git.ts";
import { baseState, type ImageState, scratchState } from "./image-state.ts";
import type { BaseImage, PlanInput } from "./plan.ts";
import { type PlanScope, prefixOf, redacted, type StageProgress } from "./scene.ts";
import type { StageNode } from "./stages.ts";

const SCRATCH = "scratch";

/** The context as a step, and where to say what of it is needed. */
export function mainContext({ steps, input }: PlanScope, platform: Platform): { step: number; want: (path: string) => void } {
  const { remote, ignore } = input;
  if (remote === undefined) {
    const folder = steps.folder({ name: "[internal] load build context", platform: input.host }, "context");
    folder.exclude(ignore);
    return { step: folder.index, want: folder.want };
  }
  const name = `[internal] load remote build context`;
  const source = steps.add({ op: remote, inputs: [], name, platform: input.host });
  if (remote.kind === "git") return { step: source, want: () => {} };
  const scratch = steps.add({ op: { kind: "scratch" }, inputs: [], name: "", platform });
  const unpack = { action: "copy", from: 1, sources: [remote.filename], destination: "/", exclude: [], parents: false, unpack: true, link: false } as const;
  const step = steps.add({ op: { kind: "file", base: 0, actions: [unpack] }, inputs: [scratch, source], name: "[internal] unpack build context", platform: input.host });
  return { step, want: () => {} };
}

/** What a client has to send for "/a/b": "a/b"; "." for everything. */
export const contextPath = (path: string): string => path.replace(/^\/+/, "").replace(/\/+$/, "") || ".";

/** The final state of a stage, if it stands before; of an image or a context. */
export const sourceState = ({ finished }: PlanScope, stage: StageNode): ImageState | undefined => finished.get(stage);

/** --build-context: of a name and platform, or of a name. "scratch" and "context" are no names. */
export function findContext(contexts: PlanInput["request"]["contexts"], name: string, platform: Platform): string | undefined {
  return contexts[contextName(contexts, name, platform) ?? ""];
}

/** Which of them it is. */
function contextName(contexts: PlanInput["request"]["contexts"], name: string, platform: Platform): string | undefined {
  if (/^(scratch|context)$/i.test(name)) return undefined;
  const reference = tryReference(name);
  const short = reference === undefined ? name : familiar(reference).replace(/:latest$/, "");
  const names = reference === undefined ? [short] : [`${short}::${formatPlatform(normalizePlatform(platform))}`, short];
  return names.find((one) => one !== "" && Object.hasOwn(contexts, one));
}

/** What a stage begins with that is based on no other one, looked up; nothing of it is in the graph yet. */
export type Base =
  | { readonly kind: "scratch" }
  | { readonly kind: "image"; readonly image: BaseImage; /** As a step; undefined: as a FROM. */ readonly label?: string }
  | { readonly kind: "folder"; readonly name: string; readonly label: string; readonly ignore: readonly string[] }
  | { readonly kind: "remote"; readonly op: GitOp | HttpOp; readonly label: string };

export async function resolveBase(scope: PlanScope, stage: StageNode): Promise<Base> {
  const platform = stage.platform ?? scope.target;
  const { contexts } = scope.input.request;
  if (stage.context === undefined && stage.base === SCRATCH) return { kind: "scratch" };
  const name = contextName(contexts, stage.context === undefined ? stage.base : stage.name, platform);
  if (name !== undefined) return await resolveContext(scope, { name, spec: contexts[name]!, platform });
  return { kind: "image", image: await resolveImage(scope, stage.base, platform) };
}

/** What is not found may be a stage whose name was misspelt, or an image everybody has. */
async function resolveImage({ input, resolve }: PlanScope, base: string, platform: Platform): Promise<BaseImage> {
  const name = stageImage(base);
  try {
    return await resolve(name, platform);
  } catch (error) {
    if (!(error instanceof Failure) || error.kind === "cancelled") throw error;
    const hint = didYouMean(base, [...stageNames(input), ...COMMON], { exactCase: true });
    // The classic builder says the reason alone.
    throw fail(error.kind, `${base}: failed to resolve source metadata for ${name}: ${error.message}${hint}`, { cause: error, facts: { classic: error.message, ...error.facts } });
  }
}

/** Of several stages: the only one is nobody's base. */
const stageNames = ({ dockerfile: { stages } }: PlanInput): string[] => (stages.length === 1 ? [] : stages.flatMap(({ name }) => name || []));

const COMMON = ["alpine", "busybox", "centos", "debian", "golang", "ubuntu", "fedora"];

/** Of a stage that is not needed, too. @throws invalid for what is no image's name */
export const checkBase = (base: string): void => void (base === SCRATCH || stageImage(base));

/** @throws invalid, with Docker's words */
function stageImage(base: string): string {
  try {
    return imageName(base);
  } catch (cause) {
    throw fail("invalid", `failed to parse stage name ${quote(base)}: ${(cause as Error).message}`, { cause });
  }
}

/** An id, or the beginning of one, is of an image that is here; a name that looks like one is looked for first. @throws invalid */
const imageName = (text: string): string => (/^(?:sha256:[a-f0-9]{12,64}|[a-f0-9]{12,64})$/.test(text) ? text : canonical(withDefaultTag(parseReference(text))));

type Context = { readonly name: string; readonly spec: string; readonly platform: Platform };

async function resolveContext({ input, resolve }: PlanScope, { name, spec, platform }: Context): Promise<Base> {
  const [scheme, rest] = splitAt(spec, ":");
  const label = `[context ${name}] ${redacted(spec)}`;
  if (scheme === "docker-image") {
    const reference = rest.replace(/^\/\//, "");
    if (reference === SCRATCH) return { kind: "scratch" };
    const image = await resolve(imageName(reference), platform, `[context ${name}] load metadata for ${reference}`).catch((error: unknown) => Promise.reject(unresolved(reference, error)));
    return { kind: "image", image, label: `[context ${name}] ${reference}` };
  }
  if (scheme === "oci-layout") return { kind: "image", image: await resolve(spec, platform, `[context ${name}] load metadata for ${name}`), label: `[context ${name}] OCI load from client` };
  if (scheme === "local") return { kind: "folder", name: rest, label: `[context ${name}] load from client`, ignore: (await input.ignoreOf?.(rest, name)) ?? [] };
  const git = gitStep(spec, { keepGitDir: keepsGitDir(input) });
  if (git !== undefined) return { kind: "remote", op: git, label: `[internal] load git source ${redacted(spec)}` };
  if (scheme === "http" || scheme === "https") return { kind: "remote", op: { kind: "http", url: spec, filename: "context" }, label };
  throw fail("invalid", rest === "" ? `invalid context specifier ${spec} for ${name}` : `unsupported context source ${scheme} for ${name}`);
}

function unresolved(reference: string, error: unknown): unknown {
  if (!(error instanceof Failure) || error.kind === "cancelled") return error;
  return fail(error.kind, `failed to resolve source metadata for ${reference}: ${error.message}`, { cause: error, facts: error.facts });
}

/** The state that a stage begins with, in the graph. */
export function emitBase(scope: PlanScope, stage: StageNode, base: Base, progress: StageProgress): ImageState {
  const { steps, input } = scope;
  const platform = stage.platform ?? scope.target;
  const common = { inputs: [], stage: stage.title, platform: input.host };
  switch (base.kind) {
    case "scratch":
      return scratchState(scope.target, steps.add({ op: { kind: "scratch" }, inputs: [], name: "FROM scratch", platform: scope.target }));
    case "image":
      return emitImage(scope, stage, base, progress);
    case "folder": {
      const folder = steps.folder({ ...common, name: base.label }, base.name);
      folder.exclude(base.ignore);
      return scratchState(platform, folder.index);
    }
    case "remote":
      return scratchState(platform, steps.add({ ...common, op: base.op, name: base.label }));
  }
}

/** Plain files as a root file system: where a stage goes on from a folder, a repository or a download. */
export function rooted({ steps }: PlanScope, state: ImageState): ImageState {
  const { op, name } = steps.list[state.step]!;
  if (op.kind !== "local" && op.kind !== "git" && op.kind !== "http") return state;
  steps.want(state.step, ".");
  const scratch = steps.add({ op: { kind: "scratch" }, inputs: [], name: "FROM scratch", platform: state.platform });
  const all = { action: "copy", from: 1, sources: ["."], destination: "/", exclude: [], parents: false, unpack: false, link: false } as const;
  return { ...state, step: steps.add({ op: { kind: "file", base: 0, actions: [all] }, inputs: [scratch, state.step], name: `${name} as a root file system`, platform: state.platform }) };
}

/** Without --platform anywhere, an image for another machine makes its stage one for that machine. */
function emitImage(scope: PlanScope, stage: StageNode, { image, label }: Extract<Base, { kind: "image" }>, progress: StageProgress): ImageState {
  const asked = stage.platform ?? scope.target;
  const isImplied = stage.platform === undefined && scope.input.request.platforms.length === 0;
  const platform = isImplied ? image.platform : asked;
  const reference = image.reference.includes("@") ? image.reference : `${image.reference}@${image.digest}`;
  const step = scope.steps.add({
    op: { kind: "image", reference: image.reference, manifest: image.manifest, layers: image.layers, chain: image.chain },
    inputs: [],
    name: label ?? `${prefixOf(scope, stage, progress, platform, false)}FROM ${reference}`,
    stage: stage.title,
    instruction: stage.from.original,
    lines: stage.from.lines,
    platform,
  });
  return baseState(image, platform, step);
}

function splitAt(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

export const keepsGitDir = ({ request }: Pick<PlanInput, "request">): boolean => /^(1|t|true)$/i.test(request.buildArgs["BUILDKIT_CONTEXT_KEEP_GIT_DIR"] ?? "");
