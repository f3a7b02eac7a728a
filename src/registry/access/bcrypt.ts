/**
 * bcrypt on a thread of its own: one comparison is 50 ms and more of arithmetic, by design. The thread starts with the first
 * question and ends when none has come for a while.
 */
import { Worker } from "node:worker_threads";
import { fail } from "#base/errors.ts";
import type { Answer, Question } from "./bcrypt-worker.ts";

export type Bcrypt = AsyncDisposable & {
  /** @throws unavailable when too many wait */
  compare(password: string, hash: string): Promise<boolean>;
};

const MOST_WAITING = 64;
const IDLE_MS = 30_000;

export function openBcrypt(): Bcrypt {
  const waiting = new Map<number, PromiseWithResolvers<boolean>>();
  let worker: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;
  let last = 0;

  const end = async () => {
    clearTimeout(idle);
    const ending = worker;
    worker = undefined;
    await ending?.terminate();
  };

  const start = (): Worker => {
    const started = new Worker(new URL("./bcrypt-worker.ts", import.meta.url), { stdout: false });
    started.unref();
    started.on("message", ({ id, equal }: Answer) => {
      waiting.get(id)?.resolve(equal);
      waiting.delete(id);
      if (waiting.size > 0) return;
      started.unref();
      idle = setTimeout(() => void end(), IDLE_MS).unref();
    });
    started.on("error", (error) => {
      if (worker === started) worker = undefined;
      for (const one of waiting.values()) one.reject(error);
      waiting.clear();
    });
    return started;
  };

  return {
    async compare(password, hash) {
      if (waiting.size >= MOST_WAITING) throw fail("unavailable", "too many logins at once: try again");
      clearTimeout(idle);
      worker ??= start();
      const id = ++last;
      const answer = Promise.withResolvers<boolean>();
      waiting.set(id, answer);
      worker.ref();
      worker.postMessage({ id, password, hash } satisfies Question);
      return await answer.promise;
    },
    [Symbol.asyncDispose]: end,
  };
}
