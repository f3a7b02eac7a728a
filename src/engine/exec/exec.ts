/**
 * Commands in running containers. An exec is made (`create`), then started once; its record stays a while after the end,
 * for the exit code.
 *
 * Execs live in memory: when the engine dies nobody can ask for them any more, and the processes end with their
 * container, or by themselves.
 */
import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { fail, kindOf, messageOf } from "#base/errors.ts";
import { ProgramError, type Task } from "#core/tasks/tasks.ts";
import { readAccounts } from "../containers/spec/accounts.ts";
import { openLatch } from "../containers/streams/attach-latch.ts";
import { isRunning, refuseRestarting, publish, type Context, type ExecHooks } from "../containers/context.ts";
import { parseDetachKeys } from "../containers/streams/detach-keys.ts";
import { specInput } from "../containers/run/plan-start.ts";
import { containerSpec, execProcess } from "../containers/spec/spec.ts";
import { NOT_EXECUTABLE, programFailure } from "../containers/run/start-failure.ts";
import type { ContainerRecord, ExecConfig, ExecRecord, Execs, StartFailure } from "../engine.ts";

export type OpenExecs = { readonly execs: Execs; readonly hooks: ExecHooks };

/** How long the record of one that has ended is kept. */
const KEPT_MS = 5 * 60_000;
const PREFIX = "OCI runtime exec failed: exec failed: unable to start container process";

type Exec = {
  record: ExecRecord;
  /** A start was asked for. */
  claimed: boolean;
  /** Settles when its process runs, or could not be made. */
  readonly started: PromiseWithResolvers<void>;
  readonly ended: PromiseWithResolvers<void>;
};

export function openExecs(ctx: Context): OpenExecs {
  const all = new Map<string, Exec>();

  const find = (id: string): Exec => {
    const exec = all.get(id);
    if (exec === undefined) throw fail("not-found", `No such exec instance: ${id}`);
    return exec;
  };

  const end = (exec: Exec, code: number): void => {
    if (exec.record.exitCode !== null) return;
    const wasRunning = exec.record.running;
    exec.record = { ...exec.record, running: false, exitCode: code };
    exec.started.resolve();
    exec.ended.resolve();
    const { id, containerId } = exec.record;
    const container = ctx.store.get(containerId);
    if (container !== undefined && wasRunning) publish(ctx, container, "exec_die", { execID: id, exitCode: String(code) });
    if (container !== undefined) ctx.store.remember({ ...container, execIds: container.execIds.filter((one) => one !== id) });
    setTimeout(() => all.delete(id), KEPT_MS).unref();
  };

  const launch = async (id: string, stdio: Stdio): Promise<Duplex | undefined> => {
    const exec = find(id);
    if (exec.record.exitCode !== null) throw fail("conflict", `Exec command ${id} has already run`);
    if (exec.claimed) throw fail("conflict", `Exec command ${id} is already running`);
    const { container, task } = runningContainer(ctx, exec.record.containerId);
    if (stdio.tty !== undefined && stdio.tty !== exec.record.config.Tty) stdio = { ...stdio, tty: exec.record.config.Tty };
    exec.claimed = true;
    try {
      return await startExec(ctx, exec, container, task, stdio);
    } catch (error) {
      const failure = execFailure(error, exec.record.config);
      end(exec, failure.facts.exitCode);
      throw failure;
    }
  };

  return {
    execs: {
      async create(ref, config) {
        const { container } = runningContainer(ctx, ref);
        if (config.Cmd.length === 0) throw fail("invalid", "No exec command specified");
        parseDetachKeys(config.DetachKeys);
        const id = randomBytes(32).toString("hex");
        const record: ExecRecord = { id, containerId: container.id, config, running: false, exitCode: null, pid: 0 };
        all.set(id, { record, claimed: false, started: Promise.withResolvers(), ended: Promise.withResolvers() });
        const now = ctx.store.get(container.id) ?? container;
        ctx.store.remember({ ...now, execIds: [...now.execIds, id] });
        publish(ctx, container, `exec_create: ${config.Cmd.join(" ")}`, { execID: id });
        return id;
      },
      get: (id) => find(id).record,
      async start(id, { consoleSize, stdin, stdout, stderr, tty }) {
        const stream = await launch(id, { tty, attach: { stdin, stdout, stderr }, ...(consoleSize === undefined ? {} : { consoleSize }) });
        return stream!;
      },
      async startDetached(id) {
        await launch(id, {});
      },
      async resize(id, size) {
        const exec = find(id);
        if (!exec.claimed) throw fail("invalid", `exec ${id} is not started`);
        await exec.started.promise;
        const { task } = runningContainer(ctx, exec.record.containerId);
        await task.shim.resize(id, size).catch((error: unknown) => {
          if (kindOf(error) !== "invalid") throw error;
        });
      },
    },
    hooks: {
      exited: (_, id, code) => {
        const exec = all.get(id);
        if (exec !== undefined) end(exec, code);
      },
      detached(containerId, id) {
        const container = ctx.store.get(containerId);
        if (container !== undefined) publish(ctx, container, "exec_detach", { execID: id });
      },
      allEnded(containerId) {
        for (const exec of all.values()) if (exec.record.containerId === containerId && exec.record.exitCode === null) end(exec, KILLED);
      },
    },
  };
}

/** What is no matter of the executable, an unknown user say, counts as "cannot be executed". */
function execFailure(error: unknown, { Cmd, WorkingDir }: ExecConfig): StartFailure {
  if (error instanceof ProgramError) return programFailure(error, PREFIX, { command: Cmd[0]!, cwd: WorkingDir });
  return fail(kindOf(error), messageOf(error), { cause: error, facts: { exitCode: NOT_EXECUTABLE } }) as StartFailure;
}

const KILLED = 137;

type Stdio = {
  readonly tty?: boolean;
  readonly consoleSize?: [number, number];
  readonly attach?: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
};

/** @throws not-found, conflict, with Docker's texts */
function runningContainer(ctx: Context, ref: string): { container: ContainerRecord; task: Task } {
  const container = ctx.store.find(ref);
  const { task } = ctx.lives.of(container.id);
  refuseRestarting(container);
  if (!isRunning(container) || task === undefined) throw fail("conflict", `container ${container.id} is not running`);
  if (container.state.status === "paused") throw fail("conflict", `container ${container.name} is paused, unpause the container before exec`);
  return { container, task };
}

/** The client is attached before the process is started: nothing of what it says is missed. */
async function startExec(ctx: Context, exec: Exec, container: ContainerRecord, task: Task, stdio: Stdio): Promise<Duplex | undefined> {
  const { id, config } = exec.record;
  const program = await planExec(ctx, container, withSize(config, stdio.consoleSize));
  const [rows, cols] = stdio.consoleSize ?? config.ConsoleSize ?? [0, 0];
  await task.shim.exec(id, { program, tty: config.Tty, stdin: stdio.attach?.stdin === true, rows, cols });
  const attached = stdio.attach === undefined ? undefined : await task.shim.attach(id, { ...stdio.attach, ...(config.Tty ? { detachKeys: parseDetachKeys(config.DetachKeys) } : {}) });
  attached?.stream.on("error", () => attached.stream.destroy());
  try {
    publish(ctx, container, `exec_start: ${config.Cmd.join(" ")}`, { execID: id });
    const { pid } = await task.shim.startExec(id);
    if (exec.record.exitCode === null) exec.record = { ...exec.record, running: true, pid };
    exec.started.resolve();
  } catch (error) {
    attached?.stream.destroy();
    throw error;
  }
  if (attached === undefined) return undefined;
  // The client asks for the exit code as soon as the stream ends: by then it must be known.
  const latch = openLatch({ endAfter: exec.ended.promise });
  latch.join(attached.stream);
  return latch.stream;
}

const withSize = (config: ExecConfig, size: [number, number] | undefined): ExecConfig => (size === undefined ? config : { ...config, ConsoleSize: size });

async function planExec(ctx: Context, container: ContainerRecord, config: ExecConfig) {
  const accounts = await readAccounts(ctx, container);
  const [own, other] = [await specInput(ctx, container, accounts), config.User === "" ? undefined : await specInput(ctx, container, accounts, config.User)];
  return await ctx.tasks.planExec(containerSpec(own), execProcess({ ...(other ?? own), exec: config }), container.state.pid);
}
