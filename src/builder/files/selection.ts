/**
 * Performers.selection: what a COPY takes of a tree, as a digest of names, kinds, modes, owners, links and bytes; times do not
 * count. A context's bytes are known by their digests; a stage's are read, once a snapshot and path.
 */
import { hasher, sha256 } from "#base/digest.ts";
import { fail, Failure } from "#base/errors.ts";
import { takeTurns } from "#base/turns.ts";
import type { Digest } from "#spec/digest.ts";
import type { Performers } from "../solve/solve.ts";
import type { Tree } from "../tree.ts";
import type { FilesParts } from "./files.ts";
import { hashFiles } from "./hash-files.ts";
import { cleanPath, encodeName } from "./names.ts";
import { type Match, select } from "./select.ts";
import { openSource, type SourceEntry } from "./source.ts";

/** Digests of what stages hold that are remembered: few bytes each. */
const REMEMBERED = 4096;

export function openSelections(parts: FilesParts): Performers["selection"] {
  const known = new Map<string, Digest>();
  return async (tree, sources, { exclude, signal, parents = false }) => {
    const key = tree.kind === "layers" ? JSON.stringify([tree.snapshot ?? "", sources, exclude, parents]) : undefined;
    const remembered = key === undefined ? undefined : known.get(key);
    if (remembered !== undefined) return remembered;
    const digest = await digestOf(parts, tree, { sources, exclude, parents, signal });
    if (key !== undefined) known.set(key, digest);
    if (known.size > REMEMBERED) known.delete(known.keys().next().value!);
    return digest;
  };
}

type Selecting = { readonly sources: readonly string[]; readonly exclude: readonly string[]; readonly parents: boolean; readonly signal: AbortSignal };

async function digestOf(parts: FilesParts, tree: Tree, { sources, exclude, parents, signal }: Selecting): Promise<Digest> {
  const isWhole = sources.every((words) => cleanPath(words) === "") && exclude.length === 0;
  if (tree.kind === "files" && isWhole) return tree.digest;
  const source = openSource({ ...parts, signal }, tree);
  const hash = hasher();
  const turns = takeTurns();
  for (const words of sources) {
    const matches = await select(source, words, { exclude, parents, allowEmpty: true }).catch((error: unknown) => { throw asDocker(error, tree); });
    const bytes = tree.kind === "layers" ? await hashFiles(parts, tree, matches, signal) : undefined;
    hash.update(Buffer.from(`source\0${matches.length}\n`));
    for (const { name, entries } of matches) {
      hash.update(encodeName(`match\0${name}\0${entries.length}\n`));
      const links = new Map<string, string>();
      for (let at = 0; at < entries.length; at += SLICE) {
        const wait = turns(Math.min(SLICE, entries.length - at));
        if (wait !== undefined) await wait;
        const lines = entries.slice(at, at + SLICE).map((entry) => lineOf(entry, tree.kind, { links, digest: entry.digest ?? bytes?.get(entry.at) }));
        hash.update(encodeName(lines.join("")));
      }
    }
  }
  return hash.digest();
}

const SLICE = 1000;

type Told = { readonly links: Map<string, string>; readonly digest: Digest | undefined };

/**
 * Neither names nor links hold NUL, so no part can be taken for another one. Of a context owners say nothing: what is copied of
 * it is root's, or whose the step says.
 */
function lineOf({ path, type, mode, uid, gid, size, link, device, xattrs, inode }: SourceEntry, kind: Tree["kind"], { links, digest }: Told): string {
  const first = inode === undefined ? undefined : links.get(inode);
  if (inode !== undefined && first === undefined) links.set(inode, path);
  const owner = kind === "layers" ? `${uid}:${gid}` : "";
  const content = type === "file" ? `${size} ${digest}` : device === undefined ? "" : `${device.major}:${device.minor}`;
  const attributes = xattrs === undefined ? "" : xattrs.map(([name, value]) => `${name}=${Buffer.from(value).toString("hex")}\0`).join("");
  return `${path}\0${type}\0${type === "symlink" ? 0 : mode} ${owner} ${content}\0${link ?? ""}\0${first ?? ""}\0${attributes}\n`;
}

/** BuildKit's words, of which the step's are the shorter ones; `facts.missing` is for doors that have others. */
function asDocker(error: unknown, tree: Tree): unknown {
  if (!(error instanceof Failure) || error.facts["missing"] === undefined) return error;
  const missing = String(error.facts["missing"]);
  const name = tree.kind === "files" ? tree.digest : sha256(tree.snapshot ?? "");
  const ofStep = `failed to calculate checksum of ref ${name.slice(7, 32)}: "/${cleanPath(missing)}": not found`;
  return fail("not-found", `failed to compute cache key: ${ofStep}`, { cause: error, facts: { missing, ofStep } });
}
