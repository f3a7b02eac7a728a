/**
 * What happened, for `docker events`: the last ones are kept, over restarts too, and everybody who listens is told.
 *
 *     const events = openEvents(db);
 *     events.publish({ Type: "container", Action: "start", Actor: { ID, Attributes } });
 *     for await (const event of events.subscribe({ since, filters, signal })) …
 *
 * Events are no state: they are written a moment later, many at once, so that nothing waits for them.
 */
import { nowNanos } from "#base/clock.ts";
import { fail } from "#base/errors.ts";
import type { Database } from "#base/sqlite.ts";
import type { EngineEvent } from "#spec/docker.ts";
import type { Events, Filters } from "../engine.ts";
import { matchesEvent } from "./match.ts";
import { openQueue } from "./queue.ts";

export type OpenEvents = Events & {
  /** Writes what is not written yet. */
  close(): Promise<void>;
};

/** How many are kept. */
const KEPT = 1024;
/** A listener that is this far behind is cut off. */
const LONGEST_QUEUE = 8192;
const WRITE_AFTER_MS = 200;

export function openEvents(db: Database): OpenEvents {
  const q = db.prepare({
    last: `SELECT time, type, action, actor FROM events ORDER BY seq DESC LIMIT ${KEPT}`,
    next: "SELECT coalesce(max(seq), 0) + 1 AS seq FROM events",
    put: "INSERT INTO events (seq, time, type, action, actor) VALUES (?, ?, ?, ?, ?)",
    trim: "DELETE FROM events WHERE seq <= ?",
  });
  const ring: EngineEvent[] = q.last.all64<EventRow>().map(fromRow).reverse();
  let seq = Number(q.next.get<{ seq: number }>()!.seq);
  let last = ring.at(-1)?.timeNano ?? 0n;
  let unwritten: EngineEvent[] = [];
  let timer: NodeJS.Timeout | undefined;
  const listeners = new Set<(event: EngineEvent) => void>();

  const write = async (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    const batch = unwritten;
    unwritten = [];
    if (batch.length === 0) return;
    await db.write(() => {
      for (const event of batch) q.put.run(seq++, event.timeNano, event.Type, event.Action, JSON.stringify(event.Actor));
      q.trim.run(seq - 1 - KEPT);
    });
  };

  return {
    publish(given) {
      // Two events never have the same time, so that "since the last one I saw" misses none.
      const now = nowNanos();
      last = now > last ? now : last + 1n;
      const event: EngineEvent = { ...given, scope: "local", timeNano: last };
      ring.push(event);
      if (ring.length > 2 * KEPT) ring.splice(0, ring.length - KEPT);
      unwritten.push(event);
      timer ??= setTimeout(() => void write().catch(() => {}), WRITE_AFTER_MS).unref();
      for (const tell of listeners) tell(event);
    },
    subscribe: (options) => subscribe({ ring, listeners }, options),
    close: write,
  };
}

type EventRow = { time: bigint; type: string; action: string; actor: string };

const fromRow = ({ time, type, action, actor }: EventRow): EngineEvent => ({
  Type: type as EngineEvent["Type"],
  Action: action,
  Actor: JSON.parse(actor) as EngineEvent["Actor"],
  scope: "local",
  timeNano: time,
});

type Source = { readonly ring: readonly EngineEvent[]; readonly listeners: Set<(event: EngineEvent) => void> };
type Wish = { since?: bigint; until?: bigint; filters: Filters; signal: AbortSignal };

/** Listens from the call on, not from the first `next`, so that nothing that is published meanwhile is missed. */
function subscribe({ ring, listeners }: Source, { since, until, filters, signal }: Wish): AsyncIterable<EngineEvent> {
  if (since !== undefined && until !== undefined && until < since) throw fail("invalid", `\`since\` time (${seconds(since)}) cannot be after \`until\` time (${seconds(until)})`);
  const queue = openQueue<EngineEvent>(LONGEST_QUEUE);
  const offer = (event: EngineEvent) => {
    if (until !== undefined && event.timeNano > until) return;
    if (matchesEvent(event, filters) && !queue.push(event)) listeners.delete(offer);
  };
  if (since !== undefined) for (const event of ring) if (event.timeNano >= since) offer(event);
  const remaining = until === undefined ? undefined : Number((until - nowNanos()) / 1_000_000n);
  if (remaining !== undefined && remaining <= 0) queue.end();
  else listeners.add(offer);
  const timer = remaining === undefined || remaining <= 0 ? undefined : setTimeout(() => queue.end(), Math.min(remaining + 1, 0x7fffffff));
  const abort = () => queue.end();
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return queue.drain(() => {
    listeners.delete(offer);
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  });
}

const seconds = (nanos: bigint) => `${nanos / 1_000_000_000n}.${String(nanos % 1_000_000_000n).padStart(9, "0")}`;
