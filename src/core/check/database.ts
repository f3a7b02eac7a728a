/** Step 1: SQLite's own check, by a thread with a connection of its own: it reads every page. */
import { Worker } from "node:worker_threads";
import type { Checking, Findings } from "./open-check.ts";
import { problem } from "./open-check.ts";

/** At most so many lines are told: one page that is lost may be told of a thousand times. */
const MOST = 50;

const PROGRAM = `
  const { parentPort, workerData } = require("node:worker_threads");
  const { DatabaseSync } = require("node:sqlite");
  const db = new DatabaseSync(workerData.path, { readOnly: true });
  const lines = [
    ...db.prepare("PRAGMA integrity_check(" + workerData.most + ")").all().map((row) => row.integrity_check).filter((line) => line !== "ok"),
    ...db.prepare("PRAGMA foreign_key_check").all().map((row) => "row " + row.rowid + " of " + row.table + ": its " + row.parent + " is missing"),
  ];
  db.close();
  parentPort.postMessage(lines.slice(0, workerData.most));
`;

export async function* checkDatabase(checking: Checking): Findings {
  for (const line of await integrityLines(checking.db.path)) yield await problem(checking, "database", "gantry.db", line);
}

async function integrityLines(path: string): Promise<string[]> {
  const { promise, resolve, reject } = Promise.withResolvers<string[]>();
  const worker = new Worker(PROGRAM, { eval: true, execArgv: [], workerData: { path, most: MOST }, env: {} });
  worker.once("message", resolve).once("error", reject).once("exit", () => reject(new Error("check the database: the thread ended early")));
  return await promise;
}
