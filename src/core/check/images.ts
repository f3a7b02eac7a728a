/** Step 4: what each image's documents lead to is here, and held. */
import { messageOf } from "#base/errors.ts";
import type { Digest } from "#spec/digest.ts";
import { type Descriptor, type Index, isIndex, isIndexType, isManifestType, type Manifest, parseTarget } from "#spec/image.ts";
import type { Image } from "../images/images.ts";
import type { Node } from "../leases/leases.ts";
import { type Checking, type Findings, problem, type Repair } from "./open-check.ts";

const MAX_DEPTH = 4;
const node = (digest: Digest): Node => `content/${digest}`;

/** What the documents of one target say: edges that should be and are not, and what is missing. */
type Reading = { readonly missingEdges: [Node, Node][]; readonly lost: string[] };

export async function* checkImages(checking: Checking): Findings {
  const { images, counts, options } = checking;
  const q = checking.db.prepare({ edge: "SELECT 1 FROM edges WHERE source = ? AND target = ?" });
  const linked = (source: Digest, child: Digest) => q.edge.get(node(source), node(child)) !== undefined;
  for (const [, names] of Map.groupBy(images.list(), ({ target }) => target.digest)) {
    options.signal.throwIfAborted();
    const { target } = names[0]!;
    counts.images++;
    const reading: Reading = { missingEdges: [], lost: [] };
    const whole = await isWhole(checking, target, { linked, reading, depth: 0 });
    const alive = names.filter(({ name }) => images.get(name)?.target.digest === target.digest);
    if (alive.length === 0) continue;
    const subject = alive.map(({ name }) => name).join(" ");
    if (!whole) {
      const why = reading.lost.length === 0 ? "nothing of it can run" : reading.lost.join("; ");
      yield await problem(checking, "images", subject, `it is not whole: ${why}`, () => removeImage(checking, alive));
    } else if (reading.missingEdges.length > 0) {
      const text = reading.missingEdges.map(([source, child]) => `nothing records that ${source} needs ${child}`).join("; ");
      yield await problem(checking, "images", subject, text, () => link(checking, reading.missingEdges));
    }
  }
}

type Walk = { readonly linked: (source: Digest, child: Digest) => boolean; readonly reading: Reading; readonly depth: number };

/** An index is whole if one of its manifests is; a manifest, if all it names is here. */
async function isWhole(checking: Checking, descriptor: Descriptor, walk: Walk): Promise<boolean> {
  const { reading, depth } = walk;
  const blob = checking.content.stat(descriptor.digest);
  if (blob === undefined) return lose(reading, `${descriptor.digest} is missing`);
  if (blob.size !== descriptor.size) return lose(reading, `${descriptor.digest} has ${blob.size} bytes instead of ${descriptor.size}`);
  if (!isIndexType(descriptor.mediaType) && !isManifestType(descriptor.mediaType)) return true;
  const document = await read(checking, descriptor, reading);
  if (document === undefined) return false;
  if (!isIndex(document)) return manifestWhole(checking, descriptor.digest, document, walk);
  if (depth === MAX_DEPTH) return lose(reading, `indexes are nested more than ${MAX_DEPTH} deep`);
  const held = document.manifests.filter(({ digest }) => walk.linked(descriptor.digest, digest));
  // Of an index, only some manifests may be here: those without an edge, or without a blob, are somebody else's.
  const lost: Reading = { missingEdges: [], lost: [] };
  let whole = false;
  for (const child of held.filter(({ digest }) => checking.content.stat(digest) !== undefined)) {
    const own: Reading = { missingEdges: [], lost: [] };
    if (await isWhole(checking, child, { ...walk, reading: own, depth: depth + 1 })) {
      whole = true;
      reading.missingEdges.push(...own.missingEdges);
    } else lost.lost.push(...own.lost);
  }
  if (!whole) reading.lost.push(...(lost.lost.length > 0 ? lost.lost : ["none of its manifests is here"]));
  return whole;
}

function manifestWhole({ content }: Checking, source: Digest, { config, layers }: Manifest, { linked, reading }: Walk): boolean {
  let whole = true;
  for (const child of [config, ...layers]) {
    const blob = content.stat(child.digest);
    if (blob === undefined) whole = lose(reading, `${child.digest} is missing`);
    else if (blob.size !== child.size) whole = lose(reading, `${child.digest} has ${blob.size} bytes instead of ${child.size}`);
    else if (!linked(source, child.digest)) reading.missingEdges.push([node(source), node(child.digest)]);
  }
  return whole;
}

async function read({ content }: Checking, { digest, mediaType }: Descriptor, reading: Reading): Promise<Index | Manifest | undefined> {
  try {
    return parseTarget(await content.read(digest), mediaType);
  } catch (error) {
    return void lose(reading, messageOf(error));
  }
}

function lose({ lost }: Reading, text: string): false {
  lost.push(text);
  return false;
}

async function removeImage({ images }: Checking, names: readonly Image[]): Promise<Repair> {
  await images.remove(names.map(({ name }) => name));
  return { repaired: "removed: pull or load it again" };
}

async function link({ db, collector }: Checking, edges: readonly [Node, Node][]): Promise<Repair> {
  await db.write(() => edges.forEach(([source, target]) => collector.link(source, [target])));
  return { repaired: "recorded" };
}
