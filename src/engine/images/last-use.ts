/**
 * When images were last used. Kept in memory and written now and then, since a run must not wait for it: after a crash
 * an image may look unused since the last round, and no more.
 */
import { formatTime, nowNanos } from "#base/clock.ts";
import type { Image, Images } from "#core/images/images.ts";
import type { Digest } from "#spec/digest.ts";

const LABEL = "gantry.used";

export type LastUse = {
  note(id: Digest): void;
  /** RFC 3339; undefined: not since its names came. */
  of(names: readonly Image[]): string | undefined;
  flush(): Promise<void>;
};

export function openLastUse(images: Images): LastUse {
  const noted = new Map<Digest, string>();
  return {
    note: (id) => void noted.set(id, formatTime(nowNanos())),
    of(names) {
      const times = names.flatMap(({ target, labels }) => [noted.get(target.digest), labels[LABEL]]).filter((time) => time !== undefined);
      return times.toSorted().at(-1);
    },
    async flush() {
      const changes = [...noted].flatMap(([id, time]) => images.byDigest(id).map(({ name }) => ({ name, labels: { [LABEL]: time } })));
      noted.clear();
      if (changes.length > 0) await images.label(changes);
    },
  };
}
