/**
 * One engine a root: a lock that the kernel holds for the process and takes away with it, and the pidfile beside it.
 *
 *     using _ = claim(config);   // throws a conflict when another engine has one of its folders
 *     holderOf(config);          // the pid of the engine that has them, if one runs
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fail } from "#base/errors.ts";
import type { Config } from "#engine/config/config.ts";

type Place = Pick<Config, "dataRoot" | "execRoot" | "pidfile">;

export function claim(place: Place): Disposable {
  using undo = new DisposableStack();
  for (const [folder, mode] of [[place.dataRoot, 0o710], [place.execRoot, 0o711]] as const) {
    mkdirSync(folder, { recursive: true, mode });
    const lock = tryLock(folder);
    if (lock === undefined) throw fail("conflict", takenText(folder, place));
    undo.defer(() => lock.close());
  }
  mkdirSync(dirname(place.pidfile), { recursive: true });
  writeFileSync(place.pidfile, `${process.pid}\n`, { mode: 0o644 });
  undo.defer(() => rmSync(place.pidfile, { force: true }));
  return undo.move();
}

/** undefined: no engine runs on this root (a pidfile that was left behind means nothing). */
export function holderOf(place: Place): number | undefined {
  let free: DatabaseSync | undefined;
  try {
    free = tryLock(place.dataRoot);
  } catch (error) {
    if (kindOfOpen(error) === "absent") return undefined;
    throw error;
  }
  free?.close();
  return free === undefined ? readPid(place.pidfile) : undefined;
}

/**
 * SQLite's lock on an empty file is fcntl(2)'s, which Node cannot ask for itself. Nothing is ever written to the file.
 * undefined: somebody else has it.
 */
function tryLock(folder: string): DatabaseSync | undefined {
  const database = new DatabaseSync(join(folder, "engine.lock"));
  try {
    database.exec("BEGIN EXCLUSIVE");
    return database;
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
}

const SQLITE_BUSY = 5;
const SQLITE_CANTOPEN = 14;

function kindOfOpen(error: unknown): "absent" | "other" {
  return (error as { errcode?: number }).errcode === SQLITE_CANTOPEN ? "absent" : "other";
}

function readPid(pidfile: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(pidfile, "utf8"), 10) || undefined;
  } catch {
    return undefined;
  }
}

function takenText(folder: string, place: Place): string {
  const pid = readPid(place.pidfile);
  const who = pid === undefined ? "another engine" : `another engine (pid ${pid})`;
  return `failed to start the engine: ${who} has ${folder}; stop it ("gantry daemon stop"), or give this one folders of its own (--data-root, --exec-root)`;
}
