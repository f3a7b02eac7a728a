/** The cache over the core's database. See cache.ts. */
import { nowNanos } from "#base/clock.ts";
import { failpoint } from "#base/failpoint.ts";
import type { Core } from "#core/core.ts";
import type { Lease } from "#core/leases/leases.ts";
import type { Digest } from "#spec/digest.ts";
import type { LayerTree } from "../tree.ts";
import type { Cache, CacheRecord, OtherCache } from "./cache.ts";
import { prune } from "./prune.ts";
import { cacheStatements, fromRow, insert, newRecord, REMOVED, type Row, type Stored } from "./records.ts";
import { listUsage } from "./usage.ts";

export type CacheParts = { readonly core: Pick<Core, "db" | "snapshots" | "content" | "graph" | "collect" | "root" | "images">; readonly others?: readonly OtherCache[] };

/** Facts are about 150 bytes each; the longest unused go when there are more. */
const MAX_FACTS = 50_000;
const FACTS_SPARE = 5_000;
/** For so long it is known what a result was that went. */
const REMEMBERED = 30n * 24n * 3600n * 1_000_000_000n;
/** Last uses are written together, some time after. */
const FLUSH_AFTER = 1_000;

export function openCache({ core, others = [] }: CacheParts): Cache {
  const q = cacheStatements(core.db);
  const busy = new Map<string, number>();
  const uses = new Map<Digest, { count: number; last: bigint }>();
  const usedFacts = new Set<Digest>();
  const learned = new Map<Digest, string>();
  let timer: NodeJS.Timeout | undefined;
  const later = () => void (timer ??= setTimeout(() => void flush().catch(() => undefined), FLUSH_AFTER).unref());

  return {
    find(key, lease) {
      const row = q.get.get64<Row>(key);
      if (row === undefined) return undefined;
      const record = fromRow(row);
      noteUse(key);
      return isThere(record) ? { record: held(record, lease), gone: false } : { record, gone: true };
    },
    async put(result) {
      await failpoint("cache.put");
      const record = newRecord(result, sizeOf);
      await core.db.write(() => insert(q, record));
      return record;
    },
    fact(key) {
      const fresh = learned.get(key);
      if (fresh !== undefined) return fresh;
      const row = q.fact.get<{ value: string }>(key);
      if (row !== undefined) usedFacts.add(key);
      return row?.value;
    },
    learn(key, value) {
      learned.set(key, value);
      later();
    },
    previous: ({ description, place }) => [...q.byDescription.all64<Row>(description), ...q.byPlace.all64<Row>(place)].map(fromRow),
    wasRemoved: (key) => q.fact.get(`${REMOVED}${key}`) !== undefined,
    use(id) {
      busy.set(id, (busy.get(id) ?? 0) + 1);
      return { [Symbol.dispose]: () => release(id) };
    },
    usage: async (filters) => listUsage({ core, records: kept(), busy, others }, filters),
    async prune(...wishes) {
      await flush();
      return await prune({ core, q, records: kept, busy, others }, wishes);
    },
    flush,
  };

  function release(id: string): void {
    const left = busy.get(id)! - 1;
    if (left === 0) busy.delete(id);
    else busy.set(id, left);
  }

  function noteUse(key: Digest): void {
    const known = uses.get(key);
    uses.set(key, { count: (known?.count ?? 0) + 1, last: nowNanos() });
    later();
  }

  /** In the turn in which the row was read: a collection comes before it or after the hold. */
  function held(record: Stored, lease: Lease): CacheRecord {
    for (const node of record.nodes) lease.hold(node);
    return record;
  }

  /** A check of the store may have taken away what was damaged. */
  function isThere({ tree, nodes }: Stored): boolean {
    if (nodes.length === 0 && tree.snapshot !== undefined) return false;
    return (tree.snapshot === undefined || core.snapshots.stat(tree.snapshot) !== undefined) && tree.layers.every(({ descriptor }) => core.content.stat(descriptor.digest) !== undefined);
  }

  function sizeOf({ snapshot, layers }: LayerTree): number {
    const own = layers.at(-1);
    const unpacked = snapshot === undefined ? 0 : (core.snapshots.stat(snapshot)?.usage.bytes ?? 0);
    return unpacked + (own?.descriptor.size ?? 0);
  }

  function kept(): Stored[] {
    return q.kept.all64<Row>().map((row) => {
      const record = fromRow(row);
      const noted = uses.get(record.key);
      return noted === undefined ? record : { ...record, lastUsed: noted.last, uses: record.uses + noted.count };
    });
  }

  async function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const now = nowNanos();
    const [some, facts, touched] = [[...uses], [...learned], [...usedFacts]];
    if (some.length + facts.length + touched.length === 0) return;
    uses.clear();
    usedFacts.clear();
    await core.db.write(() => {
      for (const [key, { count, last }] of some) q.used.run(key, last, count);
      for (const [key, value] of facts) q.learn.run(key, value, now);
      for (const key of touched) q.factUsed.run(key, now);
      if (facts.length > 0) forgetOld(now);
    });
    for (const [key, value] of facts) if (learned.get(key) === value) learned.delete(key);
  }

  function forgetOld(now: bigint): void {
    const { count } = q.countFacts.get<{ count: number }>()!;
    if (count > MAX_FACTS) q.dropFacts.run(count - MAX_FACTS + FACTS_SPARE);
    q.dropEmpty.run(now - REMEMBERED);
  }
}
