/**
 * A build as the classic builder tells it: step by step in the order of the Dockerfile, whatever is done at once. A fold of
 * the builder's events into messages of POST /build.
 *
 * What only changes the configuration is never found by a solver, nor made: it is told as found when this very step was
 * told before (`seen`).
 */
import { kindOf } from "#base/errors.ts";
import type { BuildEvent } from "#builder/events.ts";
import { factsOf, failureMessage, type FailureMessage } from "./failure-message.ts";
import { containerOf, idAfter, short, type Step, stepsOf, triggersAfter } from "./steps.ts";
import { openWorks, type Works } from "./works.ts";

export type Message =
  | { readonly stream: string }
  | { readonly status: string; readonly id?: string; readonly progressDetail?: { readonly current?: number; readonly total?: number } }
  | { readonly aux: { readonly ID: string } }
  | FailureMessage;

export type TranscriptOptions = {
  readonly tags: readonly string[];
  /** It is told that steps' containers were removed; also that of a step that failed. */
  readonly removed: boolean;
  readonly removedOnFailure: boolean;
  readonly noCache: boolean;
  /** Ids of such steps that were told before. */
  readonly seen: { has(id: string): boolean; add(id: string): void };
};

export type Transcript = {
  report(event: BuildEvent): void;
  /** The id of what an instruction results in, by the instruction's place. */
  image(place: number, id: string): void;
  done(image: string | undefined): void;
  /** False: it is the request that has failed, and nothing was told yet. */
  failed(error: unknown): boolean;
};

type Told = Extract<BuildEvent, { kind: "dockerfile" }>;

type State = {
  readonly options: TranscriptOptions;
  readonly write: (message: Message) => void;
  readonly works: Works;
  /** Vertices that look for base images: what they tell is how far a pull is. */
  readonly pulls: Set<string>;
  /** Ids of what instructions result in, as far as they are known. */
  readonly images: Map<number, string>;
  /** The id after the last step of each stage. */
  readonly stages: Map<string, string>;
  about: Told | undefined;
  steps: readonly Step[] | undefined;
  total: number;
  unused: readonly string[];
  /** Lines of steps that were told before the plan was known. */
  ahead: number;
  /** The step whose turn it is; whether its line was told, and its container, if that was. */
  at: number;
  begun: boolean;
  container: string;
  number: number;
  /** After the last step that was told. */
  id: string;
  /** Something of this stage was made: what follows is new. */
  isFresh: boolean;
};

const PULLING = "[internal] load metadata for ";

export function openTranscript(options: TranscriptOptions, write: (message: Message) => void): Transcript {
  const state: State = {
    options, write, works: openWorks((stream) => write({ stream })), pulls: new Set(), stages: new Map(), images: new Map(),
    about: undefined, steps: undefined, total: 0, unused: [], ahead: 0, at: 0, begun: false, container: "", number: 0, id: "", isFresh: false,
  };
  const image = (place: number, id: string): void => {
    state.images.set(place, id);
    advance(state);
  };
  return { report: (event) => report(state, event), image, done: (image) => done(state, image), failed: (error) => failed(state, error) };
}

function report(state: State, event: BuildEvent): void {
  if (event.kind === "dockerfile") tellDockerfile(state, event);
  else if (event.kind === "instructions") {
    state.unused = event.unusedArgs;
    state.steps = stepsOf(state.about?.meta ?? [], event.instructions);
    state.total = state.steps.filter(({ onBuild }) => !onBuild).length;
  } else if (event.kind === "status") {
    if (state.pulls.has(event.vertex)) tellPull(state, event);
  } else if (event.kind === "log") state.works.log(event);
  else if (event.kind === "vertex") {
    if (event.name.startsWith(PULLING)) state.pulls.add(event.id);
    state.works.tell(event);
  }
  advance(state);
}

/** It stands under the first FROM, which may not be what is pulled for. */
function tellPull(state: State, { id, name: status, current, total }: Extract<BuildEvent, { kind: "status" }>): void {
  const { about } = state;
  if (state.ahead === 0 && state.steps === undefined && about !== undefined) tellAhead(state, about, about.froms.slice(0, 1));
  state.write(id === "" ? { status } : { status, id, progressDetail: total > 0 ? { current, total } : {} });
}

function tellAhead(state: State, { meta, instructions }: Told, froms: Told["froms"]): void {
  for (const text of [...meta, ...froms.map(({ text }) => text)]) tellLine(state, (state.ahead += 1), instructions, text);
}

function tellLine(state: State, number: number, total: number, text: string): void {
  say(state, `Step ${number}/${total} : ${text}`);
  say(state, "\n");
}

function tellDockerfile(state: State, event: Told): void {
  state.about = event;
  if (event.emptyContinuations.length === 0) return;
  const lines = event.emptyContinuations.map((text) => `    ${text}\n`).join("");
  say(state, `\u001b[91m[WARNING]: Empty continuation line found in:\n${lines}[WARNING]: Empty continuation lines will become errors in a future release.\n\u001b[0m`);
}

/** Tells what can be told by now. */
function advance(state: State): void {
  for (; state.steps !== undefined && state.at < state.steps.length; state.at += 1) {
    if (!tellStep(state, state.steps[state.at]!)) return;
    state.begun = false;
  }
}

/** False: it is not at its end yet. */
function tellStep(state: State, step: Step): boolean {
  if (!state.begun) begin(state, step);
  if (step.kind === "meta") return true;
  if (step.kind === "from") {
    state.isFresh = false;
    return finish(state, step, step.parent === undefined ? short(step.image ?? "") : (state.stages.get(step.parent) ?? ""));
  }
  return step.vertex === undefined ? tellConfig(state, step) : tellWork(state, step, step.vertex);
}

/** The id of what the step whose turn it is results in. */
const imageOf = ({ images, about, at }: State): string | undefined => images.get(at - (about?.meta.length ?? 0));

const awaitsImage = (state: State, { hasImage }: Step): boolean => hasImage === true && imageOf(state) === undefined;

/** Of a step of a very long Dockerfile, which has no image: a name that is the same whenever it is told. */
const nextId = (state: State, { text }: Step, result: string): string => short(imageOf(state) ?? idAfter(state.id, text, result));

function begin(state: State, step: Step): void {
  state.begun = true;
  if (step.onBuild) return;
  state.number += 1;
  if (state.number > state.ahead) tellLine(state, state.number, state.total, step.text);
  const triggers = step.kind === "from" ? triggersAfter(state.steps!, state.at) : 0;
  if (triggers > 0) say(state, `# Executing ${triggers} build trigger${triggers > 1 ? "s" : ""}\n`);
}

function tellConfig(state: State, step: Step): boolean {
  if (awaitsImage(state, step)) return false;
  const { noCache, seen } = state.options;
  const next = nextId(state, step, "");
  if (!noCache && !state.isFresh && seen.has(next)) say(state, " ---> Using cache\n");
  else {
    state.isFresh = true;
    enter(state, step);
    leave(state);
  }
  seen.add(next);
  return finish(state, step, next);
}

function tellWork(state: State, step: Step, vertex: string): boolean {
  const work = state.works.of(vertex);
  if (step.kind === "run" && work.started && !work.cached) enter(state, step);
  state.works.drain(vertex);
  if (!work.completed || work.failed || awaitsImage(state, step)) return false;
  if (work.cached) say(state, " ---> Using cache\n");
  else {
    state.isFresh = true;
    if (step.kind === "run") enter(state, step);
    leave(state);
  }
  return finish(state, step, nextId(state, step, work.result || vertex));
}

function enter(state: State, step: Step): void {
  if (state.container !== "") return;
  state.container = containerOf(state.id, step.text, process.hrtime.bigint());
  say(state, ` ---> Running in ${state.container}\n`);
}

function leave(state: State): void {
  if (state.container !== "" && state.options.removed) say(state, `Removing intermediate container ${state.container}\n`);
  state.container = "";
}

/** Of a FROM with triggers, and of these, only the last says what came of it. */
function finish(state: State, step: Step, id: string): true {
  state.id = id;
  state.stages.set(step.stage, id);
  if (state.steps![state.at + 1]?.onBuild !== true) say(state, ` ---> ${id}\n`);
  return true;
}

function done(state: State, image: string | undefined): void {
  state.works.end();
  advance(state);
  if (image !== undefined) state.write({ aux: { ID: image } });
  if (state.unused.length > 0) say(state, `[Warning] One or more build-args [${state.unused.join(" ")}] were not consumed\n`);
  if (image === undefined) return;
  say(state, `Successfully built ${short(image)}\n`);
  for (const tag of state.options.tags) say(state, `Successfully tagged ${tag}\n`);
}

function failed(state: State, error: unknown): boolean {
  if (state.steps === undefined && !tellFailedBase(state, error)) return false;
  const { vertex } = factsOf(error);
  const failing = state.steps?.findIndex((step) => step.vertex !== undefined && step.vertex === vertex) ?? -1;
  if (failing > state.at) tellOutOfTurn(state, failing);
  if (state.container !== "" && state.options.removedOnFailure) say(state, `Removing intermediate container ${state.container}\n`);
  state.write(failureMessage(error, state.steps?.[failing]?.text));
  return true;
}

/** Before there are steps: a request that is wrong is no stream, what goes wrong in a line of the Dockerfile is; an image that cannot be had is told at its FROM. */
function tellFailedBase(state: State, error: unknown): boolean {
  const { about } = state;
  const { lines } = factsOf(error);
  if (about === undefined || (kindOf(error) === "invalid" && lines === undefined)) return false;
  const from = about.froms.find(({ line }) => Array.isArray(lines) && line === lines[0]);
  if (from !== undefined && state.ahead === 0) tellAhead(state, about, [from]);
  return true;
}

/** Steps before the one that failed were given up because of it. */
function tellOutOfTurn(state: State, failing: number): void {
  state.at = failing;
  state.number = state.steps!.slice(0, failing).filter(({ onBuild }) => !onBuild).length;
  state.begun = false;
  state.container = "";
  tellStep(state, state.steps![failing]!);
}

function say({ write }: State, stream: string): void {
  write({ stream });
}
