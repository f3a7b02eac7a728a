/**
 * The stages of a Dockerfile and what they are made of, before anything is looked up: who is based on whom, who copies from
 * whom, and which the target needs.
 */
import { fail } from "#base/errors.ts";
import { parsePlatform, type Platform } from "#spec/platform.ts";
import type { Dockerfile, Instruction, Stage } from "../dockerfile/dockerfile.ts";
import { type Expansion, expandWord, type PatternWork } from "../dockerfile/expand.ts";
import { flagOf, flagsOf } from "../dockerfile/flags.ts";
import { mountSource } from "../dockerfile/mount-fields.ts";
import { didYouMean } from "../dockerfile/suggest.ts";
import { at, invalid } from "./failures.ts";

export type StageNode = {
  /** In the Dockerfile, from 0; an image or context that is only copied from has none. */
  readonly index: number | undefined;
  /** Lower case; "" without. */
  readonly name: string;
  /** As steps are named after it: "build", "stage-1", "" for the only one. */
  title: string;
  /** What FROM says, expanded: an image, a stage before it, a context, scratch. */
  readonly base: string;
  /** Of FROM --platform. */
  readonly platform: Platform | undefined;
  /** The stage it goes on from. */
  readonly parent: StageNode | undefined;
  /** --build-context of the stage's own name: then its instructions count for nothing. */
  readonly context: string | undefined;
  readonly noCache: boolean;
  readonly from: Instruction;
  /** ONBUILD triggers of the base come to stand first. */
  commands: readonly Command[];
};

export type Command = {
  readonly instruction: Instruction;
  readonly trigger: boolean;
  /** Of COPY --from: one; of RUN: one a --mount; undefined where it names none. */
  readonly sources: readonly (StageNode | undefined)[];
};

export type StageOptions = {
  readonly args: ReadonlyMap<string, string>;
  readonly noCache: boolean | readonly string[];
  readonly host: Platform;
  /** --build-context of this name and platform. */
  readonly context: (name: string, platform: Platform | undefined) => string | undefined;
  readonly work: PatternWork;
};

export type Stages = {
  readonly list: readonly StageNode[];
  /** @throws invalid: there is no such stage */
  target(name: string): StageNode;
  /** Gives stages the triggers of their bases. @throws invalid: what they copy from makes a cycle */
  trigger(triggers: ReadonlyMap<StageNode, readonly Instruction[]>): void;
  /** The target (with `before`, also all stages before it) and all that it needs, in the order of the Dockerfile, images that are copied from where they are first named. */
  needed(target: StageNode, options?: { readonly before: boolean }): StageNode[];
};

/** @throws invalid: with lines */
export function openStages(dockerfile: Dockerfile, options: StageOptions): Stages {
  const list: StageNode[] = [];
  const byName = new Map<string, StageNode>();
  const images = new Map<string, StageNode>();
  for (const [index, stage] of dockerfile.stages.entries()) {
    const node = at(stage.from.lines, () => stageNode(stage, index, { dockerfile, options, byName }));
    list.push(node);
    if (node.name !== "") byName.set(node.name, node);
  }
  const find = (name: string, instruction: Instruction): StageNode => {
    const there = byName.get(name.toLowerCase()) ?? images.get(name);
    if (there !== undefined) return there;
    const image = imageNode(name, instruction);
    images.set(name, image);
    return image;
  };
  const command = (instruction: Instruction, trigger: boolean): Command => ({ instruction, trigger, sources: at(instruction.lines, () => sourcesOf(instruction, find, list)) });
  for (const [index, node] of list.entries()) {
    if (node.context === undefined) node.commands = dockerfile.stages[index]!.instructions.map((instruction) => command(instruction, false));
  }
  refuseCycles(list);
  // A mount of nothing in particular counts as one from somewhere, as in BuildKit.
  if (list.length === 1 && images.size === 0 && !list[0]!.commands.some(({ sources }) => sources.includes(undefined))) list[0]!.title = "";
  return {
    list,
    target: (name) => findTarget(list, byName, name),
    trigger(triggers) {
      for (const [stage, instructions] of triggers) stage.commands = [...instructions.map((instruction) => command(instruction, true)), ...stage.commands];
      refuseCycles(list);
    },
    needed: (target, options) => neededBy(options?.before === true ? list.slice(0, list.indexOf(target) + 1) : [target], list),
  };
}

type Making = { readonly dockerfile: Dockerfile; readonly options: StageOptions; readonly byName: ReadonlyMap<string, StageNode> };

function stageNode(stage: Stage, index: number, { dockerfile, options, byName }: Making): StageNode {
  const lookup = (name: string): string | undefined => options.args.get(name);
  const base = expandWord(stage.base, { lookup, escape: dockerfile.escape, work: options.work });
  if (base === "") throw invalid(`base name (${stage.base}) should not be blank`);
  const platform = stage.platform === undefined ? undefined : platformOf(platformWord(stage.platform, { lookup, escape: dockerfile.escape, work: options.work }), stage.platform, options);
  const context = stage.name === "" ? undefined : options.context(stage.name, platform);
  return {
    index,
    name: stage.name,
    title: stage.name === "" ? `stage-${index}` : stage.name,
    base,
    platform,
    parent: context === undefined ? byName.get(base.toLowerCase()) : undefined,
    context,
    noCache: Array.isArray(options.noCache) ? options.noCache.some((name) => name.toLowerCase() === stage.name && stage.name !== "") : options.noCache === true,
    from: stage.from,
    commands: [],
  };
}

/** Names that are looked at. */
const HINTS = 10;

function unsetHint(text: string, args: ReadonlyMap<string, string>): string {
  const unset = text.matchAll(/\$\{?([A-Za-z_][A-Za-z0-9_]*)/g).map((match) => match[1]!).filter((name) => !args.has(name));
  return unset.take(HINTS).map((name) => didYouMean(name, [...args.keys()], { exactCase: true })).find((hint) => hint !== "") ?? "";
}

function platformWord(text: string, how: Expansion): string {
  try {
    return expandWord(text, how);
  } catch (cause) {
    throw fail("invalid", `failed to process arguments for platform : ${(cause as Error).message}`, { cause });
  }
}

function platformOf(text: string, written: string, { args, host }: StageOptions): Platform {
  if (text === "") throw invalid(`empty platform value from expression ${written}${unsetHint(written, args)}`);
  try {
    return parsePlatform(text, host);
  } catch (cause) {
    throw fail("invalid", `failed to parse platform ${written}: ${(cause as Error).message}`, { cause });
  }
}

const imageNode = (base: string, from: Instruction): StageNode => ({
  index: undefined, name: "", title: "", base, platform: undefined, parent: undefined, context: undefined, noCache: false, from, commands: [],
});

/** COPY --from takes a stage's number as well; a mount does not, as in BuildKit. */
function sourcesOf(instruction: Instruction, find: (name: string, instruction: Instruction) => StageNode, list: readonly StageNode[]): (StageNode | undefined)[] {
  if (instruction.keyword === "RUN") {
    return flagsOf(instruction, "mount").map((text) => {
      const from = mountSource(text);
      return from === "" ? undefined : find(from, instruction);
    });
  }
  const from = instruction.keyword === "COPY" ? (flagOf(instruction, "from") ?? "") : "";
  if (from === "") return [];
  if (/\$./.test(from)) throw invalid("variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround");
  return [/^[+-]?\d+$/.test(from) ? (list[Number(from)] ?? raise(`invalid stage index ${from}`)) : find(from, instruction)];
}

function findTarget(list: readonly StageNode[], byName: ReadonlyMap<string, StageNode>, name: string): StageNode {
  if (name === "") return list.at(-1) ?? raise("dockerfile contains no stages to build");
  const number = /^\d+$/.test(name) ? list[Number(name)] : undefined;
  return byName.get(name.toLowerCase()) ?? number ?? raise(`target stage ${JSON.stringify(name)} could not be found${didYouMean(name, list.map((stage) => stage.name || `stage-${stage.index}`), { exactCase: true })}`);
}

/** Depth first without recursion: there may be ten thousand stages in a row. */
function refuseCycles(list: readonly StageNode[]): void {
  const done = new Set<StageNode>();
  const path = new Set<StageNode>();
  for (const start of list) {
    const stack: { node: StageNode; edges: Edge[]; at: number }[] = [];
    const enter = (node: StageNode): void => {
      path.add(node);
      stack.push({ node, edges: edgesOf(node), at: 0 });
    };
    if (!done.has(start)) enter(start);
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const edge = top.edges[top.at++];
      if (edge === undefined) {
        path.delete(top.node);
        done.add(top.node);
        stack.pop();
      } else if (path.has(edge.to)) {
        throw invalid(`circular dependency detected on stage: ${start.title}`, edge.lines);
      } else if (!done.has(edge.to)) enter(edge.to);
    }
  }
}

type Edge = { readonly to: StageNode; readonly lines: readonly [number, number] };

function edgesOf(node: StageNode): Edge[] {
  const own = node.commands.flatMap(({ sources, instruction: { lines } }) => sources.flatMap((to) => (to === undefined ? [] : [{ to, lines }])));
  return node.parent === undefined ? own : [{ to: node.parent, lines: node.from.lines }, ...own];
}

/** What is copied from comes before who copies: stages by their number, images before the stage that names them first. */
function neededBy(targets: readonly StageNode[], list: readonly StageNode[]): StageNode[] {
  const needed = new Set<StageNode>(targets);
  for (const node of needed) for (const { to } of edgesOf(node)) needed.add(to);
  const placed = new Set<StageNode>();
  for (const node of list) {
    if (!needed.has(node)) continue;
    for (const { to } of edgesOf(node)) if (to.index === undefined) placed.add(to);
    placed.add(node);
  }
  return [...placed];
}

const raise = (message: string): never => {
  throw invalid(message);
};
