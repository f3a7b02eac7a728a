/**
 * Downloads as trees of one file (ADD https://…, contexts by URL). The key first: what the server says by entity tag or
 * time of change is unchanged is not sent again; otherwise the key is the digest of what came.
 */
import { createHash, hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { fail } from "#base/errors.ts";
import { atMost, CHUNK, tap } from "#base/streams.ts";
import { type Connections, openConnections } from "#transfer/http/connections.ts";
import type { HttpOp } from "../../graph.ts";
import type { SourceContext } from "../source-context.ts";
import type { FilePlace, FileTree } from "../../tree.ts";
import type { Contexts } from "../contexts.ts";
import { fileNameOf } from "./file-name.ts";
import { ask, type AskOptions, type Proxies } from "./ask.ts";

export type HttpParts = { readonly contexts: Contexts; /** A folder of its own. */ readonly folder: string; readonly proxies: () => Proxies };

export type HttpSources = Disposable & {
  key(op: HttpOp, context: SourceContext): Promise<string>;
  /** `key`: what was said of the op. */
  tree(op: HttpOp, context: SourceContext, key: string): Promise<FileTree>;
};

/** What is known of a URL since the last time. */
type Known = { readonly etag: string; readonly modified: string; readonly key: string };

const MAX_BYTES = 64 * 2 ** 30;
const MODE = 0o600;

export async function openHttp(parts: HttpParts): Promise<HttpSources> {
  await mkdir(parts.folder, { recursive: true, mode: 0o700 });
  const connections = openConnections();
  /** What a URL came to, asked once a build. */
  const asked = new WeakMap<object, Map<string, Promise<string>>>();
  const keyOf = (op: HttpOp, context: SourceContext): Promise<string> => {
    const known = asked.get(context.client) ?? new Map<string, Promise<string>>();
    asked.set(context.client, known);
    const name = JSON.stringify([op.url, op.filename, op.mode]);
    const found = known.get(name) ?? bring(parts, connections, op, context);
    known.set(name, found);
    found.catch(() => known.delete(name));
    return found;
  };
  return {
    async key(op, context) {
      // Nobody needs to be asked what it must be.
      if (op.checksum !== undefined) return `${op.checksum} ${shapeOf(op, fileNameOf(urlOf(op), op.filename, undefined))}`;
      return await keyOf(op, context);
    },
    async tree(op, context, key) {
      const known = await parts.contexts.noted(`http ${key}`);
      if (known !== undefined) return known;
      // Either it was not asked for yet, or it went meanwhile.
      const came = await bring(parts, connections, op, context);
      const tree = await parts.contexts.noted(`http ${came}`);
      if (tree === undefined) throw fail("unavailable", `download ${withoutSecrets(op.url)}: it went while it was used`);
      await checkSum(parts.contexts, tree, op);
      if (op.checksum === undefined && came !== key) throw fail("unavailable", `download ${withoutSecrets(op.url)}: it changed while it was used`);
      if (came !== key) await parts.contexts.note(`http ${key}`, tree);
      return tree;
    },
    [Symbol.dispose]: () => connections[Symbol.dispose](),
  };
}

const shapeOf = ({ mode = MODE }: HttpOp, filename: string): string => `${mode.toString(8)} ${filename}`;
export const withoutSecrets = (url: string): string => url.replace(/^([a-z]+:\/\/)[^/]*@/i, "$1").replace(/[?#].*$/s, "");

function urlOf(op: HttpOp): URL {
  const url = URL.parse(op.url);
  if (url === null || !/^https?:$/.test(url.protocol)) throw fail("invalid", `download ${JSON.stringify(withoutSecrets(op.url))}: it is no http or https URL`);
  return url;
}

/** Asks, takes what is new, and resolves to the key under which the tree is noted. */
async function bring(parts: HttpParts, connections: Connections, op: HttpOp, context: SourceContext): Promise<string> {
  const { contexts, folder } = parts;
  const url = urlOf(op);
  const path = `${folder}/${hash("sha256", JSON.stringify([op.url, op.filename, op.mode]), "hex")}`;
  const known = await readKnown(path);
  const usable = known !== undefined && (await contexts.noted(`http ${known.key}`)) !== undefined;
  const options: AskOptions = { connections, proxies: parts.proxies(), context };
  const answer = await ask(url, usable ? conditions(known) : {}, options);
  if (answer.status === 304 && usable) {
    answer.drop();
    return known.key;
  }
  if (answer.status < 200 || answer.status >= 300) {
    answer.drop();
    throw fail(answer.status === 404 ? "not-found" : "unavailable", `download ${withoutSecrets(op.url)}: invalid response status ${answer.status}`, { facts: { status: answer.status } });
  }
  const filename = fileNameOf(url, op.filename, answer.headers["content-disposition"]);
  const modified = answer.headers["last-modified"] ?? "";
  const total = Number(answer.headers["content-length"] ?? 0);
  let current = 0;
  const watch = atMost(MAX_BYTES, withoutSecrets(op.url));
  const bytes = tap(answer.read({ limit: MAX_BYTES }), (chunk) => {
    watch(chunk);
    current += chunk.length;
    context.progress({ id: filename, name: filename, current, total });
  });
  const tree = await contexts.fromFile(filename, bytes, { signal: context.signal, mode: op.mode ?? MODE, mtime: timeOf(modified) });
  const key = `${tree.entries[0]!.digest} ${shapeOf(op, filename)}`;
  await contexts.note(`http ${key}`, tree);
  await writeKnown(path, { etag: answer.headers.etag ?? "", modified, key });
  return key;
}

/** By the algorithm that the checksum names: the pool's own is SHA-256. @throws invalid */
async function checkSum(contexts: Contexts, tree: FileTree, { url, checksum }: HttpOp): Promise<void> {
  if (checksum === undefined) return;
  using _ = contexts.hold(tree);
  const own = tree.entries[0]!.digest!;
  const algorithm = checksum.slice(0, checksum.indexOf(":"));
  const digest = algorithm === "sha256" ? own : `${algorithm}:${await hashOf(contexts.pool.place(own), algorithm)}`;
  if (digest !== checksum) throw fail("invalid", `digest mismatch for ${withoutSecrets(url)}: ${digest} (expected: ${checksum})`, { facts: { url: withoutSecrets(url) } });
}

async function hashOf({ path, offset, length }: FilePlace, algorithm: string): Promise<string> {
  const state = createHash(algorithm);
  if (length > 0) for await (const chunk of createReadStream(path, { start: offset, end: offset + length - 1, highWaterMark: CHUNK })) state.update(chunk as Buffer);
  return state.digest("hex");
}

function conditions({ etag, modified }: Known): Record<string, string> {
  if (etag !== "") return { "if-none-match": etag };
  return modified === "" ? {} : { "if-modified-since": modified };
}

/** The epoch where the server does not say. */
function timeOf(modified: string): bigint {
  const time = Date.parse(modified);
  return Number.isNaN(time) ? 0n : BigInt(time) * 1_000_000n;
}

async function readKnown(path: string): Promise<Known | undefined> {
  try {
    const { etag, modified, key } = JSON.parse(await readFile(path, "utf8")) as Partial<Known>;
    return typeof etag === "string" && typeof modified === "string" && typeof key === "string" ? { etag, modified, key } : undefined;
  } catch {
    return undefined;
  }
}

let serial = 0;

async function writeKnown(path: string, known: Known): Promise<void> {
  const unfinished = `${path}.${serial++}.new`;
  await writeFile(unfinished, JSON.stringify(known), { mode: 0o600 });
  await rename(unfinished, path);
}
