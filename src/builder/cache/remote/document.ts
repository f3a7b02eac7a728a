/**
 * What a cache says when it travels: BuildKit's cache configuration (application/vnd.buildkit.cacheconfig.v0: `layers`,
 * `records`), with Gantry's own part beside it (`gantry`). Pure.
 *
 * BuildKit's keys are digests of its own operations: it reads our document and finds nothing that it knows, as we find
 * nothing in one of its. Layers and records are written all the same, for tools that count and copy them. Our part has what
 * the solver needs: of each key what it resulted in, also where the layers themselves did not travel, and the facts.
 */
import { fail } from "#base/errors.ts";
import type { Layer } from "#core/layers/layers.ts";
import { type Digest, isDigest } from "#spec/digest.ts";
import { chainIds, parseDescriptor } from "#spec/image.ts";

export const CACHE_CONFIG = "application/vnd.buildkit.cacheconfig.v0";
/** Member of an image's configuration: base64 of a document. */
export const INLINE = "moby.buildkit.cache.v0";
export const MAX_CACHE_DOCUMENT = 64 * 2 ** 20;

export type CacheDocument = {
  readonly results: readonly CachedResult[];
  readonly facts: ReadonlyMap<Digest, string>;
};

export type CachedResult = {
  readonly key: Digest;
  /** Bottom first. */
  readonly layers: readonly Layer[];
  /** Unix nanoseconds. */
  readonly created: bigint;
  /** The layers travel too. */
  readonly whole: boolean;
};

type Row = { diffId: string; mediaType: string; digest: string; size: number; parent: number };
type Own = { version: 1; layers: Row[]; results: { key: string; layer: number; created: string; whole: boolean }[]; facts: [string, string][] };

export function encodeDocument({ results, facts }: CacheDocument): string {
  const table = openTable();
  const rows = results.map(({ key, layers, created, whole }) => ({ key, layer: table.add(layers), created: String(created), whole }));
  const travels = new Set(results.filter(({ whole }) => whole).flatMap(({ layers }) => layers.map(({ diffId }) => diffId)));
  const own: Own = { version: 1, layers: table.rows, results: rows, facts: [...facts] };
  return JSON.stringify({ ...forBuildKit(own, travels), gantry: own });
}

/** Chains of layers as a tree, each layer once. */
function openTable(): { readonly rows: Row[]; add(layers: readonly Layer[]): number } {
  const rows: Row[] = [];
  const known = new Map<string, number>();
  return {
    rows,
    add(layers) {
      let parent = -1;
      for (const { diffId, descriptor } of layers) {
        const name = `${parent} ${diffId}`;
        const place = known.get(name) ?? rows.push({ diffId, mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size, parent }) - 1;
        known.set(name, place);
        parent = place;
      }
      return parent;
    },
  };
}

function forBuildKit({ layers, results }: Own, travels: ReadonlySet<string>): object {
  const places = new Map<number, number>();
  const shown: object[] = [];
  layers.forEach(({ diffId, mediaType, digest, size, parent }, index) => {
    if (!travels.has(diffId)) return;
    places.set(index, shown.length);
    shown.push({ blob: digest, parent: places.get(parent) ?? -1, annotations: { mediaType, diffID: diffId, size } });
  });
  const timeOf = (nanos: string): string => new Date(Number(BigInt(nanos) / 1_000_000n)).toISOString();
  const inIt = results.filter(({ whole, layer }) => whole && layer >= 0);
  const records = inIt.map(({ key, layer, created }) => ({ digest: key, layers: [{ layer: places.get(layer)!, createdAt: timeOf(created) }] }));
  return { layers: shown, records };
}

/** A document of BuildKit's has no part of ours: nothing is in it then. @throws invalid */
export function decodeDocument(text: string): CacheDocument {
  const { gantry } = readObject(text);
  if (gantry === undefined) return { results: [], facts: new Map() };
  try {
    return readOwn(gantry as Partial<Own>);
  } catch (error) {
    // A row that is no row at all.
    throw error instanceof TypeError ? invalid(error.message) : error;
  }
}

function readOwn({ version, layers, results, facts }: Partial<Own>): CacheDocument {
  if (version !== 1 || !Array.isArray(layers) || !Array.isArray(results) || !Array.isArray(facts)) throw invalid("it is of another version");
  // Each stands for a chain: a short text for much memory.
  if (layers.length > MOST_ROWS || results.length > MOST_ROWS) throw invalid(`it has more than ${MOST_ROWS} layers or results`);
  const chains: Layer[][] = [];
  for (const [index, row] of layers.entries()) chains.push([...chainBelow(chains, row, index), layerOf(row)]);
  return { results: results.map((row) => resultOf(row, chains)), facts: new Map(facts.map(([key, value]) => [needDigest(key), String(value)])) };
}

function readObject(text: string): { gantry?: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch (error) {
    throw fail("invalid", "read a build cache: it is no JSON", { cause: error });
  }
  throw invalid("it is no object");
}

const MOST_LAYERS = 200;
/** As many as a graph may have steps. */
const MOST_ROWS = 20_000;

function chainBelow(chains: readonly Layer[][], { parent }: Row, index: number): readonly Layer[] {
  if (parent === -1) return [];
  const below = Number.isInteger(parent) && parent >= 0 && parent < index ? chains[parent]! : undefined;
  if (below === undefined || below.length >= MOST_LAYERS) throw invalid(`layer ${index} lies on ${String(parent)}`);
  return below;
}

const layerOf = ({ diffId, mediaType, digest, size }: Row): Layer => ({ diffId: needDigest(diffId), descriptor: parseDescriptor({ mediaType, digest, size }, "a layer of a build cache") });

function resultOf({ key, layer, created, whole }: Own["results"][number], chains: readonly Layer[][]): CachedResult {
  const layers = layer === -1 ? [] : chains[layer];
  if (layers === undefined || !/^\d{1,20}$/.test(created)) throw invalid("a result of it is none");
  return { key: needDigest(key), layers, created: BigInt(created), whole: whole === true };
}

export const identityOfLayers = (layers: readonly Layer[]): string => chainIds(layers.map(({ diffId }) => diffId)).at(-1) ?? "";

function needDigest(value: unknown): Digest {
  if (isDigest(value)) return value;
  throw invalid(`${JSON.stringify(value)?.slice(0, 100)} is no digest`);
}

const invalid = (what: string) => fail("invalid", `read a build cache: ${what}`);
