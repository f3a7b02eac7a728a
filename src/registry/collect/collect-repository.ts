/**
 * One repository: tags by retention, manifests that nothing names, links of blobs that no manifest needs.
 *
 * Links go in three steps: a note of what goes (so that a collection that dies here is made good by the next one); the links
 * go; tags and manifests are read again, and what they need comes back. A push writes first and looks at what it needs
 * afterwards: either it finds the link gone and makes it again, or we find what it wrote.
 */
import { randomBytes } from "node:crypto";
import type { Digest } from "../store/digest.ts";
import type { Storage } from "../storage/storage.ts";
import { catalogKey, digestOf, lastOf, linkKey, linksPrefix, manifestKey, pulledKey, referrerKey, repositoryOf } from "../store/keys.ts";
import type { Collection } from "./collect.ts";
import { blobsOf, reachable, readGraph, readNode, type Graph, type Node } from "./graph.ts";
import type { RetentionRules } from "./retention.ts";

/** A link as it was: its key, and its content in base64. */
type Taken = { readonly key: string; readonly content: string; readonly version: string };

export async function collectRepository(collection: Collection, repository: string, retention: RetentionRules): Promise<void> {
  const { storage, dryRun } = collection;
  let graph: Graph;
  try {
    graph = await readGraph(storage, repository);
  } catch (error) {
    collection.log.warn("a repository is left as it is: one of its manifests cannot be read", { repository, error });
    return;
  }
  graph = await collectTags(collection, repository, { graph, retention });
  const manifests = await manifestsThatGo(collection, repository, graph);
  const links = await linksThatGo(collection, repository, { graph, manifests });
  if (manifests.size + links.size === 0) return;
  for (const digest of manifests) collection.say(`${repository}: manifest ${digest}`);
  for (const digest of links) collection.say(`${repository}: link of blob ${digest}`);
  collection.report.manifests += manifests.size;
  collection.report.links += links.size;
  const keys = keysOf(repository, { graph, manifests, links });
  if (dryRun) {
    for (const key of keys) collection.left.add(key);
    return;
  }
  const taken = await readTaken(collection, keys);
  const note = noteKey(repository);
  await storage.put(note, Buffer.from(JSON.stringify(taken)));
  for (const one of taken) {
    await collection.hold();
    await takeAway(storage, one);
  }
  await bringBack(storage, repository, taken, graph);
  await storage.delete(note);
}

/** What was written again since it was judged stays: it is looked at once more where nobody else can write it. */
async function takeAway(storage: Storage, { key, version }: { readonly key: string; readonly version: string }): Promise<boolean> {
  if ((await storage.stat(key))?.version !== version) return false;
  const aside = `${ASIDE}${randomBytes(8).toString("hex")}`;
  if (!(await storage.move(key, aside))) return false;
  const same = (await storage.stat(aside))?.version === version;
  if (same) await storage.delete(aside);
  else await storage.move(aside, key);
  return same;
}

type WithRetention = { readonly graph: Graph; readonly retention: RetentionRules };

/** The graph without the tags that went. */
async function collectTags(collection: Collection, repository: string, { graph, retention }: WithRetention): Promise<Graph> {
  const { storage, settings, now, dryRun, report, say } = collection;
  if (!retention.concerns(repository)) return graph;
  const old = graph.tags.filter(({ pushed }) => now() - pushed >= settings.graceMs);
  const goes = retention.goes(repository, graph.tags, now());
  const gone = new Set<string>();
  for (const { tag, key, version } of old) {
    // Pushed again since it was judged: another tag.
    if (!goes.has(tag) || (!dryRun && !(await takeAway(storage, { key, version })))) continue;
    say(`${repository}: tag ${tag}`);
    gone.add(tag);
    report.tags++;
    if (!dryRun) await storage.delete(pulledKey(repository, tag));
  }
  return { tags: graph.tags.filter(({ tag }) => !gone.has(tag)), manifests: graph.manifests };
}

/** Without a name, and nothing that stays leads to them. */
async function manifestsThatGo({ storage, settings, now }: Collection, repository: string, graph: Graph): Promise<Set<Digest>> {
  const { untaggedMs, graceMs } = settings;
  if (untaggedMs === undefined) return new Set();
  const stay = new Set(graph.tags.map(({ digest }) => digest));
  for (const digest of graph.manifests.keys()) {
    const modified = (await storage.stat(manifestKey(repository, digest)))?.modified.getTime();
    if (modified === undefined || now() - modified < Math.max(untaggedMs, graceMs)) stay.add(digest);
  }
  return new Set(graph.manifests.keys()).difference(reachable(graph, stay));
}

async function linksThatGo({ storage, settings, now }: Collection, repository: string, { graph, manifests }: { readonly graph: Graph; readonly manifests: ReadonlySet<Digest> }): Promise<Set<Digest>> {
  const needed = blobsOf(graph, new Set(graph.manifests.keys()).difference(manifests));
  const links = new Set<Digest>();
  for await (const key of storage.list(linksPrefix(repository))) {
    const digest = digestOf(key);
    if (digest === undefined || needed.has(digest)) continue;
    const modified = (await storage.stat(key))?.modified.getTime();
    if (modified !== undefined && now() - modified >= settings.graceMs) links.add(digest);
  }
  return links;
}

type Going = { readonly graph: Graph; readonly manifests: ReadonlySet<Digest>; readonly links: ReadonlySet<Digest> };

function keysOf(repository: string, { graph, manifests, links }: Going): string[] {
  const referrers = [...manifests].flatMap((digest) => {
    const subject = graph.manifests.get(digest)?.subject;
    return subject === undefined ? [] : [referrerKey(repository, subject, digest)];
  });
  return [...[...manifests].map((digest) => manifestKey(repository, digest)), ...referrers, ...[...links].map((digest) => linkKey(repository, digest))];
}

/** Those that are still as old as they were judged. */
async function readTaken({ storage, settings, now }: Collection, keys: readonly string[]): Promise<Taken[]> {
  const taken: Taken[] = [];
  for (const key of keys) {
    const [found, bytes] = [await storage.stat(key), await storage.read(key)];
    if (found === undefined || bytes === undefined || now() - found.modified.getTime() < settings.graceMs) continue;
    taken.push({ key, content: bytes.toString("base64"), version: found.version });
  }
  return taken;
}

/** What is needed after all: by tags and manifests that came since, and by what those lead to. */
async function bringBack(storage: Storage, repository: string, taken: readonly Taken[], known?: Graph): Promise<void> {
  const now = await readGraph(storage, repository, known);
  // Taken manifests may lead on: as if they were there, from what is there.
  const before = known?.manifests ?? (await readTakenManifests(storage, taken));
  const all: Graph = { tags: now.tags, manifests: new Map([...before, ...now.manifests]) };
  const needed = reachable(all, [...now.tags.map(({ digest }) => digest), ...now.manifests.keys()]);
  const digests = new Set([...needed, ...blobsOf(all, needed)]);
  for (const { key, content } of taken) {
    const digest = digestOf(key);
    if (digest !== undefined && digests.has(digest)) await storage.put(key, Buffer.from(content, "base64"), { ifAbsent: true });
  }
}

async function readTakenManifests(storage: Storage, taken: readonly Taken[]): Promise<Map<Digest, Node>> {
  const nodes = new Map<Digest, Node>();
  for (const { key } of taken) {
    const digest = digestOf(key);
    if (digest !== undefined && key.includes("/_manifests/")) nodes.set(digest, await readNode(storage, digest));
  }
  return nodes;
}

const NOTES = "collect/notes/";
const ASIDE = "collect/aside/";
const noteKey = (repository: string): string => NOTES + lastOf(catalogKey(repository));

/** Ends what a collection that died had begun. */
export async function makeGood({ storage, log }: Collection): Promise<void> {
  for await (const key of storage.list(NOTES)) {
    const bytes = await storage.read(key);
    if (bytes === undefined) continue;
    const repository = repositoryOf(`catalog/${lastOf(key)}`);
    log.info("ending a collection that was interrupted", { repository });
    await bringBack(storage, repository, JSON.parse(String(bytes)) as Taken[]);
    await storage.delete(key);
  }
  for await (const key of storage.list(ASIDE)) await storage.delete(key);
}
