/**
 * Keys of steps. Pure. A key is the digest of parts with names: what the step is by itself (`definitionParts`), and what
 * it has of its inputs (asked for by `needsOf`, filled in by the solver): the identity of a whole tree, or the digest of
 * what is selected of one. So two steps with one key result in the same, whatever led to their inputs.
 *
 * Not in a key: what secrets and ssh agents hold, cgroups and other things of the host, names of images and of stages, the
 * proxies of this machine.
 */
import { sha256 } from "#base/digest.ts";
import type { Digest } from "#spec/digest.ts";
import { formatPlatform, type Platform } from "#spec/platform.ts";
import type { RunDefaults } from "../builder.ts";
import type { CopyAction, ExecMount, ExecOp, FileAction, StepOp } from "../graph.ts";
import { hasWildcards } from "../files/match.ts";
import type { Tree } from "../tree.ts";

/** Their order is part of the key: the one in which a command has its variables. */
export type Parts = Readonly<Record<string, string>>;

/** Something of an input that is part of the key. `select` undefined: its identity. */
export type Need = {
  readonly part: string;
  /** By its place in the step's inputs. */
  readonly input: number;
  readonly select?: { readonly sources: readonly string[]; readonly exclude: readonly string[]; readonly parents: boolean };
};

const VERSION = "1";

export function keyOf(parts: Parts): Digest {
  return sha256(JSON.stringify([VERSION, ...Object.entries(parts)]));
}

/** What a tree is, for those that are made of it: the chain ID of layers ("" without), the digest of files. */
export const identityOf = (tree: Tree): string => (tree.kind === "layers" ? (tree.snapshot ?? "") : tree.digest);

export const selectionKey = (identity: string, { sources, exclude, parents }: NonNullable<Need["select"]>): Digest =>
  sha256(JSON.stringify([VERSION, "selection", identity, sources, exclude, parents]));

/** Of steps that are made by a performer of their own; `lookup`: what gitKey or httpKey said. */
export function sourceKey(op: Extract<StepOp, { kind: "git" | "http" }>, lookup: string): Digest {
  return sha256(canonical([VERSION, op, lookup]));
}

export function definitionParts(op: StepOp, platform: Platform, run: RunDefaults): Parts {
  if (op.kind === "exec") return { kind: "exec", platform: formatPlatform(platform), ...execParts(op, run) };
  if (op.kind === "file") return { kind: "file", ...Object.fromEntries(op.actions.map((action, index) => [actionName(action, index), actionText(action)])) };
  return { kind: op.kind };
}

export function needsOf(op: StepOp): Need[] {
  if (op.kind === "exec") return [{ part: "base", input: op.base }, ...op.mounts.flatMap(mountNeeds)];
  if (op.kind === "file") return [{ part: "base", input: op.base }, ...op.actions.flatMap(actionNeeds)];
  if (op.kind === "merge") return [{ part: "base", input: 0 }, { part: "upper", input: 1 }];
  return [];
}

function execParts(op: ExecOp, run: RunDefaults): Record<string, string> {
  const { args, env, cwd, user, hostname, security, devices, files } = op;
  const parts: Record<string, string> = { command: JSON.stringify(args), cwd, user, hostname, security };
  for (const line of env) {
    const [name, value] = splitEnv(line);
    parts[`env ${name}`] = value;
  }
  parts["network"] = op.network === "default" ? run.network || "default" : op.network;
  if (run.extraHosts.length > 0) parts["hosts"] = JSON.stringify(run.extraHosts.toSorted());
  if (run.ulimits.length > 0) parts["ulimits"] = JSON.stringify(run.ulimits.map(({ Name, Soft, Hard }) => `${Name}=${Soft}:${Hard}`).toSorted());
  if (run.shmSize > 0) parts["shm size"] = String(run.shmSize);
  if (devices.length > 0) parts["devices"] = canonical(devices);
  for (const [path, data] of Object.entries(files)) parts[`heredoc ${path}`] = sha256(data);
  op.mounts.forEach((mount, index) => (parts[mountName(mount, index)] = mountText(mount)));
  return parts;
}

function splitEnv(line: string): [string, string] {
  const equals = line.indexOf("=");
  return equals < 0 ? [line, ""] : [line.slice(0, equals), line.slice(equals + 1)];
}

const mountName = (mount: ExecMount, index: number): string => `mount ${index} (${mount.type} ${mount.target})`;

/** Inputs are by what is in them, not by where they stand. */
const mountText = (mount: ExecMount): string => canonical({ ...mount, ...("from" in mount && { from: mount.from === undefined ? "none" : "input" }) });

function mountNeeds(mount: ExecMount, index: number): Need[] {
  if (mount.type !== "bind" && mount.type !== "cache") return [];
  if (mount.from === undefined) return [];
  // It is a path: as a pattern it would select something else.
  const whole = mount.source === "" || mount.source === "/" || hasWildcards(mount.source);
  return [{ part: `files of ${mountName(mount, index)}`, input: mount.from, ...(!whole && { select: { sources: [mount.source], exclude: [], parents: false } }) }];
}

const actionName = (action: FileAction, index: number): string =>
  action.action === "copy" ? `copy ${index} (${action.sources.join(" ")} to ${action.destination})` : `${action.action} ${index} (${action.path})`;

function actionText(action: FileAction): string {
  if (action.action === "copy") return canonical({ ...action, from: "input" });
  return canonical(action.action === "mkfile" ? { ...action, data: sha256(action.data) } : action);
}

function actionNeeds(action: FileAction, index: number): Need[] {
  if (action.action !== "copy") return [];
  return [{ part: `files ${index === 0 ? "" : `${index} `}of ${action.sources.join(" ")}`, input: action.from, select: selectionOf(action) }];
}

const selectionOf = ({ sources, exclude, parents }: CopyAction) => ({ sources, exclude, parents });

/** JSON in which equal values are equal texts: members sorted, none undefined. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
