/**
 * Where the Dockerfile and the files come from: a folder, standard input (an archive, or a Dockerfile), a git repository, a
 * URL; and the contexts that have names.
 */
import { readFileSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { fail } from "#base/errors.ts";
import { familiarRepository, parseReference } from "#spec/reference.ts";
import type { Folder, Offers } from "../build.ts";
import { readAhead } from "../files/folder.ts";
import { newId } from "../id.ts";
import { findInLayout } from "../layout.ts";
import { looksLikeArchive, type Input, openInput, readAll } from "./input.ts";

export type Sources = {
  readonly attributes: Readonly<Record<string, string>>;
  readonly folders: Offers["folders"];
  readonly uploads: Offers["uploads"];
  readonly stores: Offers["stores"];
  /** What the context is, so that the engine knows it again. */
  readonly sharedKey: string;
  /** The Dockerfile as messages name it. */
  readonly dockerfile: string;
};

export type SourceOptions = { readonly context: string; readonly file: string; readonly contexts: readonly string[] };

/** @throws invalid, not-found */
export async function findSources({ context, file, contexts }: SourceOptions): Promise<Sources> {
  if (context === "-" && file === "-") throw fail("invalid", "invalid argument: can't use stdin for both build context and dockerfile");
  const named = namedContexts(contexts);
  const main = await mainContext(context, file);
  // In place of the folder there may be something else, which has a Dockerfile of its own, or none.
  const { dockerfilekey, ...others } = main.attributes;
  const attributes = "context:context" in named.attributes && dockerfilekey === TOGETHER.dockerfilekey ? others : main.attributes;
  return {
    ...main,
    attributes: { ...attributes, ...named.attributes, ...(contexts.length === 0 ? {} : { "frontend.caps": "moby.buildkit.frontend.contexts+forward" }) },
    folders: new Map([...main.folders, ...named.folders]),
    stores: named.stores,
  };
}

const NOTHING = { uploads: new Map<string, AsyncIterable<Uint8Array>>(), stores: new Map<string, string>(), sharedKey: "" };
/** The Dockerfile is not in the context: it is a folder by itself. */
const SEPARATE = { dockerfilekey: "dockerfile" };
/** It is, and comes with the context's .dockerignore at once. */
const TOGETHER = { dockerfilekey: "context" };

async function mainContext(context: string, file: string): Promise<Sources> {
  if (context === "-") return fromInput(await openInput(), file);
  if (statSync(context, { throwIfNoEntry: false })?.isDirectory()) return fromFolder(context, file);
  if (!isRemote(context)) throw fail("not-found", `unable to prepare context: path ${JSON.stringify(context)} not found`);
  const remote = { ...NOTHING, attributes: { context }, folders: new Map<string, Folder>() };
  if (file === "") return { ...remote, attributes: { ...remote.attributes, filename: "Dockerfile" }, dockerfile: "Dockerfile" };
  if (file !== "-" && !isAbsolute(file) && !isUrl(file)) return { ...remote, attributes: { ...remote.attributes, filename: file }, dockerfile: file };
  const { folder, name } = await dockerfileFrom(file, "");
  return { ...remote, attributes: { ...remote.attributes, filename: name, ...SEPARATE }, folders: new Map([["dockerfile", folder]]), dockerfile: file };
}

async function fromFolder(context: string, file: string): Promise<Sources> {
  const { folder, name, isMade } = await dockerfileFrom(file, context);
  return {
    ...NOTHING,
    attributes: { filename: name, ...(basename(resolve(context)) !== "" && { "context-name": basename(resolve(context)) }), ...(isMade ? SEPARATE : file === "" ? TOGETHER : {}) },
    folders: new Map([["context", { path: context, ...(isCopiedWhole(context, folder, name) && { ahead: readAhead(context) }) }], ["dockerfile", folder]]),
    sharedKey: resolve(context),
    dockerfile: file || join(context, name),
  };
}

async function fromInput(input: Input, file: string): Promise<Sources> {
  if (looksLikeArchive(input.head)) {
    const id = newId();
    const attributes = { context: `http://buildkit-session/${id}`, filename: file || "Dockerfile" };
    return { ...NOTHING, attributes, folders: new Map(), uploads: new Map([[id, input.stream]]), dockerfile: attributes.filename };
  }
  if (file !== "") throw fail("invalid", "ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles");
  const folders = new Map<string, Folder>([["context", { files: new Map() }], ["dockerfile", { files: new Map([["Dockerfile", await readAll(input)]]) }]]);
  return { ...NOTHING, attributes: { filename: "Dockerfile", ...SEPARATE }, folders, dockerfile: "-" };
}

/** `isMade`: it exists only here. */
async function dockerfileFrom(file: string, context: string): Promise<{ folder: Folder; name: string; isMade: boolean }> {
  if (file === "") return { folder: { path: context }, name: defaultName(context), isMade: false };
  if (file === "-") return { folder: { files: new Map([["Dockerfile", await readAll(await openInput())]]) }, name: "Dockerfile", isMade: true };
  if (isUrl(file)) {
    const answer = await fetch(file);
    if (!answer.ok) throw fail("invalid", `read the Dockerfile from ${file}: ${answer.status} ${answer.statusText}`);
    return { folder: { files: new Map([["Dockerfile", new Uint8Array(await answer.arrayBuffer())]]) }, name: "Dockerfile", isMade: true };
  }
  const path = resolve(file);
  if (!statSync(dirname(path), { throwIfNoEntry: false })?.isDirectory()) throw fail("not-found", `unable to evaluate symlinks in Dockerfile path: lstat ${path}: no such file or directory`);
  return { folder: { path: dirname(path) }, name: basename(path), isMade: false };
}

/** People write it in small letters, too. */
function defaultName(context: string): string {
  const exists = (name: string) => statSync(join(context, name), { throwIfNoEntry: false }) !== undefined;
  return !exists("Dockerfile") && exists("dockerfile") ? "dockerfile" : "Dockerfile";
}

const MAX_LOOKED_AT = 2 ** 20;

/** The Dockerfile copies all of the context, as it seems, and nothing is ignored, which nobody may look at. */
function isCopiedWhole(context: string, folder: Folder, name: string): boolean {
  const isThere = (path: string) => statSync(path, { throwIfNoEntry: false }) !== undefined;
  if (!("path" in folder) || isThere(join(context, ".dockerignore")) || isThere(join(folder.path, `${name}.dockerignore`))) return false;
  const found = statSync(join(folder.path, name), { throwIfNoEntry: false });
  if (found?.isFile() !== true || found.size > MAX_LOOKED_AT) return false;
  const lines = readFileSync(join(folder.path, name), "latin1").match(/^[ \t]*(?:COPY|ADD)[ \t].*$/gim) ?? [];
  return lines.some((line) => /[ \t]\.\/?[ \t]+\S/.test(line) && !/[ \t]--from=/i.test(line));
}

const isUrl = (text: string): boolean => /^https?:\/\//.test(text);

/** A URL, "github.com/…", or ssh's own way to write one: "git@host:path". */
const isRemote = (text: string): boolean => /^(?:https?|git|ssh):\/\//.test(text) || text.startsWith("github.com/") || /^[\w.-]+@[\w.-]+:/.test(text);

type Named = { readonly attributes: Record<string, string>; readonly folders: [string, Folder][]; readonly stores: Map<string, string> };

function namedContexts(texts: readonly string[]): Named {
  const stores = new Map<string, string>();
  const attributes: Record<string, string> = {};
  const folders: [string, Folder][] = [];
  for (const text of texts) {
    const equals = text.indexOf("=");
    if (equals < 0) throw fail("invalid", `invalid context value: ${text}, expected key=value`);
    const [name, value] = [contextName(text.slice(0, equals)), text.slice(equals + 1)];
    if (value.startsWith("oci-layout://")) {
      const { folder, reference } = layoutOf(value);
      const id = newId();
      stores.set(`oci:${id}`, folder);
      attributes[`context:${name}`] = `oci-layout://${id}${reference}`;
      continue;
    }
    if (isRemote(value) || /^(?:docker-image|target):/.test(value)) {
      attributes[`context:${name}`] = value;
      continue;
    }
    const found = statSync(value, { throwIfNoEntry: false });
    if (!found?.isDirectory()) throw fail("not-found", `failed to get build context ${name}: stat ${value}: ${found === undefined ? "no such file or directory" : "not a directory"}`);
    const local = name === "context" || name === "dockerfile" ? `_${name}` : name;
    attributes[`context:${name}`] = `local:${local}`;
    folders.push([local, { path: value }]);
  }
  return { attributes, folders, stores };
}

/** "oci-layout://folder:tag@digest": the digest is looked up where it is not said. */
function layoutOf(value: string): { folder: string; reference: string } {
  const [, folder = "", tag = "latest", digest] = /^oci-layout:\/\/(.*?)(?::([\w.-]+))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(value) ?? [];
  const found = digest ?? findInLayout(folder, tag);
  if (found === undefined) throw fail("not-found", `oci-layout reference ${JSON.stringify(value)} could not be resolved`);
  return { folder, reference: `:${tag}@${found}` };
}

/** Names of contexts are compared as images' are: "app" is "app:latest". */
function contextName(name: string): string {
  const reference = parseReference(name);
  const tag = reference.tag === undefined || reference.tag === "latest" ? "" : `:${reference.tag}`;
  return `${familiarRepository(reference)}${tag}${reference.digest === undefined ? "" : `@${reference.digest}`}`;
}
