/**
 * `--dry-run`: a plan as text. Pure.
 *
 *     #3 [build 2/5] RUN npm ci
 *          after #2, with the cache /root/.npm (locked), the secret npmrc
 */
import { formatPlatform } from "#spec/platform.ts";
import type { ExecMount, ExecOp, FileAction, Graph, Step } from "../graph.ts";
import type { Plan } from "./plan.ts";

export function showText(plan: Plan): string {
  const { graph, images } = plan;
  const needed = neededSteps(graph, images.map(({ step }) => step));
  const number = numbersOf(needed);
  const steps = needed.map((index) => stepText(graph, index, number));
  const targets = images.map(({ platform, step, config, sourceDateEpoch }) => {
    const facts = [...configFacts(config), ...(sourceDateEpoch === undefined ? [] : [`times of ${new Date(sourceDateEpoch * 1000).toISOString()}`])];
    return `image ${formatPlatform(platform)} is #${number.get(step)}${facts.length === 0 ? "" : `: ${facts.join(", ")}`}`;
  });
  const unused = plan.unusedArgs.length === 0 ? [] : [`no ARG takes: ${plan.unusedArgs.join(", ")}`];
  return [...steps, "", ...targets, `${needed.length} steps; the longest way through them has ${longest(graph, needed)}`, ...unused, ""].join("\n");
}

/** Steps that the targets are made of, in the graph's order. */
export function neededSteps({ steps }: Graph, targets: readonly number[]): number[] {
  const needed = new Set(targets);
  for (const index of needed) for (const input of steps[index]!.inputs) needed.add(input);
  return [...needed].toSorted((a, b) => a - b);
}

/** From 1, as they are shown. */
export const numbersOf = (needed: readonly number[]): ReadonlyMap<number, number> => new Map(needed.map((index, place) => [index, place + 1]));

function stepText({ steps }: Graph, index: number, number: ReadonlyMap<number, number>): string {
  const step = steps[index]!;
  const after = step.inputs.length === 0 ? [] : [`after ${step.inputs.map((input) => `#${number.get(input)}`).join(", ")}`];
  const details = [...after, ...factsOf(step)];
  const head = `#${number.get(index)} ${oneLine(step.name)}`;
  return details.length === 0 ? head : `${head}\n     ${details.join("; ")}`;
}

const oneLine = (text: string): string => (text === "" ? "internal" : text.replaceAll(/\s*\n\s*/g, " "));

/** What there is to know of a step besides its name. */
export function factsOf({ op, noCache }: Step): string[] {
  const facts = noCache === true ? ["not from the cache"] : [];
  switch (op.kind) {
    case "exec":
      return [...facts, ...execFacts(op)];
    case "local":
      return [...facts, op.include.length === 0 ? "everything" : op.include.join(", "), ...(op.exclude.length === 0 ? [] : [`but ${op.exclude.length} patterns of .dockerignore`])];
    case "git":
      return [...facts, op.ref === "" ? "the default branch" : op.ref, ...(op.subdir === "" ? [] : [`folder ${op.subdir}`])];
    case "file":
      return [...facts, ...op.actions.flatMap(actionFacts)];
    default:
      return facts;
  }
}

function execFacts(op: ExecOp): string[] {
  return [
    ...(op.user === "" ? [] : [`user ${op.user}`]),
    ...(op.cwd === "/" ? [] : [`in ${op.cwd}`]),
    ...(op.network === "default" ? [] : [`network ${op.network}`]),
    ...(op.security === "sandbox" ? [] : ["insecure"]),
    ...op.mounts.map(mountFact),
    ...op.devices.map(({ name }) => `device ${name}`),
  ];
}

function mountFact(mount: ExecMount): string {
  switch (mount.type) {
    case "cache":
      return `cache ${mount.id} at ${mount.target} (${mount.sharing})`;
    case "secret":
      return `secret ${mount.id}${mount.target === "" ? "" : ` at ${mount.target}`}${mount.required ? "" : " if given"}`;
    case "ssh":
      return `ssh agent ${mount.id}`;
    case "tmpfs":
      return `tmpfs at ${mount.target}`;
    case "bind":
      return `${mount.source} at ${mount.target}${mount.rw ? ", writable" : ""}`;
  }
}

function actionFacts(action: FileAction): string[] {
  const owner = action.owner === undefined ? "" : ` owned by ${action.owner}`;
  if (action.action === "mkdir") return [`makes ${action.path}${owner}`];
  if (action.action === "mkfile") return [`writes ${action.name} to ${action.path}${owner}`];
  return [`copies ${action.sources.join(", ")} to ${action.destination}${owner}${action.unpack ? ", unpacked if it is an archive" : ""}`];
}

function configFacts(config: Readonly<Record<string, unknown>>): string[] {
  const command = [...((config["Entrypoint"] ?? []) as string[]), ...((config["Cmd"] ?? []) as string[])];
  const ports = Object.keys((config["ExposedPorts"] ?? {}) as object);
  return [
    ...(command.length === 0 ? [] : [`runs ${JSON.stringify(command)}`]),
    ...(typeof config["User"] === "string" ? [`as ${config["User"]}`] : []),
    ...(ports.length === 0 ? [] : [`exposes ${ports.join(" ")}`]),
  ];
}

function longest({ steps }: Graph, needed: readonly number[]): number {
  const depths = depthsOf(steps, needed);
  return depths.values().reduce((most, depth) => Math.max(most, depth), 0) + 1;
}

/** How many steps stand one after another before each. */
export function depthsOf(steps: readonly Step[], needed: readonly number[]): ReadonlyMap<number, number> {
  const depths = new Map<number, number>();
  for (const index of needed) {
    let depth = 0;
    for (const input of steps[index]!.inputs) depth = Math.max(depth, depths.get(input)! + 1);
    depths.set(index, depth);
  }
  return depths;
}
