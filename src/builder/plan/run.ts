/** RUN: what is executed, with which variables and mounts. */
import { posix } from "node:path";
import { fail } from "#base/errors.ts";
import { commandOf, isOnlyHeredoc } from "../dockerfile/arguments.ts";
import { textOf } from "../dockerfile/heredocs.ts";
import { flagOf, flagsOf } from "../dockerfile/flags.ts";
import { parseDevice } from "../dockerfile/devices.ts";
import type { Instruction } from "../dockerfile/dockerfile.ts";
import type { ExecMount, ExecOp } from "../graph.ts";
import { withShell } from "./config-instructions.ts";
import { note } from "./image-state.ts";
import { type Mount, mountTarget, parseMount } from "./mounts.ts";
import { advance, expand, type Scene, stepName } from "./scene.ts";
import { contextPath, mainContext, sourceState } from "./sources.ts";

const HEREDOCS = "/dev/pipes";

export function run(scene: Scene): void {
  const { scope, state, instruction } = scene;
  const { args, files } = command(scene);
  const { mounts, inputs, env, masked } = planMounts(scene);
  const { run: defaults, buildArgs } = scope.input.request;
  const op: ExecOp = {
    kind: "exec",
    base: 0,
    args,
    env: [...state.variables].map(([key, value]) => `${key}=${value}`).concat(env),
    proxies: scope.proxies,
    cwd: workdir(scene),
    user: (state.config["User"] as string | undefined) ?? "",
    hostname: buildArgs["BUILDKIT_SANDBOX_HOSTNAME"] || "buildkitsandbox",
    network: network(instruction, defaults.network),
    security: security(instruction),
    mounts,
    devices: flagsOf(instruction, "device").map(parseDevice),
    files,
  };
  const step = advance(scene, op, inputs, stepName(scene, heredocSummary(instruction), masked));
  const createdBy = `RUN ${[...argsText(scene), ...args].join(" ")} # buildkit`;
  scope.steps.spend(createdBy.length);
  note(state, createdBy, { step, instruction: instruction.original });
}

type Command = { readonly args: readonly string[]; readonly files: Readonly<Record<string, string>> };

/** A heredoc alone is the script: a file that is executed if it begins with #! (behind no tab), else the shell's text. */
function command({ state, instruction }: Scene): Command {
  const { args, shell } = commandOf(instruction);
  if (!shell) return { args: nonempty(args), files: {} };
  const [first] = instruction.heredocs;
  if (first === undefined) return { args: withShell(state, args.join(" ")), files: {} };
  if (!isOnlyHeredoc(instruction)) {
    const text = instruction.heredocs.map(({ name, content }) => `\n${content}${name}`).join("");
    return { args: withShell(state, args.join(" ") + text), files: {} };
  }
  if (!first.content.startsWith("#!")) return { args: withShell(state, textOf(first)), files: {} };
  const path = `${HEREDOCS}/${first.name}`;
  return { args: withShell(state, path), files: { [path]: textOf(first) } };
}

function nonempty(args: readonly string[]): readonly string[] {
  if (args.length === 0) throw fail("invalid", "RUN requires at least one argument");
  return args;
}

/** " (echo hello...)": the first line of what a RUN of a heredoc alone runs. */
function heredocSummary(instruction: Instruction): string {
  if (!isOnlyHeredoc(instruction)) return "";
  const lines = instruction.heredocs[0]!.content.trim().split(/\r?\n/);
  return ` (${lines[0]}${lines.length > 1 ? "..." : ""})`;
}

/** "|2 A=1 B=2": the arguments that were declared, as the history has them. */
function argsText({ state }: Scene): string[] {
  const pairs = [...state.args].map(([key, value]) => `${key}=${state.variables.get(key) ?? value ?? ""}`);
  return pairs.length === 0 ? [] : [`|${pairs.length}`, ...pairs];
}

function network(instruction: Instruction, standard: string): string {
  const own = flagOf(instruction, "network") ?? "default";
  if (!["default", "none", "host"].includes(own)) throw fail("invalid", `invalid network mode ${JSON.stringify(own)}`);
  return own === "default" ? standard || "default" : own;
}

function security(instruction: Instruction): ExecOp["security"] {
  const mode = flagOf(instruction, "security") ?? "sandbox";
  if (mode !== "sandbox" && mode !== "insecure") throw fail("invalid", `security ${JSON.stringify(mode)} is not valid`);
  return mode;
}

type Mounts = { readonly mounts: ExecMount[]; readonly inputs: number[]; readonly env: string[]; readonly masked: ReadonlySet<string> };

function planMounts(scene: Scene): Mounts {
  const inputs: number[] = [];
  const place = (step: number): number => {
    const there = inputs.indexOf(step);
    return 1 + (there >= 0 ? there : inputs.push(step) - 1);
  };
  const agents: string[] = [];
  const masked = new Set<string>();
  const parsed = flagsOf(scene.instruction, "mount").map((text) => parseMount(text, expand(scene)));
  const mounts = parsed.map((mount, index): ExecMount => {
    if (mount.env !== undefined && mount.type === "secret") masked.add(mount.env);
    return planMount({ scene, mount, index, place, agents });
  });
  const agent = agents[0];
  return { mounts, inputs, masked, env: agent === undefined || scene.state.variables.has("SSH_AUTH_SOCK") ? [] : [`SSH_AUTH_SOCK=${agent}`] };
}

type Planning = { readonly scene: Scene; readonly mount: Mount; readonly index: number; readonly place: (step: number) => number; readonly agents: string[] };

function planMount(planning: Planning): ExecMount {
  const { type } = planning.mount;
  return type === "secret" ? secret(planning) : type === "ssh" ? ssh(planning) : type === "tmpfs" ? tmpfs(planning) : type === "cache" ? cache(planning) : bind(planning);
}

function bind({ scene, mount, index, place }: Planning): ExecMount {
  const target = targetOf(scene, mount);
  const source = posix.resolve("/", mount.source);
  if (mount.from !== "") return { type: "bind", target, from: place(sourceOf(scene, mount, index)), source, rw: !mount.readOnly };
  const context = mainContext(scene.scope, scene.state.platform);
  context.want(contextPath(source));
  return { type: "bind", target, from: place(context.step), source, rw: !mount.readOnly };
}

function sourceOf({ scope, stage, sources }: Scene, mount: Mount, index: number): number {
  const source = sources[index];
  const state = source === undefined ? undefined : sourceState(scope, source);
  if (state === undefined) {
    throw fail("invalid", `cannot mount from stage ${JSON.stringify(mount.from)} to ${JSON.stringify(mount.target)}, stage needs to be defined before current command`, { facts: { stage: stage.title } });
  }
  scope.steps.want(state.step, contextPath(posix.join("/", mount.source)));
  return state.step;
}

function cache({ scene, mount, index, place }: Planning): ExecMount {
  const { buildArgs } = scene.scope;
  const id = mount.id || posix.normalize(mount.target === "" ? "." : mount.target).replace(/(?<=.)\/$/, "");
  const space = buildArgs["BUILDKIT_CACHE_MOUNT_NS"] ?? "";
  return {
    type: "cache",
    target: targetOf(scene, mount),
    id: space === "" ? id : `${space}/${id}`,
    ...(mount.from !== "" && mount.from !== "scratch" && { from: place(sourceOf(scene, mount, index)) }),
    source: posix.resolve("/", mount.source),
    readOnly: mount.readOnly,
    sharing: mount.sharing ?? "shared",
    mode: (mount.mode ?? 0o755) & 0o777,
    uid: mount.uid ?? 0,
    gid: mount.gid ?? 0,
  };
}

const tmpfs = ({ scene, mount }: Planning): ExecMount => ({ type: "tmpfs", target: targetOf(scene, mount), size: mount.size });

/** Neither a secret nor an agent knows of WORKDIR. */
function secret({ mount }: Planning): ExecMount {
  const id = mount.source || mount.id || posix.basename(mount.target);
  if (id === "") throw fail("invalid", "one of source, target required");
  const target = mount.target !== "" ? mount.target : mount.env === undefined ? `/run/secrets/${posix.basename(id)}` : "";
  return {
    type: "secret",
    target: target === "" ? "" : mountTarget(target, "/"),
    id,
    required: mount.required,
    mode: mount.mode ?? 0o400,
    uid: mount.uid ?? 0,
    gid: mount.gid ?? 0,
    ...(mount.env !== undefined && { env: mount.env || id }),
  };
}

function ssh({ mount, agents }: Planning): ExecMount {
  if (mount.source !== "") throw fail("invalid", "ssh does not support source");
  const target = mount.target === "" ? `/run/buildkit/ssh_agent.${agents.length}` : mountTarget(mount.target, "/");
  agents.push(target);
  return { type: "ssh", target, id: mount.id || "default", required: mount.required, mode: mount.mode ?? 0o600, uid: mount.uid ?? 0, gid: mount.gid ?? 0 };
}

const workdir = ({ state }: Scene): string => posix.resolve("/", (state.config["WorkingDir"] as string | undefined) ?? "/");
const targetOf = (scene: Scene, mount: Mount): string => mountTarget(mount.target, workdir(scene));
