/** --debug-on-fail: a shell where a step has failed: its tree as it was left, the same mounts, variables, user and folder. */
import { CONTAINER } from "#core/tasks/tasks.ts";
import type { StepContext } from "#builder/solve/solve.ts";
import { mergeEnvironment } from "../../containers/spec/spec.ts";
import type { ExecParts } from "./exec.ts";
import { newStepId } from "./step.ts";
import { removeFolder, runTask, type TaskWish } from "./task.ts";
import { containerFolder } from "../../containers/folders.ts";

/** The best shell that is there. */
const SHELL = ["/bin/sh", "-c", 'for shell in bash ash; do command -v "$shell" >/dev/null 2>&1 && exec "$shell"; done; exec /bin/sh'];
const SIGKILL = 9;

/** Resolves when the shell has ended, or the client has had enough of it. What goes wrong is told, and no failure. */
export async function debug({ containers }: ExecParts, { record: failed, ...wish }: Omit<TaskWish, "streams">, context: StepContext): Promise<void> {
  const { client, signal, log } = context;
  if (client.debug === undefined) return;
  const id = newStepId();
  const folder = containerFolder(containers, id);
  const [path = "", ...args] = SHELL;
  const record = {
    ...failed, id, name: id.slice(0, 12), path, args, hostConfig: { ...failed.hostConfig, ConsoleSize: [24, 80] as [number, number] },
    config: { ...failed.config, Cmd: SHELL, Tty: true, OpenStdin: true, StdinOnce: true, Env: mergeEnvironment(["TERM=xterm"], failed.config.Env) },
    hostnamePath: `${folder}/hostname`, hostsPath: `${folder}/hosts`, resolvConfPath: `${folder}/resolv.conf`,
  };
  let over = false;
  try {
    await runTask(containers, {
      ...wish,
      record,
      async streams(stream, task) {
        await client.debug!(stream);
        // The client has gone, or its shell has; or it knows nothing of shells.
        over = true;
        await task.shim.signal(CONTAINER, SIGKILL).catch(() => {});
      },
    });
  } catch (error) {
    signal.throwIfAborted();
    if (over) return;
    await log(2, Buffer.from(`no shell in the failed step: ${error instanceof Error ? error.message : String(error)}\n`));
  } finally {
    await removeFolder(containers, id);
  }
}
