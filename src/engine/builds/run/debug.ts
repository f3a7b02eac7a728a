/** --debug-on-fail: a shell where a step has failed: its tree as it was left, the same mounts, variables, user and folder. */
import type { Duplex } from "node:stream";
import { fail, Failure } from "#base/errors.ts";
import { CONTAINER } from "#core/tasks/tasks.ts";
import type { LeftStep } from "#builder/solve/solve.ts";
import { containerFolder } from "../../containers/folders.ts";
import { mergeEnvironment } from "../../containers/spec/spec.ts";
import type { ExecParts } from "./exec.ts";
import { notStarted, shortReason } from "./failure.ts";
import { newStepId } from "./step.ts";
import { removeFolder, runTask, type TaskWish } from "./task.ts";

/** The best shell that is there; the first line that it writes says which. */
const SHELL = ["/bin/sh", "-c", 'for shell in bash ash sh; do path=$(command -v "$shell" 2>/dev/null) && echo "$path" && exec "$path"; done; echo /bin/sh; exec /bin/sh'];
const LONGEST_PATH = 4096;
const NEWLINE = 10;
const SIGKILL = 9;
const COMMAND_NOT_FOUND = 127;

/** `held`: what the step has, which is given back when what it left is disposed. */
export function leaveStep({ containers }: ExecParts, { record: failed, ...wish }: Omit<TaskWish, "streams" | "signal">, held: AsyncDisposable): LeftStep {
  return {
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
    async enter(attach, signal) {
      const id = newStepId();
      const folder = containerFolder(containers, id);
      const [path = "", ...args] = SHELL;
      const record = {
        ...failed, id, name: id.slice(0, 12), path, args, hostConfig: { ...failed.hostConfig, ConsoleSize: [24, 80] as [number, number] },
        config: { ...failed.config, Cmd: SHELL, Tty: true, OpenStdin: true, StdinOnce: true, Env: mergeEnvironment(["TERM=xterm"], failed.config.Env) },
        hostnamePath: `${folder}/hostname`, hostsPath: `${folder}/hosts`, resolvConfPath: `${folder}/resolv.conf`,
      };
      let began = false;
      try {
        await runTask(containers, {
          ...wish,
          signal,
          record,
          async streams(terminal, { shim }) {
            const name = await firstLine(terminal);
            if (name === undefined) return;
            began = true;
            await attach({ path: name, terminal, resize: ({ rows, columns }) => shim.resize(CONTAINER, { rows, cols: columns }).catch(() => {}) });
            // The client has gone, or its shell has.
            await shim.signal(CONTAINER, SIGKILL).catch(() => {});
          },
        });
      } catch (error) {
        if (!began && !signal.aborted) throw noShell(error instanceof Failure && error.facts["exitCode"] !== undefined ? error : notStarted(error, record), error);
        throw error;
      } finally {
        await removeFolder(containers, id);
      }
      if (!began) throw fail("not-found", "its /bin/sh ended at once");
    },
  };
}

const noShell = (failure: Failure, cause: unknown): Failure =>
  fail("not-found", failure.facts["exitCode"] === COMMAND_NOT_FOUND ? "there is no /bin/sh in it" : shortReason(failure), { cause });

/** What is after it stays to be read. Undefined: there is none. */
async function firstLine(stream: Duplex): Promise<string | undefined> {
  let read = Buffer.alloc(0);
  for (;;) {
    const chunk = stream.read() as Buffer | null;
    if (chunk === null) {
      if (stream.readableEnded || stream.destroyed) return undefined;
      await readable(stream);
      continue;
    }
    read = Buffer.concat([read, chunk]);
    const end = read.indexOf(NEWLINE);
    if (end >= 0) {
      if (end + 1 < read.length) stream.unshift(read.subarray(end + 1));
      return read.toString("utf8", 0, end).trim();
    }
    if (read.length > LONGEST_PATH) return undefined;
  }
}

function readable(stream: Duplex): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const events = ["readable", "end", "close", "error"];
  const rise = () => resolve();
  for (const event of events) stream.on(event, rise);
  return promise.finally(() => {
    for (const event of events) stream.off(event, rise);
  });
}
