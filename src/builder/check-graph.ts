/**
 * Whether a graph is one: before anything is made of it. Whatever was handed in, what passes can be worked off without a
 * look back: every number leads to an earlier step, every op is known, and there are not too many (BLD-04).
 */
import { fail } from "#base/errors.ts";
import { isDigest } from "#spec/digest.ts";
import type { ExecMount, ExecOp, FileAction, Graph, Step } from "./graph.ts";

/** More than any Dockerfile within its limits makes. */
export const MAX_STEPS = 20_000;
const MAX_INPUTS = 10_000;
const MAX_EDGES = 1_000_000;

/** @throws invalid, forbidden (an entitlement that was not given) */
export function checkGraph(graph: Graph, targets: readonly number[], options: { readonly entitlements: readonly string[] }): void {
  const steps: unknown = (graph as Partial<Graph> | undefined)?.steps;
  if (!Array.isArray(steps)) throw invalid("it has no steps");
  if (steps.length > MAX_STEPS) throw invalid(`it has ${steps.length} steps; the limit is ${MAX_STEPS}`);
  let edges = 0;
  for (let index = 0; index < steps.length; index++) edges += checkStep(steps[index], index, options.entitlements);
  if (edges > MAX_EDGES) throw invalid(`its steps have ${edges} inputs; the limit is ${MAX_EDGES}`);
  const odd = targets.find((target) => !isBefore(target, steps.length));
  if (odd !== undefined) throw invalid(`the target ${odd} is none of its steps`);
}

/** Returns the number of its inputs. */
function checkStep(step: unknown, index: number, entitlements: readonly string[]): number {
  const { inputs, op } = (step ?? {}) as Partial<Step>;
  if (!Array.isArray(inputs)) throw invalid(`step ${index} has no inputs`);
  if (inputs.length > MAX_INPUTS) throw invalid(`step ${index} has ${inputs.length} inputs; the limit is ${MAX_INPUTS}`);
  const odd = inputs.findIndex((input) => !isBefore(input, index));
  if (odd >= 0) throw invalid(`step ${index} has the input ${show(inputs[odd])}, which is no earlier step`);
  if (typeof op !== "object" || op === null) throw invalid(`step ${index} has no operation`);
  const check = Object.hasOwn(CHECKS, op.kind) ? CHECKS[op.kind] : undefined;
  if (check === undefined) throw invalid(`step ${index}: no operation is called ${show(op.kind)}`);
  check(op as never, { index, inputs: inputs.length, entitlements });
  return inputs.length;
}

type Place = { readonly index: number; readonly inputs: number; readonly entitlements: readonly string[] };

const CHECKS: { readonly [K in Step["op"]["kind"]]: (op: Extract<Step["op"], { kind: K }>, place: Place) => void } = {
  scratch: () => undefined,
  image: ({ layers, chain }, { index }) => {
    if (!Array.isArray(layers) || typeof chain !== "string") throw invalid(`step ${index}: an image without layers`);
    if ((chain === "") !== (layers.length === 0) || (chain !== "" && !isDigest(chain))) throw invalid(`step ${index}: an image's layers and its chain ID say different things`);
  },
  local: ({ name, include, exclude }, { index }) => needTexts(index, [name], include, exclude),
  git: ({ url, ref, subdir }, { index }) => needTexts(index, [url, ref, subdir]),
  http: ({ url, filename }, { index }) => needTexts(index, [url, filename]),
  exec: checkExec,
  file: ({ base, actions }, place) => {
    needInput(base, place);
    if (!Array.isArray(actions)) throw invalid(`step ${place.index}: no list of actions`);
    for (const action of actions) checkAction(action, place);
  },
  merge: (_, { index, inputs }) => {
    if (inputs !== 2) throw invalid(`step ${index}: a merge of ${inputs} trees, not of two`);
  },
};

function checkExec(op: ExecOp, place: Place): void {
  const { index } = place;
  needInput(op.base, place);
  needTexts(index, [op.cwd, op.user, op.network], op.args, op.env, op.proxies);
  if (op.args.length === 0) throw invalid(`step ${index}: nothing to run`);
  if (op.security !== "sandbox" && op.security !== "insecure") throw invalid(`step ${index}: no security mode is called ${show(op.security)}`);
  if (!Array.isArray(op.devices)) throw invalid(`step ${index}: no list of devices`);
  needTexts(index, [], op.devices.map((device: { name?: unknown } | null) => device?.name));
  if (!Array.isArray(op.mounts)) throw invalid(`step ${index}: no list of mounts`);
  for (const mount of op.mounts) checkMount(mount, place);
  if (op.security === "insecure") needEntitlement(place, "security.insecure");
  if (op.network === "host") needEntitlement(place, "network.host");
  if (op.devices.length > 0) needEntitlement(place, "device");
}

const MOUNTS = new Set(["bind", "cache", "tmpfs", "secret", "ssh"]);

function checkMount(mount: ExecMount, place: Place): void {
  if (!MOUNTS.has(mount?.type)) throw invalid(`step ${place.index}: no mount is of type ${show(mount?.type)}`);
  if (mount.type === "bind" || (mount.type === "cache" && mount.from !== undefined)) needInput(mount.from, place);
  if (mount.type === "cache" && !["shared", "private", "locked"].includes(mount.sharing)) throw invalid(`step ${place.index}: no sharing is called ${show(mount.sharing)}`);
}

function checkAction(action: FileAction, place: Place): void {
  if (!["mkdir", "mkfile", "copy"].includes(action?.action)) throw invalid(`step ${place.index}: no action is called ${show(action?.action)}`);
  if (action.action !== "copy") return needTexts(place.index, [action.path]);
  needInput(action.from, place);
  needTexts(place.index, [action.destination], action.sources, action.exclude);
}

/** The words are BuildKit's: tools look for them. */
function needEntitlement({ index, entitlements }: Place, name: string): void {
  if (!entitlements.includes(name)) throw fail("forbidden", `${name} is not allowed`, { facts: { entitlement: name, step: index } });
}

function needInput(place: unknown, { index, inputs }: Place): void {
  if (!isBefore(place, inputs)) throw invalid(`step ${index} speaks of its input ${show(place)}; it has ${inputs}`);
}

function needTexts(index: number, texts: readonly unknown[], ...lists: unknown[]): void {
  const all = lists.every((list) => Array.isArray(list) && list.every((text) => typeof text === "string"));
  if (!all || !texts.every((text) => typeof text === "string")) throw invalid(`step ${index}: something that must be text is not`);
}

const isBefore = (value: unknown, end: number): value is number => typeof value === "number" && Number.isInteger(value) && value >= 0 && value < end;
const show = (value: unknown): string => (typeof value === "bigint" || typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value)).slice(0, 100));
const invalid = (what: string) => fail("invalid", `invalid build graph: ${what}`);
