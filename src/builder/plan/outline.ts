/** What can be set of a target's build (`--call=outline`): arguments, with their values and where they are declared. Pure. */
import { normalizePlatform } from "#spec/platform.ts";
import { argsOf } from "../dockerfile/arguments.ts";
import type { Instruction } from "../dockerfile/dockerfile.ts";
import { expandWord, openWork, type PatternWork } from "../dockerfile/expand.ts";
import { givenArg, globalArgs } from "./global-args.ts";
import type { PlanInput } from "./plan.ts";
import { findContext } from "./sources.ts";
import { openStages, type StageNode } from "./stages.ts";

export type OutlineArg = { readonly name: string; readonly description: string; readonly value: string | undefined; readonly lines: readonly [number, number] };

/** Those of the target and of all that it needs, of a name the target's own; in the order of the Dockerfile. */
export function outlineArgs({ dockerfile, request, host: machine }: PlanInput): OutlineArg[] {
  const host = normalizePlatform(machine);
  const target = normalizePlatform(request.platforms[0] ?? machine);
  const known = globalArgs(dockerfile, request.buildArgs, { host, target, stage: request.target });
  const work = openWork();
  const stages = openStages(dockerfile, { args: known, work, noCache: false, host, context: (name, platform) => findContext(request.contexts, name, platform ?? target) });
  const meta = new Map(dockerfile.meta.flatMap((instruction) => argsOf(instruction).map((arg) => [arg.key, { ...arg, instruction }] as const)));
  const found = new Map<string, OutlineArg>();
  const add = (arg: OutlineArg): void => void (found.has(arg.name) || found.set(arg.name, arg));
  const addMeta = (key: string, seen: ReadonlySet<string> = new Set()): void => {
    const arg = meta.get(key);
    if (arg === undefined || seen.has(key)) return;
    add({ name: key, description: arg.comment, value: known.get(key), lines: arg.instruction.lines });
    for (const name of namesIn(arg.value ?? "")) addMeta(name, new Set([...seen, key]));
  };
  for (const stage of stages.needed(stages.target(request.target)).toReversed()) {
    // Of one that is declared twice the last counts.
    for (const arg of stageArgs(stage, known, request.buildArgs, work).toReversed()) {
      if (arg === undefined) continue;
      if (typeof arg === "string") addMeta(arg);
      else add(arg);
    }
    for (const name of namesIn([stage.from.text, ...stage.from.flags.map(({ value = "" }) => value)].join(" "))) addMeta(name);
  }
  return [...found.values()].toSorted((a, b) => a.lines[0] - b.lines[0]);
}

/** A name: what stands before the first FROM is meant. */
function stageArgs({ commands }: StageNode, known: ReadonlyMap<string, string>, given: PlanInput["request"]["buildArgs"], work: PatternWork): (OutlineArg | string)[] {
  const values = new Map<string, string>();
  return commands.filter(({ instruction }) => instruction.keyword === "ARG").flatMap(({ instruction }) =>
    argsOf(instruction).map(({ key, value, comment }) => {
      const own = givenArg(given, key) ?? (value === undefined ? undefined : expanded(value, { values, work }, instruction));
      if (own === undefined && known.has(key)) return key;
      if (own !== undefined) values.set(key, own);
      return { name: key, description: comment, value: own, lines: instruction.lines };
    }));
}

/** For people: what cannot be expanded is shown as it stands. */
function expanded(value: string, { values, work }: { readonly values: ReadonlyMap<string, string>; readonly work: PatternWork }, { escape }: Instruction): string {
  try {
    return expandWord(value, { lookup: (name) => values.get(name), escape, work });
  } catch {
    return value;
  }
}

const namesIn = (text: string): string[] => [...text.matchAll(/\$\{?([A-Za-z_][A-Za-z0-9_]*)/g)].map((match) => match[1]!);
