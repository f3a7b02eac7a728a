/** RUN, over what containers are made of. See run.ts. */
import { fail } from "#base/errors.ts";
import type { LeftStep } from "#builder/solve/solve.ts";
import { exec } from "./exec.ts";
import { openCaches } from "./caches.ts";
import { socketFolder } from "./ssh.ts";
import { openTrees } from "./trees.ts";
import type { Run, RunParts } from "./run.ts";

export function openRun(parts: RunParts): Run {
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();
  const caches = openCaches(parts.containers);
  const sockets = socketFolder(parts.containers.config.execRoot);
  const trees = openTrees({ ...parts.contexts, kernel: parts.containers.kernel, folder: parts.folder });
  return {
    caches,
    exec(op, inputs, context) {
      const signal = AbortSignal.any([context.signal, closing.signal]);
      const { keepFailed } = context;
      const keep = (left: LeftStep) => keepFailed!({ ...left, enter: (attach, wanted) => follow(left.enter(attach, AbortSignal.any([wanted, closing.signal]))) });
      return follow(exec({ ...parts, caches, trees, sockets }, op, inputs, { ...context, signal, ...(keepFailed !== undefined && { keepFailed: keep }) }));
    },
    async close() {
      closing.abort(fail("cancelled", "the engine stops"));
      await Promise.all(running);
    },
  };

  function follow<T>(work: Promise<T>): Promise<T> {
    const settled = work.catch(() => {}).finally(() => running.delete(settled));
    running.add(settled);
    return work;
  }
}
