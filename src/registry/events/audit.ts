/**
 * Who did what: one line of JSON an event, in the order of the events. Lines wait in memory while the disk is slow, up to
 * 10,000; then some are lost, and the log says how many. It is opened anew when it has been moved away (logrotate).
 */
import { open, stat, type FileHandle } from "node:fs/promises";
import { messageOf } from "#base/errors.ts";
import type { Log } from "#base/log.ts";
import type { Refusal, RegistryEvent } from "./events.ts";

export type Audit = AsyncDisposable & { emit(event: RegistryEvent): void; refused(refusal: Refusal): void };

const MOST_WAITING = 10_000;

export async function openAudit(path: string, log: Log): Promise<Audit> {
  let file = path === "-" ? undefined : await openFile(path);
  let waiting: string[] = [];
  let lost = 0;
  let writing: Promise<void> | undefined;

  const write = async () => {
    while (waiting.length > 0) {
      const lines = waiting;
      waiting = [];
      if (lost > 0) lines.push(`${JSON.stringify({ time: new Date().toISOString(), lost })}\n`);
      lost = 0;
      try {
        if (file === undefined) process.stdout.write(lines.join(""));
        else {
          file = await reopened(file, path);
          await file.appendFile(lines.join(""));
        }
      } catch (error) {
        lost += lines.length;
        log.error("audit log: lines are lost", { path, lines: lines.length, error: messageOf(error) });
      }
    }
    writing = undefined;
  };

  const add = (line: string) => {
    if (waiting.length >= MOST_WAITING) return void lost++;
    waiting.push(line);
    // After the events of this turn: they are one write.
    writing ??= Promise.resolve().then(write);
  };

  return {
    emit: (event) => add(lineOf(event)),
    refused: (refusal) => add(refusalOf(refusal)),
    async [Symbol.asyncDispose]() {
      await writing;
      await file?.close();
    },
  };
}

const openFile = (path: string): Promise<FileHandle> => open(path, "a", 0o640);

async function reopened(file: FileHandle, path: string): Promise<FileHandle> {
  const [held, named] = [await file.stat(), await stat(path).catch(() => undefined)];
  if (named !== undefined && named.ino === held.ino && named.dev === held.dev) return file;
  await file.close();
  return await openFile(path);
}

export function lineOf({ kind, target, repository, digest, tag, size, from, actor }: RegistryEvent): string {
  const { identity, address, userAgent, requestId } = actor;
  const fields = { who: identity, what: kind, result: "done", target, repository, tag, digest, size, from, address, agent: userAgent.slice(0, 256), request: requestId };
  return `${JSON.stringify({ time: new Date().toISOString(), ...fields })}\n`;
}

const REASONS: Readonly<Record<Refusal["why"], string>> = { password: "wrong password", token: "invalid token", right: "denied" };

/** The name is what was claimed, of a wrong password; it may be anything. */
const refusalOf = ({ identity, action, repository, address, why }: Refusal): string =>
  `${JSON.stringify({ time: new Date().toISOString(), who: identity.slice(0, 256), what: action, result: REASONS[why], repository, address })}\n`;
