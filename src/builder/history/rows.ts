/** Records of builds, written some time after: nobody waits for them. */
import type { Database } from "#base/sqlite.ts";
import type { BuildRecord } from "./history.ts";
import { fromText, toText } from "./record.ts";

const statements = {
  list: "SELECT record FROM builds ORDER BY created",
  put: "INSERT INTO builds (ref, record, created) VALUES (?1, ?2, ?3) ON CONFLICT (ref) DO UPDATE SET record = ?2",
  drop: "DELETE FROM builds WHERE ref = ?",
} as const;

export type Rows = {
  /** The oldest first. */
  list(): BuildRecord[];
  /** Undefined: it goes. */
  set(ref: string, build: BuildRecord | undefined): void;
  flush(): Promise<void>;
};

/** A build of less than this writes one row, after its client has heard of its end. */
const ROWS_AFTER = 300;

export function openRows(db: Database): Rows {
  const q = db.prepare(statements);
  const changes = new Map<string, BuildRecord | undefined>();
  let timer: NodeJS.Timeout | undefined;
  const flush = async () => {
    clearTimeout(timer);
    timer = undefined;
    const some = [...changes];
    changes.clear();
    if (some.length > 0) await db.write(() => some.forEach(([ref, build]) => (build === undefined ? q.drop.run(ref) : q.put.run(ref, toText(build), build.created)))).catch(() => undefined);
  };
  return {
    list: () => q.list.all<{ record: string }>().map(({ record }) => fromText(record)),
    set(ref, build) {
      changes.set(ref, build);
      timer ??= setTimeout(() => void flush(), ROWS_AFTER).unref();
    },
    flush,
  };
}
