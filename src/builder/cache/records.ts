/** The cache's rows: see core/schema.ts. */
import { randomBytes } from "node:crypto";
import type { Database } from "#base/sqlite.ts";
import type { Layer } from "#core/layers/layers.ts";
import type { Node } from "#core/leases/leases.ts";
import type { Digest } from "#spec/digest.ts";
import type { LayerTree } from "../tree.ts";
import type { CacheRecord, NewRecord } from "./cache.ts";

const COLUMNS = "key, id, identity, layers, nodes, size, description, place, record, created, used, uses";

/** A fact of a record that was pruned: that there was one. */
export const REMOVED = "removed ";

const statements = {
  get: `SELECT ${COLUMNS} FROM build_cache WHERE key = ?`,
  byDescription: `SELECT ${COLUMNS} FROM build_cache WHERE description = ? ORDER BY created DESC LIMIT 10`,
  byPlace: `SELECT ${COLUMNS} FROM build_cache WHERE place = ? ORDER BY created DESC LIMIT 10`,
  kept: `SELECT ${COLUMNS} FROM build_cache WHERE nodes <> '[]' ORDER BY used, created`,
  put: `INSERT OR REPLACE INTO build_cache (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  used: "UPDATE build_cache SET used = max(used, ?2), uses = uses + ?3 WHERE key = ?1",
  empty: "UPDATE build_cache SET nodes = '[]' WHERE id = ?",
  noteRemoved: `INSERT OR REPLACE INTO build_facts (key, value, used) SELECT '${REMOVED}' || key, '', ?2 FROM build_cache WHERE id = ?1`,
  noteEmpty: `INSERT OR REPLACE INTO build_facts (key, value, used) SELECT '${REMOVED}' || key, '', ?1 FROM build_cache WHERE nodes = '[]'`,
  drop: "DELETE FROM build_cache WHERE id = ?",
  dropEmpty: "DELETE FROM build_cache WHERE nodes = '[]' AND used < ?",
  fact: "SELECT value FROM build_facts WHERE key = ?",
  learn: "INSERT INTO build_facts (key, value, used) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE SET value = ?2, used = ?3",
  factUsed: "UPDATE build_facts SET used = ?2 WHERE key = ?1",
  countFacts: "SELECT count(*) AS count FROM build_facts",
  dropFacts: "DELETE FROM build_facts WHERE key IN (SELECT key FROM build_facts ORDER BY used LIMIT ?)",
  clearFacts: "DELETE FROM build_facts",
} as const;

export type CacheStatements = ReturnType<typeof cacheStatements>;
export const cacheStatements = (db: Database) => db.prepare(statements);

export type Row = {
  key: Digest;
  id: string;
  identity: string;
  layers: string;
  nodes: string;
  size: bigint;
  description: string;
  place: string;
  record: string;
  created: bigint;
  used: bigint;
  uses: bigint;
};

export type Stored = CacheRecord & { readonly nodes: readonly Node[] };

type Rest = { parts: Record<string, string>; trees: Record<string, string>; title: string };

export function fromRow(row: Row): Stored {
  const { parts, trees = {}, title } = JSON.parse(row.record) as Rest;
  const tree: LayerTree = { kind: "layers", snapshot: row.identity === "" ? undefined : row.identity, layers: JSON.parse(row.layers) as Layer[] };
  return {
    id: row.id,
    key: row.key,
    tree,
    nodes: JSON.parse(row.nodes) as Node[],
    kind: "regular",
    size: Number(row.size),
    description: row.description,
    place: row.place,
    title,
    parts,
    trees,
    created: row.created,
    lastUsed: row.used,
    uses: Number(row.uses),
  };
}

export function insert(q: CacheStatements, record: Stored): void {
  const { key, id, tree, nodes, size, description, place, title, parts, trees, created, lastUsed, uses } = record;
  const rest: Rest = { parts: { ...parts }, trees: { ...trees }, title };
  q.put.run(key, id, tree.snapshot ?? "", JSON.stringify(tree.layers), JSON.stringify(nodes), size, description, place, JSON.stringify(rest), created, lastUsed, uses);
}

/** What a result needs: its snapshot, and the blobs of all of its layers. */
function nodesOf({ snapshot, layers }: LayerTree): Node[] {
  const blobs = layers.map(({ descriptor }): Node => `content/${descriptor.digest}`);
  return [...(snapshot === undefined ? [] : [`snapshot/${snapshot}` as Node]), ...new Set(blobs)];
}

export function newRecord(result: NewRecord, sizeOf: (tree: LayerTree) => number): Stored {
  return { ...result, id: newId(), nodes: nodesOf(result.tree), kind: "regular", size: sizeOf(result.tree), lastUsed: result.created, uses: 1 };
}

const LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz";

/** As BuildKit's: 25 characters, about 128 bits. */
function newId(): string {
  return Array.from(randomBytes(25), (byte) => LETTERS[byte % LETTERS.length]).join("");
}
