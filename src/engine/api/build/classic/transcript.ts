/**
 * A build as the classic builder tells it: step by step in the order of the Dockerfile, whatever is done at once. A pure
 * fold of the builder's events into messages of POST /build.
 *
 * Ids of steps are made of what leads to them, so that the same build has the same ones. What only changes the
 * configuration is always new to a solver; it is told as found when this very step was told before (`seen`).
 */
import { StringDecoder } from "node:string_decoder";
import { hash } from "node:crypto";
import { Failure, kindOf, messageOf } from "#base/errors.ts";
import type { BuildEvent, ToldInstruction } from "#builder/events.ts";

export type Message = { readonly stream: string } | { readonly aux: { readonly ID: string } } | { readonly errorDetail: { readonly code?: number; readonly message: string }; readonly error: string };

export type TranscriptOptions = {
  readonly labels: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly removed: boolean;
  readonly removedOnFailure: boolean;
  readonly noCache: boolean;
  /** Ids that were told before. */
  readonly seen: { has(id: string): boolean; add(id: string): void };
};

export type Transcript = {
  report(event: BuildEvent): void;
  done(image: string | undefined): void;
  /** False: nothing can be told in this form yet, the request itself has failed. */
  failed(error: unknown): boolean;
};

/** Of steps whose turn has not come. What is more is told at once, out of its order, rather than not at all. */
const MAX_WAITING = 16 * 2 ** 20;

type Work = { started: boolean; completed: boolean; cached: boolean; failed: boolean; result: string; readonly logs: Message[]; readonly decoders: [StringDecoder, StringDecoder] };
type Step = Pick<ToldInstruction, "text" | "onBuild" | "vertex" | "image" | "parent" | "stage"> & { readonly kind: "meta" | "from" | "config" | "file" | "run" };

export function openTranscript(options: TranscriptOptions, write: (message: Message) => void): Transcript {
  const works = new Map<string, Work>();
  const lastOfStage = new Map<string, string>();
  let about: Extract<BuildEvent, { kind: "dockerfile" }> | undefined;
  let steps: readonly Step[] | undefined;
  let unused: readonly string[] = [];
  let at = 0;
  let begun = false;
  let running = "";
  let number = 0;
  let id = "";
  let waiting = 0;
  let isFresh = false;

  const say = (stream: string): void => write({ stream });
  const workOf = (vertex: string): Work => {
    const work = works.get(vertex) ?? { started: false, completed: false, cached: false, failed: false, result: "", logs: [], decoders: [new StringDecoder("utf8"), new StringDecoder("utf8")] };
    works.set(vertex, work);
    return work;
  };
  const total = (): number => steps!.filter(({ onBuild }) => !onBuild).length;

  /** Tells what can be told by now. */
  const advance = (): void => {
    for (; steps !== undefined && at < steps.length; at += 1) {
      if (!tell(steps[at]!)) return;
      begun = false;
    }
  };

  /** True when the step is at its end. */
  const tell = (step: Step): boolean => {
    if (!begun) begin(step);
    if (step.kind === "meta") return true;
    if (step.kind === "from") {
      isFresh = false;
      id = step.parent === undefined ? short(step.image ?? "") : (lastOfStage.get(step.parent) ?? "");
      return finish(step);
    }
    const work = step.vertex === undefined ? undefined : workOf(step.vertex);
    const hasContainer = step.kind === "config" || step.kind === "run";
    if (work === undefined) {
      const next = idAfter(id, step, "");
      const isFound = !options.noCache && !isFresh && options.seen.has(next);
      tellFound(isFound, next);
      if (!isFound) ranIn(next);
      return finish(step, next);
    }
    if (work.started && !work.cached && hasContainer && running === "") begins(step);
    drain(work);
    if (!work.completed || work.failed) return false;
    const next = idAfter(id, step, work.result || step.vertex!);
    if (work.cached) tellFound(true, next);
    else {
      isFresh = true;
      if (hasContainer && running === "") begins(step);
      if (hasContainer && options.removed) say(`Removing intermediate container ${running}\n`);
    }
    running = "";
    return finish(step, next);
  };

  const begin = (step: Step): void => {
    begun = true;
    if (step.onBuild) return;
    number += 1;
    say(`Step ${number}/${total()} : ${step.text}`);
    say("\n");
    const triggers = step.kind === "from" ? countTriggers(steps!, at) : 0;
    if (triggers > 0) say(`# Executing ${triggers} build trigger${triggers > 1 ? "s" : ""}\n`);
  };

  const begins = (step: Step): void => {
    running = containerOf(id, step);
    say(` ---> Running in ${running}\n`);
  };

  const ranIn = (next: string): void => {
    const container = hash("sha256", `container ${next}`, "hex").slice(0, 12);
    say(` ---> Running in ${container}\n`);
    if (options.removed) say(`Removing intermediate container ${container}\n`);
  };

  const tellFound = (isFound: boolean, next: string): void => {
    if (isFound) say(" ---> Using cache\n");
    else isFresh = true;
    options.seen.add(next);
  };

  /** Of a FROM with triggers, and of these, only the last says what came of it. */
  const finish = (step: Step, next: string = id): boolean => {
    id = next;
    options.seen.add(id);
    lastOfStage.set(step.stage, id);
    if (steps![at + 1]?.onBuild !== true) say(` ---> ${id}\n`);
    return true;
  };

  const drain = (work: Work): void => {
    for (const message of work.logs.splice(0)) {
      waiting -= sizeOf(message);
      write(message);
    }
  };

  const log = ({ vertex, stream, data }: Extract<BuildEvent, { kind: "log" }>): void => {
    const work = workOf(vertex);
    const text = work.decoders[stream - 1]!.write(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    if (text === "") return;
    const message = { stream: stream === 2 ? `\u001b[91m${text}\u001b[0m` : text };
    waiting += sizeOf(message);
    work.logs.push(message);
    if (waiting > MAX_WAITING) for (const other of works.values()) drain(other);
  };

  return {
    report(event) {
      if (event.kind === "dockerfile") {
        about = event;
        const empty = event.emptyContinuations.map((text) => `    ${text}\n`).join("");
        if (empty !== "") say(`\u001b[91m[WARNING]: Empty continuation line found in:\n${empty}[WARNING]: Empty continuation lines will become errors in a future release.\n\u001b[0m`);
      } else if (event.kind === "instructions") {
        unused = event.unusedArgs;
        steps = stepsOf(about?.meta ?? [], event.instructions, options.labels);
      } else if (event.kind === "vertex") {
        const work = workOf(event.id);
        if (event.started !== undefined) work.started = true;
        if (event.completed !== undefined) work.completed = true;
        if (event.cached === true) work.cached = true;
        if (event.error !== undefined) work.failed = true;
        if (event.result !== undefined) work.result = event.result;
      } else if (event.kind === "log") log(event);
      advance();
    },
    done(image) {
      for (const work of works.values()) work.completed = true;
      advance();
      if (unused.length > 0) say(`[Warning] One or more build-args [${unused.join(" ")}] were not consumed\n`);
      if (image === undefined) return;
      write({ aux: { ID: image } });
      say(`Successfully built ${short(image)}\n`);
      for (const tag of options.tags) say(`Successfully tagged ${tag}\n`);
    },
    failed(error) {
      const facts = error instanceof Failure ? error.facts : {};
      if (steps === undefined) {
        if (about === undefined || kindOf(error) === "invalid") return false;
        const line = Array.isArray(facts["lines"]) ? (facts["lines"] as number[])[0] : undefined;
        const from = about.froms.find((one) => one.line === line);
        if (from !== undefined) for (const text of [...about.meta, from.text]) say(`Step ${(number += 1)}/${about.instructions} : ${text}\n`);
      }
      const failing = steps?.findIndex(({ vertex }) => vertex !== undefined && vertex === facts["vertex"]) ?? -1;
      if (failing > at) {
        at = failing;
        number = steps!.slice(0, failing).filter(({ onBuild }) => !onBuild).length;
        begun = false;
        running = "";
        tell(steps![failing]!);
      }
      if (running !== "" && options.removedOnFailure) say(`Removing intermediate container ${running}\n`);
      write(errorMessage(error, facts, steps?.[failing]));
      return true;
    },
  };
}

/** The code of a RUN that failed is the client's exit code; of one that never ran there is none. */
function errorMessage(error: unknown, facts: Readonly<Record<string, unknown>>, step: Step | undefined): Message {
  const { exitCode, classic, started, missing } = facts;
  const message = typeof classic === "string" ? classic : typeof missing === "string" && step !== undefined ? (missingMessage(step.text, missing) ?? messageOf(error)) : messageOf(error);
  const code = typeof exitCode === "number" && started !== false ? { code: exitCode } : {};
  return { errorDetail: { ...code, message }, error: message };
}

/** Of COPY and ADD: that there is no such file where it copies from. */
function missingMessage(text: string, missing: string): string | undefined {
  const [keyword = "", ...words] = text.split(/\s+/);
  if (!/^(COPY|ADD)$/i.test(keyword)) return undefined;
  const outside = words.find((word) => word.split("/").includes("..") && word.endsWith(missing));
  const isStage = words.some((word) => word.startsWith("--from="));
  const why = outside !== undefined && !isStage ? `forbidden path outside the build context: ${outside} ()` : `${isStage ? "" : "file not found in build context or excluded by .dockerignore: "}stat ${missing}: file does not exist`;
  return `${keyword.toUpperCase()} failed: ${why}`;
}

function stepsOf(meta: readonly string[], instructions: readonly ToldInstruction[], labels: Readonly<Record<string, string>>): Step[] {
  const stage = instructions.at(-1)?.stage ?? "";
  return [
    ...meta.map((text): Step => ({ text, stage: "", onBuild: false, kind: "meta" })),
    ...instructions.map((told): Step => ({ ...told, kind: kindOfStep(told) })),
    ...Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]): Step => ({ text: `LABEL ${key}=${value}`, stage, onBuild: false, kind: "config" })),
  ];
}

function kindOfStep({ text, vertex, image, parent }: ToldInstruction): Step["kind"] {
  if (image !== undefined || parent !== undefined) return "from";
  const keyword = text.split(/\s/)[0]!.toUpperCase();
  if (keyword === "FROM") return "from";
  if (vertex === undefined) return "config";
  return keyword === "COPY" || keyword === "ADD" ? "file" : "run";
}

function countTriggers(steps: readonly Step[], from: number): number {
  let count = 0;
  while (steps[from + 1 + count]?.onBuild === true) count += 1;
  return count;
}

const short = (digest: string): string => digest.replace(/^[a-z0-9]+:/, "").slice(0, 12);
const idAfter = (before: string, { text }: Step, result: string): string => hash("sha256", JSON.stringify([before, text, result]), "hex").slice(0, 12);
const containerOf = (before: string, { text }: Step): string => hash("sha256", JSON.stringify(["container", before, text, process.hrtime.bigint().toString()]), "hex").slice(0, 12);
const sizeOf = (message: Message): number => ("stream" in message ? message.stream.length : 0);
