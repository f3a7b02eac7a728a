/**
 * Git repositories as trees. The key first: the commit that a ref leads to now, so that a ref that did not move fetches
 * nothing. Then that one commit, by the host's git in a sandbox; what it has written is read as an archive, as hostile as any.
 *
 * Times of files are the commit's, and owners root: a commit is the same tree whenever it is fetched.
 */
import { posix } from "node:path";
import { fail } from "#base/errors.ts";
import { sha256 } from "#base/digest.ts";
import { enterFolder } from "#core/inside.ts";
import type { GitOp } from "../../graph.ts";
import type { SourceContext } from "../source-context.ts";
import type { FileEntry, FileTree } from "../../tree.ts";
import type { Contexts } from "../contexts.ts";
import { resolveEntry } from "../follow.ts";
import { authorization } from "./authorization.ts";
import { type Agent, openAgent } from "./agent.ts";
import { checkRef, checkRemote, type GitRemote, isCommit } from "./check-remote.ts";
import { openSandbox, type Sandbox, type SandboxParts } from "../../sandbox/sandbox.ts";
import { CHECKOUT, CONFIG, ENVIRONMENT, RESOLVE } from "./scripts.ts";

export type GitParts = {
  readonly sandboxes: SandboxParts;
  readonly contexts: Contexts;
  readonly proxies: () => { readonly http: string; readonly https: string; readonly no: string };
};

export type GitSources = {
  key(op: GitOp, context: SourceContext): Promise<string>;
  /** `key`: what was said of the op. */
  tree(op: GitOp, context: SourceContext, key: string): Promise<FileTree>;
};

type Found = { readonly commit: string; /** Its full name on the server; "": it was asked for as a commit. */ readonly ref: string };

export function openGit(parts: GitParts): GitSources {
  /** What a ref led to, asked once a build. */
  const resolved = new WeakMap<object, Map<string, Promise<Found>>>();
  const resolve = (op: GitOp, context: SourceContext): Promise<Found> => {
    const known = resolved.get(context.client) ?? new Map<string, Promise<Found>>();
    resolved.set(context.client, known);
    const name = JSON.stringify([op.url, op.ref, op.checksum]);
    const found = known.get(name) ?? resolveRef(parts, op, context);
    known.set(name, found);
    found.catch(() => known.delete(name));
    return found;
  };
  /** What keys stand for, besides the commit that they name. */
  const founds = new Map<string, Found>();
  return {
    async key(op, context) {
      const found = await resolve(op, context);
      const key = keyOf(op, found);
      founds.delete(key);
      founds.set(key, found);
      if (founds.size > MOST_FOUNDS) founds.delete(founds.keys().next().value!);
      return key;
    },
    async tree(op, context, key) {
      const known = await parts.contexts.noted(`git ${key}`);
      if (known !== undefined) return known;
      const tree = await checkOut(parts, op, founds.get(key) ?? { commit: commitIn(key), ref: "" }, context);
      await parts.contexts.note(`git ${key}`, tree);
      return tree;
    },
  };
}

const MOST_FOUNDS = 1000;

/** A submodule may be named relative to the repository: so whose commit it is counts, but nobody's password. */
function keyOf({ url, subdir, keepGitDir, submodules = true }: GitOp, { commit, ref }: Found): string {
  const shape = [...(keepGitDir ? [`.git#${ref}`] : []), ...(submodules ? [] : ["-submodules"]), ...(subdir === "" ? [] : [`:${subdir}`])].join("");
  return `${sha256(checkRemote(url).url)} ${commit}${shape}`;
}

function commitIn(key: string): string {
  const commit = /^sha256:[0-9a-f]{64} ([0-9a-f]{40}(?:[0-9a-f]{24})?)/.exec(key)?.[1];
  if (commit === undefined) throw new TypeError("fetch a commit: the key is none of gitKey's");
  return commit;
}

async function resolveRef(parts: GitParts, op: GitOp, context: SourceContext): Promise<Found> {
  const remote = checkRemote(op.url);
  const asked = op.ref !== "" ? checkRef(op.ref) : isCommit(op.checksum ?? "") ? op.checksum! : "";
  const found = isCommit(asked) ? { commit: asked, ref: "" } : await askServer(parts, remote, asked, context);
  if (op.checksum !== undefined && !found.commit.startsWith(op.checksum.toLowerCase())) {
    throw fail("invalid", `expected checksum to match ${op.checksum}, got ${found.commit}`);
  }
  return found;
}

async function askServer(parts: GitParts, remote: GitRemote, asked: string, context: SourceContext): Promise<Found> {
  await using stack = new AsyncDisposableStack();
  const { run } = await prepare(parts, remote, context, stack);
  const stdout = await run(RESOLVE, [remote.url, asked]);
  const lines = stdout.toString().split("\n").map((line) => line.split("\t"));
  const found = asked === "" ? defaultBranch(lines) : findRef(lines, asked);
  if (found === undefined) {
    throw fail("not-found", asked === "" ? `could not find default branch for repository: ${remote.url}` : `repository does not contain ref ${asked}`);
  }
  return { commit: found.commit, ref: checkRef(found.ref) };
}

/** "ref: refs/heads/main\tHEAD" and "COMMIT\tHEAD". */
function defaultBranch(lines: readonly string[][]): Found | undefined {
  const commit = lines.find(([first = "", name]) => name === "HEAD" && isCommit(first))?.[0];
  const ref = lines.find(([first = "", name]) => name === "HEAD" && first.startsWith("ref: "))?.[0]?.slice("ref: ".length);
  return commit === undefined ? undefined : { commit, ref: ref ?? "HEAD" };
}

/** A branch before a tag of the same name, as git-checkout does; of a tag that is an object, what it points to. */
function findRef(lines: readonly string[][], asked: string): Found | undefined {
  const names = [`refs/${asked.replace(/^refs\//, "")}`, `refs/heads/${asked.replace(/^refs\/heads\//, "")}`, `refs/tags/${asked.replace(/^refs\/tags\//, "")}`];
  for (const ref of names) {
    const commit = [`${ref}^{}`, ref].map((name) => lines.find((line) => line[1] === name)?.[0]).find((id) => id !== undefined);
    if (commit !== undefined && isCommit(commit)) return { commit, ref };
  }
  return undefined;
}

async function checkOut(parts: GitParts, op: GitOp, { commit, ref }: Found, context: SourceContext): Promise<FileTree> {
  await using stack = new AsyncDisposableStack();
  const remote = checkRemote(op.url);
  const { run, sandbox } = await prepare(parts, remote, context, stack);
  const keepsGitDir = op.keepGitDir && op.subdir === "";
  const stdout = await run(CHECKOUT, [remote.url, commit, ref === "HEAD" ? "" : ref, keepsGitDir ? "1" : "0", op.submodules === false ? "0" : "1"]);
  const seconds = /^(\d{1,12})$/m.exec(stdout.toString())?.[1] ?? "0";
  const tree = await readTree(parts, sandbox, { mtime: BigInt(seconds) * 1_000_000_000n, signal: context.signal });
  return op.subdir === "" ? tree : await subtree(parts, tree, op.subdir);
}

async function readTree({ sandboxes: { kernel }, contexts }: GitParts, sandbox: Sandbox, { mtime, signal }: { mtime: bigint; signal: AbortSignal }): Promise<FileTree> {
  await using reader = await kernel.read([...enterFolder(sandbox.tree), { op: "archive", path: "work" }], { signal });
  return await contexts.fromArchive(reader.bytes, { signal, map: (entry) => ({ ...entry, uid: 0, gid: 0, mtime }) });
}

/** Links on the way are followed inside the repository only (BLD-06). */
async function subtree({ contexts }: GitParts, tree: FileTree, subdir: string): Promise<FileTree> {
  const found = resolveEntry(tree, posix.join("/", subdir));
  if (found?.type !== "directory") throw fail("not-found", `failed to open subdir ${JSON.stringify(subdir)} of the repository: ${found === undefined ? "no such directory" : "not a directory"}`);
  return contexts.below(tree, found.path);
}

type Prepared = { readonly sandbox: Sandbox; readonly run: (script: string, args: readonly string[]) => Promise<Buffer> };

/** A sandbox with what the client lends: a header for its server, or an agent's socket. */
async function prepare(parts: GitParts, remote: GitRemote, context: SourceContext, stack: AsyncDisposableStack): Promise<Prepared> {
  const { signal } = context;
  const sandbox = stack.use(await openSandbox(parts.sandboxes));
  const agent: Agent | undefined = remote.scheme === "ssh" ? await openAgent(sandbox.tree, context) : undefined;
  if (agent !== undefined) stack.use(agent);
  const header = await authorization(remote, context);
  const { http, https, no } = parts.proxies();
  const env = {
    ...ENVIRONMENT,
    ...(http !== "" && { http_proxy: http }),
    ...(https !== "" && { https_proxy: https }),
    ...(no !== "" && { no_proxy: no }),
    ...(agent !== undefined && { SSH_AUTH_SOCK: agent.inside }),
    ...(header !== undefined && { GANTRY_AUTH: header.value, GANTRY_SCOPE: header.scope }),
  };
  const run = async (script: string, args: readonly string[]) => {
    const { code, stdout, stderr } = await sandbox.run({ script: CONFIG + script, args, env, signal, log: (bytes) => context.log(2, bytes) });
    if (code !== 0) throw gitFailure(remote, code, stderr.toString());
    return stdout;
  };
  return { sandbox, run };
}

const MAX_SAID = 2000;

function gitFailure({ url }: GitRemote, code: number, said: string): Error {
  if (code === 127) return fail("not-implemented", `failed to fetch remote ${url}: git is not installed on this machine`);
  const text = said.replace(/[^\n\x20-\x7e\u00a0-\uffff]/g, "").trim();
  return fail("unavailable", `failed to fetch remote ${url}: git exited with ${code}: ${text.slice(-MAX_SAID)}`);
}
