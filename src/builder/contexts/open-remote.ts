/** A context that is a URL: a repository, an archive, or a Dockerfile alone. */
import { createReadStream } from "node:fs";
import { fail } from "#base/errors.ts";
import { detectCompression } from "#base/streams.ts";
import { tarReader } from "#base/tar.ts";
import type { OpenRemote, RemoteOptions } from "../build.ts";
import type { HttpOp } from "../graph.ts";
import { gitStep } from "../plan/git.ts";
import type { FileEntry, FileTree } from "../tree.ts";
import type { Contexts } from "./contexts.ts";
import type { GitSources } from "./git/git.ts";
import { type HttpSources, withoutSecrets } from "./http/http.ts";

export type RemoteParts = { readonly contexts: Contexts; readonly git: GitSources; readonly http: HttpSources };

export type OpenFile = (url: string, filename: string, options: RemoteOptions) => Promise<FileTree>;

const DOCKERFILE = "Dockerfile";

export function remoteOpener({ contexts, git, http }: RemoteParts): OpenRemote {
  return async (url, options) => {
    const context = { ...options, log: () => undefined, progress: () => undefined };
    const op = gitStep(withScheme(url), { keepGitDir: options.keepGitDir || undefined });
    if (op !== undefined) return { tree: await git.tree(op, context, await git.key(op, context)), op };
    if (!/^https?:\/\//i.test(url)) throw fail("invalid", `unable to prepare context: ${JSON.stringify(withoutSecrets(url))} is neither a repository nor a URL`);
    const download: HttpOp = { kind: "http", url, filename: "context" };
    const file = (await http.tree(download, context, await http.key(download, context))).entries[0]!;
    if (await isArchive(contexts, file)) return { tree: await unpacked(contexts, file, options.signal), op: download };
    return { tree: await contexts.fromFile(DOCKERFILE, bytesOf(contexts, file), { signal: options.signal }), dockerfile: DOCKERFILE };
  };
}

/** As Docker's older clients write it: "github.com/USER/REPOSITORY". */
function withScheme(url: string): string {
  const [, path = "", rest = ""] = /^(github\.com\/[^?#]+)(.*)$/s.exec(url) ?? [];
  return path === "" ? url : `https://${path.replace(/(?:\.git)?\/*$/, "")}.git${rest}`;
}

async function unpacked(contexts: Contexts, file: FileEntry, signal: AbortSignal): Promise<FileTree> {
  const key = `unpacked ${file.digest}`;
  const known = await contexts.noted(key);
  if (known !== undefined) return known;
  const tree = await contexts.fromArchive(bytesOf(contexts, file), { signal });
  await contexts.note(key, tree);
  return tree;
}

const BLOCK = 512;

async function isArchive(contexts: Contexts, file: FileEntry): Promise<boolean> {
  let head: Buffer = Buffer.alloc(0);
  for await (const chunk of bytesOf(contexts, file, BLOCK)) head = Buffer.concat([head, chunk]);
  if (detectCompression(head) !== "none") return true;
  if (head.length < BLOCK) return false;
  try {
    for (const _ of tarReader().push(head));
    return true;
  } catch {
    return false;
  }
}

/** Of a file's bytes those from `from` on, `limit` at most. */
export function bytesOf({ pool }: Pick<Contexts, "pool">, { digest }: FileEntry, limit = Infinity, from = 0): AsyncIterable<Buffer> {
  const { path, offset, length } = pool.place(digest!);
  const size = Math.min(length - from, limit);
  return size <= 0 ? nothing() : createReadStream(path, { start: offset + from, end: offset + from + size - 1, highWaterMark: 2 ** 18 });
}

/** A URL's file as it is. */
export function fileOpener({ http }: Pick<RemoteParts, "http">): OpenFile {
  return async (url, filename, options) => {
    const context = { ...options, log: () => undefined, progress: () => undefined };
    const download: HttpOp = { kind: "http", url, filename };
    return await http.tree(download, context, await http.key(download, context));
  };
}

async function* nothing(): AsyncGenerator<Buffer> {}
