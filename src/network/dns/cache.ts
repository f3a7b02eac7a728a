/** Answers of the outside for as long as they hold: the oldest go first when there are too many. */
import { isTruncated, parseAnswer, RCODE, rcodeOf, type Answer } from "./wire.ts";

export type Cache = {
  /** As it would be given now: lifetimes have passed since. */
  get(key: string): Buffer | undefined;
  /** Keeps what may be kept. */
  put(key: string, packet: Buffer): void;
};

const MOST_ANSWERS = 4096;
const LONGEST_ANSWER = 4096;
const LONGEST_S = 3600;
/** "No such name" is worth less. */
const LONGEST_NOTHING_S = 60;

type Kept = { readonly packet: Buffer; readonly ttlPlaces: readonly number[]; readonly since: number; readonly until: number };

/** `now`: milliseconds that only grow. */
export function openCache(now: () => number = () => performance.now()): Cache {
  const kept = new Map<string, Kept>();
  return {
    get(key) {
      const found = kept.get(key);
      if (found === undefined) return undefined;
      if (now() < found.until) return aged(found, Math.floor((now() - found.since) / 1000));
      kept.delete(key);
      return undefined;
    },
    put(key, packet) {
      const answer = lasting(packet);
      if (answer === undefined) return;
      const nothing = packet.readUInt16BE(6) === 0;
      const seconds = Math.min(answer.ttl, nothing ? LONGEST_NOTHING_S : LONGEST_S);
      if (seconds === 0) return;
      kept.delete(key);
      kept.set(key, { packet: Buffer.from(packet), ttlPlaces: answer.ttlPlaces, since: now(), until: now() + seconds * 1000 });
      if (kept.size > MOST_ANSWERS) kept.delete(kept.keys().next().value!);
    },
  };
}

function lasting(packet: Buffer): Answer | undefined {
  const rcode = rcodeOf(packet);
  if (packet.length > LONGEST_ANSWER || isTruncated(packet) || (rcode !== RCODE.none && rcode !== RCODE.noSuchName)) return undefined;
  return parseAnswer(packet);
}

function aged({ packet, ttlPlaces }: Kept, seconds: number): Buffer {
  const copy = Buffer.from(packet);
  for (const place of ttlPlaces) copy.writeUInt32BE(Math.max(0, packet.readInt32BE(place) - seconds), place);
  return copy;
}
