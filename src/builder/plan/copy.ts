/** COPY and ADD: sources of every kind become actions of one step, or of two for --link. */
import { posix } from "node:path";
import { fail } from "#base/errors.ts";
import { transferOf } from "../dockerfile/arguments.ts";
import type { Heredoc } from "../dockerfile/dockerfile.ts";
import { expandWord } from "../dockerfile/expand.ts";
import { textOf } from "../dockerfile/heredocs.ts";
import { flagOf, flagsOf, isSet } from "../dockerfile/flags.ts";
import type { CopyAction, FileAction, FileOp, HttpOp } from "../graph.ts";
import { parseGitSource } from "../git-source.ts";
import { gitStep } from "./git.ts";
import { note } from "./image-state.ts";
import { addStep, advance, expand, lookup, redacted, type Scene, stepName } from "./scene.ts";
import { contextPath, mainContext, sourceState } from "./sources.ts";

type File = Pick<Heredoc, "name" | "content">;

type Transfer = {
  readonly scene: Scene;
  readonly add: boolean;
  readonly sources: readonly string[];
  readonly heredocs: readonly File[];
  readonly destination: string;
  readonly owner: string;
  readonly mode: number | string | undefined;
  readonly checksum: string;
  readonly parents: boolean;
  readonly exclude: readonly string[];
  /** The steps that are copied from, and their places as inputs, which begin after the base's. */
  readonly inputs: Map<number, number>;
  readonly name: string;
};

export function copy(scene: Scene): void {
  const transfer = readTransfer(scene);
  checkTransfer(transfer);
  if (scene.scope.input.request.classic === true) checkDestination(transfer);
  // With another mode it is a plain copy, as in BuildKit.
  const link = isSet(scene.instruction, "link") === true && transfer.mode === undefined;
  const copies = joined(transfer.sources.map((source) => sourceAction(transfer, source, link)));
  const actions = [...copies, ...transfer.heredocs.map((heredoc) => fileAction(transfer, heredoc))];
  const step = perform(transfer, { kind: "file", base: 0, actions }, link);
  const createdBy = redacted(`${historyText(transfer)} # buildkit`);
  scene.scope.steps.spend(createdBy.length);
  note(scene.state, createdBy, { step, instruction: scene.instruction.original });
}

/** Newer Dockerfiles may leave it to the builder. */
function checkDestination({ scene: { instruction: { keyword } }, sources, heredocs, destination }: Transfer): void {
  if (sources.length + heredocs.length > 1 && !destination.endsWith("/")) throw fail("invalid", `When using ${keyword} with more than one source file, the destination must be a directory and end with a /`);
}

function readTransfer(scene: Scene): Transfer {
  const { instruction, state } = scene;
  const { sources, heredocs, destination } = transferOf(instruction);
  const word = expand(scene);
  const flag = (name: string): string => word(flagOf(instruction, name) ?? "");
  return {
    scene,
    add: instruction.keyword === "ADD",
    sources: sources.map(word),
    heredocs: heredocs.map((heredoc) => ({ name: heredoc.name, content: heredoc.quoted ? textOf(heredoc) : expandWord(textOf(heredoc), { lookup: lookup(scene), escape: "\\", quotes: "ignore", work: scene.scope.work }) })),
    destination: destinationPath(word(destination), (state.config["WorkingDir"] as string | undefined) ?? "/"),
    owner: flag("chown"),
    mode: parseMode(flag("chmod")),
    checksum: flag("checksum"),
    parents: isSet(instruction, "parents") === true,
    exclude: flagsOf(instruction, "exclude"),
    inputs: new Map(),
    name: stepName(scene),
  };
}

/** Absolute; a slash at the end says that it is a directory. */
function destinationPath(text: string, directory: string): string {
  const isDirectory = text === "" || text === "." || /(^|\/)\.?$/.test(text);
  const clean = posix.resolve("/", directory, text);
  return isDirectory && clean !== "/" ? `${clean}/` : clean;
}

/** Octal, or chmod's words. @throws invalid */
function parseMode(text: string): number | string | undefined {
  if (text === "") return undefined;
  const mode = /^[0-7]{1,11}$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
  if (mode <= 0o7777) return mode;
  if (/^\d+$/.test(text) || !SYMBOLIC.test(text)) throw fail("invalid", `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`);
  return text;
}

const SYMBOLIC = /^[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+(?:,[ugoa]*(?:[-+=](?:[rwxXst]*|[ugo]))+)*$/;

function checkTransfer({ sources, checksum, add }: Transfer): void {
  if (checksum === "") return;
  if (!add) throw fail("invalid", "checksum can't be specified for COPY");
  if (sources.length !== 1) throw fail("invalid", "checksum can't be specified for multiple sources");
  if (!isHttp(sources[0]!) && parseGitSource(sources[0]!) === undefined) throw fail("invalid", "checksum requires HTTP(S) or Git sources");
}

function sourceAction(transfer: Transfer, source: string, link: boolean): CopyAction {
  if (source === "") return localAction(transfer, source, link);
  if (isHttp(source)) return httpAction(transfer, source, link);
  const { instruction } = transfer.scene;
  const git = gitStep(source, { keepGitDir: isSet(instruction, "keep-git-dir"), checksum: transfer.checksum || undefined });
  if (git === undefined) return localAction(transfer, source, link);
  if (!transfer.add) throw fail("invalid", "source can't be a git ref for COPY");
  const from = place(transfer, addStep(transfer.scene, git, [], transfer.name));
  return action(transfer, { from, sources: ["."], unpack: false, link });
}

const isHttp = (source: string): boolean => /^https?:\/\//.test(source) && parseGitSource(source) === undefined;

function httpAction(transfer: Transfer, url: string, link: boolean): CopyAction {
  if (!transfer.add) throw fail("invalid", "source can't be a URL for COPY");
  const { checksum } = transfer;
  if (checksum !== "") checkDigest(checksum);
  const filename = fileOf(url);
  const op: HttpOp = { kind: "http", url, filename, ...(checksum !== "" && { checksum }) };
  const from = place(transfer, addStep(transfer.scene, op, [], transfer.name));
  return action(transfer, { from, sources: [filename], unpack: isSet(transfer.scene.instruction, "unpack") ?? false, link });
}

/** @throws invalid, in Docker's words */
function checkDigest(text: string): void {
  const [, algorithm = "", value = ""] = /^([^:]+):(.+)$/s.exec(text) ?? raise("invalid checksum digest format");
  const length = Object.hasOwn(DIGESTS, algorithm) ? DIGESTS[algorithm] : undefined;
  if (length === undefined && /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/.test(text)) raise("unsupported digest algorithm");
  if (length !== undefined && value.length !== length) raise("invalid checksum digest length");
  if (length === undefined || !/^[a-f0-9]+$/.test(value)) raise("invalid checksum digest format");
}

const DIGESTS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

const raise = (message: string): never => {
  throw fail("invalid", message);
};

const UNNAMED = "__unnamed__";

function fileOf(url: string): string {
  const path = URL.canParse(url) ? new URL(url).pathname : "";
  try {
    return posix.basename(decodeURIComponent(path)) || UNNAMED;
  } catch {
    return UNNAMED;
  }
}

function localAction(transfer: Transfer, source: string, link: boolean): CopyAction {
  const { scene, add, parents } = transfer;
  const sources = [parents ? pivoted(source) : contextPath(posix.join("/", source))];
  const unpack = isSet(scene.instruction, "unpack") ?? add;
  return action(transfer, { from: localSource(transfer, sources[0]!), sources, unpack, link });
}

/** "a/./b/c": what stands before the dot is where it is looked for, and is not kept. */
function pivoted(source: string): string {
  const at = source.indexOf("/./");
  if (at < 0) return contextPath(posix.join("/", source));
  const [before, after] = [contextPath(posix.join("/", source.slice(0, at))), contextPath(posix.join("/", source.slice(at + 3)))];
  return before === "." ? after : `${before}/./${after}`;
}

function localSource(transfer: Transfer, source: string): number {
  const { scene } = transfer;
  const { scope, stage, instruction, state } = scene;
  const from = scene.sources[0];
  if (from === undefined) {
    const context = mainContext(scope, state.platform);
    context.want(source.replace("/./", "/"));
    return place(transfer, context.step);
  }
  const other = sourceState(scope, from);
  if (other !== undefined) {
    scope.steps.want(other.step, source.replace("/./", "/"));
    return place(transfer, other.step);
  }
  throw fail("invalid", `cannot copy from stage ${JSON.stringify(flagOf(instruction, "from"))}, it needs to be defined before current stage ${JSON.stringify(stage.title)}`);
}

function place({ inputs }: Transfer, step: number): number {
  const there = inputs.get(step) ?? inputs.size + 1;
  inputs.set(step, there);
  return there;
}

/** Neighbours that are copied from one place in one way are one action. */
function joined(actions: readonly CopyAction[]): CopyAction[] {
  const result: (CopyAction & { sources: string[] })[] = [];
  for (const action of actions) {
    const last = result.at(-1);
    if (last?.from === action.from && last.unpack === action.unpack) last.sources.push(...action.sources);
    else result.push({ ...action, sources: [...action.sources] });
  }
  return result;
}

type Wish = Pick<CopyAction, "from" | "sources" | "unpack" | "link">;

function action({ destination, exclude, owner, mode, parents }: Transfer, wish: Wish): CopyAction {
  return { action: "copy", ...wish, destination, exclude, parents, ...(owner !== "" && { owner }), ...(mode !== undefined && { mode }), allowEmpty: true };
}

function fileAction({ destination, owner, mode }: Transfer, { name, content }: File): FileAction {
  return { action: "mkfile", path: destination, name: contextPath(posix.join("/", name)), data: content, mode: mode ?? 0o644, ...(owner !== "" && { owner }) };
}

/** With --link the files are a layer of their own, whatever lies below: it is put on top of that. On nothing it is the layer. */
function perform(transfer: Transfer, op: FileOp, link: boolean): number {
  const { scene, name } = transfer;
  const inputs = [...transfer.inputs.keys()];
  const { steps } = scene.scope;
  if (!link || steps.list[scene.state.step]!.op.kind === "scratch") return advance(scene, op, inputs, name);
  const scratch = steps.add({ op: { kind: "scratch" }, inputs: [], name: "FROM scratch", platform: scene.state.platform });
  const own = addStep(scene, op, [scratch, ...inputs], name, { name, weak: true });
  return advance(scene, { kind: "merge" }, [own], name.replace(/^(\[[^\]]*\] )?/, (prefix) => `${prefix}LINK `), { name, weak: false });
}

/** As BuildKit tells it: flags that matter for the layer, sources, destination as it was written. */
function historyText({ scene, add, sources, heredocs, parents }: Transfer): string {
  const { instruction } = scene;
  const word = expand(scene);
  const flags = [
    parents ? "--parents" : "",
    ...["chown", "chmod"].map((name) => word(flagOf(instruction, name) ?? "") && `--${name}=${word(flagOf(instruction, name)!)}`),
  ].filter(Boolean);
  const destination = word(transferOf(instruction).destination);
  return [add ? "ADD" : "COPY", ...flags, ...sources, ...heredocs.map(({ name }) => `<<${name}`), destination].join(" ");
}
